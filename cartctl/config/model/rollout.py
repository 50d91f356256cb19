"""The sections about the staged rollout by company, as `[env.NAME.rollout]` writes them."""

from datetime import date, time, timedelta
from typing import Literal

from pydantic import Field

from cartctl.config.model.section import Section
from cartctl.config.values import Duration, LocalPath


class Flags(Section):
    """Where the feature flags are: in a ConfigMap, or in a file."""

    configmap: str = Field(default="cart-flags", description="Name of the ConfigMap.")
    key: str = Field(default="flags.json", description="Key in the ConfigMap.")
    file: LocalPath | None = Field(
        default=None, description="File with the flags, instead of the ConfigMap.", examples=["flags.json"]
    )


class Companies(Section):
    """Where the companies are read from: a query or a CSV file, with the ID in the first column."""

    sql: str | None = Field(
        default=None,
        description="Query of the companies: ID, and optionally whether it is a beta company.",
        examples=["SELECT id, beta FROM companies"],
    )
    csv: LocalPath | None = Field(
        default=None,
        description="CSV file with the same columns, instead of a query.",
        examples=["companies.csv"],
    )
    beta: tuple[str, ...] = Field(
        default=(),
        description="IDs of the beta companies, instead of the second column.",
        examples=[["acme"]],
    )
    allocation: Literal["exact", "fractional"] = Field(
        default="exact",
        description="How a percentage is allocated: by counting the companies, or by a hash of the ID.",
    )


class Gate(Section):
    """What a stage must show before the next one begins."""

    lookback: Duration = Field(
        default=timedelta(hours=24),
        description="Period over which conversion, metrics and logs are evaluated.",
    )
    conversion_drop: float = Field(
        default=0.10,
        ge=0,
        le=1,
        description="Largest relative drop of conversion against the other companies (0 to 1).",
    )
    minimum_carts: int = Field(
        default=200, ge=1, description="Carts on each side below which conversion is not evaluated."
    )
    conversion_required: bool = Field(
        default=False, description="Whether too few carts block the next stage."
    )


class Calendar(Section):
    """When a stage may be entered automatically, in the companies' time zone."""

    zone: str = Field(default="UTC", description="Time zone of these times, by its IANA name.")
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = Field(
        default=("mon", "tue", "wed", "thu", "fri", "sat", "sun"), description="Days of the week."
    )
    from_: time = Field(default=time(0), alias="from", description="Local time from which it may begin.")
    to: time = Field(default=time(23, 59, 59), description="Local time until which it may begin.")
    freeze: tuple[date, ...] = Field(
        default=(), description="Dates on which no stage begins.", examples=[["2026-12-24", "2026-12-25"]]
    )


class Rollout(Section):
    """The staged rollout by company, over twenty days."""

    start: date | None = Field(default=None, description="Date of day 0.", examples=["2026-12-01"])
    calendar: Calendar = Field(default=Calendar(), description="When a stage may begin by itself.")
    seed: str = Field(
        default="cart",
        min_length=1,
        description="Text that decides, together with a company's ID, which companies come first.",
    )
    soak_days: int | None = Field(
        default=None,
        ge=0,
        description="Days that a stage must last. Default: the days of the stage itself.",
        examples=[2],
    )
    ask_path: str = Field(
        default="/api/admin/features",
        description="Path at which the application reports the flags of a company.",
    )
    flags: Flags = Field(default=Flags(), description="Where the feature flags are.")
    companies: Companies | None = Field(
        default=None,
        description="Where the list of companies comes from.",
        examples=[{"sql": "SELECT id, beta FROM companies"}],
    )
    internal_companies: tuple[str, ...] = Field(
        default=(), description="IDs of the companies that are always enabled.", examples=[["our-company"]]
    )
    stages: tuple[str, ...] = Field(
        default=(
            "0-2 internal",
            "3-5 shadow",
            "6-10 beta 10%",
            "11-13 25%",
            "14-16 50%",
            "17-18 75%",
            "19-20 100%",
        ),
        description='Stages: days, then a name or a percentage; "beta" limits it to beta companies, "signoff" requires an approval.',
    )
    gate: Gate = Field(default=Gate(), description="What a stage must show before the next one.")

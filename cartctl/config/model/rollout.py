"""The twenty days, as `[env.NAME.rollout]` writes them."""

from datetime import date, time, timedelta
from typing import Literal

from pydantic import Field

from cartctl.config.model.section import Section
from cartctl.config.values import Duration, LocalPath


class Flags(Section):
    """Where the feature flags are: a ConfigMap's key, or a file."""

    configmap: str = "cart-flags"
    key: str = "flags.json"
    file: LocalPath | None = None


class Companies(Section):
    """How the companies are known: a query or a CSV file, its first column the id, its second whether it is a beta company."""

    sql: str | None = None
    csv: LocalPath | None = None
    beta: tuple[str, ...] = ()  # instead of the second column
    allocation: Literal["exact", "fractional"] = "exact"


class Gate(Section):
    """What a stage of the rollout must show."""

    lookback: Duration = timedelta(hours=24)
    conversion_drop: float = Field(default=0.10, ge=0, le=1)
    minimum_carts: int = Field(default=200, ge=1)
    conversion_required: bool = False  # whether too few carts to compare keep the next stage waiting


class Calendar(Section):
    """When a stage may be entered by itself, in the companies' own time zone."""

    zone: str = "UTC"
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = (
        "mon", "tue", "wed", "thu", "fri", "sat", "sun",
    )  # fmt: skip
    from_: time = Field(default=time(0), alias="from")
    to: time = time(23, 59, 59)
    freeze: tuple[date, ...] = ()


class Rollout(Section):
    """The twenty days."""

    start: date | None = None
    calendar: Calendar = Calendar()
    seed: str = Field(default="cart", min_length=1)  # with the company's id it decides who comes first
    soak_days: int | None = Field(default=None, ge=0)  # that a stage must stand; left out: its own days
    ask_path: str = "/api/admin/features"  # where the application says which flags a company has
    flags: Flags = Flags()
    companies: Companies | None = None
    internal_companies: tuple[str, ...] = ()
    stages: tuple[str, ...] = (
        "0-2 internal",
        "3-5 shadow",
        "6-10 beta 10%",
        "11-13 25%",
        "14-16 50%",
        "17-18 75%",
        "19-20 100%",
    )
    gate: Gate = Gate()

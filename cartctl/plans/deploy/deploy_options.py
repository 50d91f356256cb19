"""The options of a deployment, recorded in the journal for `--resume`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from cartctl.config.values import duration_option
from cartctl.errors import UsageError

PREFLIGHT = "preflight."


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """Options of `deploy` that shape its plan. `monitor_for` None is the environment's."""

    images: Mapping[str, str] = field(default_factory=dict)
    at: datetime | None = None
    skip: tuple[str, ...] = ()
    monitor_for: timedelta | None = None
    outside_window: bool = False
    auto_rollback: bool = True
    restore_carts: str | None = None  # a rollback's run or a snapshot: the source of restored rows
    reason: str = ""  # why steps or checks are skipped
    force_owned: bool = False  # also resources managed by another tool, which was paused first

    @property
    def skipped_checks(self) -> dict[str, str]:
        """Preflight checks skipped by `--skip preflight.NAME`, with the reason shown."""
        named = [name for name in self.skip if name.startswith(PREFLIGHT)]
        return {name.removeprefix(PREFLIGHT): self.reason or f"--skip {name}" for name in named}

    @property
    def skipped_steps(self) -> dict[str, str]:
        """Steps skipped by `--skip STEP`, with the reason shown."""
        steps = [name for name in self.skip if not name.startswith(PREFLIGHT)]
        return dict.fromkeys(steps, f"--skip: {self.reason}" if self.reason else "--skip")

    def to_json(self) -> dict[str, Any]:
        """The options as the journal records them."""
        dumped: dict[str, Any] = TypeAdapter(DeployOptions).dump_python(self, mode="json")
        return dumped

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "DeployOptions":
        """Read the options from the journal."""
        return TypeAdapter(cls).validate_python(dict(data))


def parse(  # noqa: PLR0913 - an option each
    *,
    images: Sequence[str],
    at: datetime | None,
    skip: Sequence[str],
    monitor_for: str | None,
    outside_window: bool,
    auto_rollback: bool,
    restore_carts: str | None = None,
    reason: str | None = None,
    force_owned: bool = False,
) -> DeployOptions:
    """Parse the options of the command line. Raises UsageError, naming the invalid option."""
    return DeployOptions(
        images=parse_images(images),
        at=at and at.replace(tzinfo=at.tzinfo or UTC),
        skip=tuple(skip),
        monitor_for=_duration(monitor_for),
        outside_window=outside_window,
        auto_rollback=auto_rollback,
        restore_carts=restore_carts,
        reason=(reason or "").strip(),
        force_owned=force_owned,
    )


def require_reason(options: DeployOptions) -> None:
    """Raise UsageError for steps or checks that are skipped without a reason."""
    if options.skip and not options.reason:
        raise UsageError("--skip requires --reason.", hint="Use --reason TEXT; it is recorded with the run.")


def parse_images(given: Sequence[str]) -> dict[str, str]:
    """Images by deployment from texts such as `payment-api=2.0.0`. Raises UsageError."""
    images = {}
    for one in given:
        name, equals, ref = one.partition("=")
        if not (name and equals and ref):
            raise UsageError(
                f"invalid --image '{one}': use DEPLOYMENT=REF", hint="For example: --image payment-api=2.0.0"
            )
        images[name] = ref
    return images


def _duration(text: str | None) -> timedelta | None:
    return duration_option("--monitor-for", text) if text else None

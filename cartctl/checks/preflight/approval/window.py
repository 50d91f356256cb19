"""When a deployment may happen: the environment's window and its freeze days."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cartctl.checks.results import failed, not_configured, passed, warned
from cartctl.config.model.environment import Environment, Window
from cartctl.config.wall_clock import is_open
from cartctl.engine.model import CheckResult

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def check_window(environment: Environment, now: datetime, *, outside_allowed: bool) -> Iterator[CheckResult]:
    """Whether `now` is in the environment's window; enforced only in a protected environment. Read-only."""
    window = environment.window
    if window is None:
        yield not_configured("window")
        return
    expected = f"{window.day} {window.from_:%H:%M} to {window.to:%H:%M} {window.zone}"
    try:
        zone = ZoneInfo(window.zone)
        why = _outside(window, now, zone)
    except (ZoneInfoNotFoundError, ValueError):
        yield failed("window", f"no time zone {window.zone}", expected, "Correct window.zone.")
        return
    if not why:
        yield passed("window", f"{now:%Y-%m-%d %H:%M} {now.tzname()}", expected)
    elif outside_allowed:
        hint = "--outside-window overrides it; the run records who used it."
        yield warned("window", f"{why}, allowed by --outside-window", expected, hint)
    elif environment.protected:
        yield failed("window", why, expected, "Wait for the window, or use --outside-window.")
    else:
        yield warned(
            "window", why, expected, "The environment is not protected: the deployment may continue."
        )


def _outside(window: Window, now: datetime, zone: ZoneInfo) -> str:
    """Why the window is closed; empty when it is open. The day before counts, whose window a clock change may lengthen."""
    here = now.astimezone(zone)
    for day in (here.date(), here.date() - timedelta(days=1)):
        if DAYS[day.weekday()] == window.day and is_open(now, day, window.from_, window.to, zone):
            return f"{day} is frozen" if day in window.freeze else ""
    if here.date() in window.freeze:
        return f"{here.date()} is frozen"
    return f"it is {DAYS[here.weekday()]} {here:%H:%M}"

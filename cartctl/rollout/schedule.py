"""The calendar of a rollout: which day it is, which stage is due, and when a stage may be entered. Pure, in the calendar's time zone."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from cartctl.config.model.rollout import Calendar
from cartctl.config.model.stages import Stage
from cartctl.config.wall_clock import is_open

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAYS_AHEAD = 400  # days to search for the next one on which a stage may be entered


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a rollout: the stage entered last (-1: none) and the date it was entered; held or aborted: why."""

    stage: int
    entered: date
    held: str | None = None
    aborted: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """What is due now: enter `stage`, or nothing and `why`; `on` is the first possible date, None when never automatically."""

    stage: int | None
    why: str = ""
    on: date | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """The stages from a start date on.

    `frozen` are dates on which no stage is entered; `soak_days` None: each stage's own days.
    """

    start: date
    stages: tuple[Stage, ...]
    calendar: Calendar
    frozen: frozenset[date] = frozenset()
    soak_days: int | None = None

    def today(self, now: datetime) -> date:
        """Today's date in the companies' time zone."""
        return now.astimezone(ZoneInfo(self.calendar.zone)).date()

    def day(self, now: datetime) -> int:
        """The day of the rollout: 0 on its start date, negative before it."""
        return (self.today(now) - self.start).days

    def planned(self, day: int) -> int:
        """The planned stage of a day (-1: none yet); after the last day the last one."""
        return max((at for at, stage in enumerate(self.stages) if stage.first <= day), default=-1)

    def closed(self, now: datetime) -> str:
        """Why no stage may be entered at this moment; empty when one may."""
        calendar, zone = self.calendar, ZoneInfo(self.calendar.zone)
        here = now.astimezone(zone)
        days = (here.date(), here.date() - timedelta(days=1))  # a clock change may lengthen the day before
        opened = [day for day in days if is_open(now, day, calendar.from_, calendar.to, zone)]
        if why := self._shut(opened[0] if opened else here.date()):
            return why
        if not opened:
            return (
                f"it is {here:%H:%M} {calendar.zone}, outside {calendar.from_:%H:%M} to {calendar.to:%H:%M}"
            )
        return ""

    def earliest(self, standing: Standing) -> date | None:
        """The first date on which the next stage may be entered; None after the last stage."""
        if standing.stage + 1 >= len(self.stages):
            return None
        begin = max(
            self.start + timedelta(days=self.stages[standing.stage + 1].first), self.lasts_until(standing)
        )
        days = (begin + timedelta(days=more) for more in range(DAYS_AHEAD))
        return next((day for day in days if not self._shut(day)), None)

    def lasts_until(self, standing: Standing) -> date:
        """The date on which the present stage has lasted long enough."""
        if standing.stage < 0:
            return self.start
        days = self.stages[standing.stage].days if self.soak_days is None else self.soak_days
        return standing.entered + timedelta(days=days)

    def due(self, standing: Standing, now: datetime) -> Due:
        """What is due now: stages are entered one after the other, even if some days were missed."""
        if why := self._over(standing):
            return Due(None, why)
        if why := self._waits(standing, now):
            return Due(None, why, self.earliest(standing))
        return Due(standing.stage + 1)

    def _over(self, standing: Standing) -> str:
        """Why nothing will ever be due automatically."""
        if standing.aborted:
            return "the rollout was aborted"
        if standing.stage + 1 >= len(self.stages):
            return "every stage is complete"
        return "" if standing.held is None else f"it is on hold: {standing.held}"

    def _waits(self, standing: Standing, now: datetime) -> str:
        """Why the next stage is not due yet."""
        today, coming = self.today(now), self.stages[standing.stage + 1]
        if standing.stage >= 0 and today < standing.entered:
            return f"the clock shows {today}, but the stage was entered on {standing.entered}"
        if today < (opens := self.start + timedelta(days=coming.first)):
            return f"{coming.name} is due on {opens}"
        if today < (lasts_until := self.lasts_until(standing)):
            return f"{self.stages[standing.stage].name} must last until {lasts_until}"
        return self.closed(now)

    def _shut(self, day: date) -> str:
        if day in self.frozen:
            return f"{day} is a freeze day"
        if WEEKDAYS[day.weekday()] not in self.calendar.days:
            return f"{day} is a {WEEKDAYS[day.weekday()]}, on which no stage begins"
        return ""


def frozen_days(*lists: Iterable[date]) -> frozenset[date]:
    """The rollout's own freeze days and the deployment window's."""
    return frozenset(day for days in lists for day in days)

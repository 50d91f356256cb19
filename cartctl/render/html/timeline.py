"""The timeline of a run: when each step ran, by phase and by what it changes. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cartctl.engine.events import LOCK, RUN, STOP, Event, EventKind
from cartctl.engine.report import maintenance_intervals, phases_of
from cartctl.render.words import STEP_WORDS

LANES: Mapping[str, tuple[str, ...]] = {  # what a step changes → the beginnings of the steps' keys
    "database": (
        "snapshot",
        "fingerprint",
        "migrate",
        "carts",
        "database",
        "catalogue",
        "hook",
        "copy",
        "roll back",
        "ledger",
    ),
    "cluster": (
        "prewarm",
        "workers",
        "maintenance",
        "release",
        "undo",
        "revision",
        "code",
    ),
    "flags": ("flags",),
    "other": ("announce", "report", "cache", "cdn"),
    "checks": (),  # everything else
}
NARROWEST = 4.0  # thousandths of the run: a bar that can be seen
UNDONE = "Rollback"  # the phase name of reverts
_ENDS = {
    EventKind.APPLIED,
    EventKind.SKIPPED,
    EventKind.FAILED,
    EventKind.RESTORED,
    EventKind.UNDO_FAILED,
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One step as it ran: `x` and `width` are thousandths of the run's time, `style` a class of the page."""

    key: str
    phase: str
    lane: str
    outcome: str
    style: str
    seconds: float
    x: float
    width: float
    reason: str = ""

    @property
    def word(self) -> str:
        """The outcome of the step."""
        if self.outcome == EventKind.RESTORED and self.style != "undo":
            return "done"  # a step of the plan that reverts an earlier one
        return STEP_WORDS.get(self.outcome, self.outcome)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps time to thousandths of the width. Monitoring that takes more than half of the run is drawn as half of it."""

    begin: datetime
    seconds: float
    monitor: tuple[float, float]  # seconds after the beginning

    @classmethod
    def of(cls, begin: datetime, end: datetime, events: Iterable[Event]) -> "Scale":
        """The scale of a run's events."""
        total = max((end - begin).total_seconds(), 0.001)
        for event in events:
            if event.key == "monitor" and event.event in _ENDS:
                until = (event.at - begin).total_seconds()
                since = max(0.0, until - float(event.data.get("seconds", 0.0)))
                if until - since > total / 2 and total > until - since:
                    return cls(begin, total, (since, until))
        return cls(begin, total, (0.0, 0.0))

    @property
    def shortened(self) -> bool:
        """Whether monitoring is drawn shorter than it was."""
        return self.monitor[1] > 0

    def x(self, at: datetime) -> float:
        """The position of a moment."""
        offset = min(max((at - self.begin).total_seconds(), 0.0), self.seconds)
        since, until = self.monitor
        inside = min(max(offset - since, 0.0), until - since)
        rest = self.seconds - (until - since)
        if not self.shortened:
            return round(1000 * offset / self.seconds, 2)
        return round(500 * (offset - inside) / rest + 500 * inside / (until - since), 2)

    def at(self, x: float) -> datetime:
        """The moment at a position, by bisection: the scale is monotonic."""
        low, high = self.begin, self.begin + timedelta(seconds=self.seconds)
        for _ in range(40):
            middle = low + (high - low) / 2
            low, high = (middle, high) if self.x(middle) < x else (low, middle)
        return high


@dataclass(frozen=True, slots=True)
class Timeline:
    """All bars in order, the maintenance intervals (x and width), and the run's first and last moment."""

    bars: tuple[Bar, ...]
    maintenance: tuple[tuple[float, float], ...]
    begin: datetime
    end: datetime
    scale: Scale

    def axis(self) -> list[datetime]:
        """Five moments, evenly over the width."""
        return [self.begin, *(self.scale.at(x) for x in (250, 500, 750)), self.end]

    def lanes(self) -> list[tuple[str, list[Bar]]]:
        """Each lane with its bars that took time; `other` only if it has any."""
        ran = [bar for bar in self.bars if bar.outcome != EventKind.SKIPPED]
        lanes = [(lane, [bar for bar in ran if bar.lane == lane]) for lane in LANES]
        return [(lane, bars) for lane, bars in lanes if bars or lane != "other"]

    def phases(self) -> list[tuple[str, list[Bar]]]:
        """Each phase with its bars, in order."""
        names = dict.fromkeys(bar.phase for bar in self.bars)
        return [(name, [bar for bar in self.bars if bar.phase == name]) for name in names]


def timeline(events: Sequence[Event]) -> Timeline:
    """The timeline of a run's events; at least one event."""
    started = next((event for event in events if event.event == EventKind.STARTED), events[0])
    begin = started.at
    own = [event for event in events if event.at >= begin]
    end = max(event.at for event in own)
    scale = Scale.of(begin, end, own)
    intervals = ((scale.x(since), scale.x(until or end)) for since, until in maintenance_intervals(own))
    return Timeline(
        tuple(_bars(own, phases_of(started), scale)),
        tuple((x, round(max(to - x, 1.0), 2)) for x, to in intervals),
        begin,
        end,
        scale,
    )


def lane_of(key: str) -> str:
    """What a step changes: database, cluster, flags or caches and messages; everything else is a check."""
    return next((lane for lane, names in LANES.items() if key.startswith(names)), "checks")


def _bars(events: Iterable[Event], phases: Mapping[str, str], scale: Scale) -> Iterator[Bar]:
    """A step without its own seconds began when it was intended, or when the one before it ended."""
    previous, undoing = scale.begin, False
    intended: dict[str, datetime] = {}
    for event in events:
        if (event.key, event.event) == (RUN, EventKind.UNDOING):
            undoing, previous = True, event.at
        elif event.event == EventKind.INTENDED:
            intended[event.key] = event.at
        elif event.key not in {RUN, STOP, LOCK} and event.event in _ENDS:
            since = intended.pop(event.key, previous)
            if event.event == EventKind.SKIPPED:
                since = event.at
            elif "seconds" in event.data:
                since = event.at - timedelta(seconds=float(event.data["seconds"]))
            reverted = undoing and event.event in {EventKind.RESTORED, EventKind.UNDO_FAILED}
            phase = UNDONE if reverted else phases.get(event.key, "Steps")
            yield _bar(event, phase, max(since, scale.begin), scale, reverted=reverted)
            previous = event.at


def _bar(event: Event, phase: str, since: datetime, scale: Scale, *, reverted: bool) -> Bar:
    x, to = scale.x(since), scale.x(event.at)
    width = max(to - x, NARROWEST)
    undone = reverted and event.event == EventKind.RESTORED
    return Bar(
        key=event.key,
        phase=phase,
        lane=lane_of(event.key),
        outcome=event.event,
        style="undo" if undone else event.event.replace("_", "-"),
        seconds=round(max((event.at - since).total_seconds(), 0.0), 3),
        x=round(min(x, 1000 - width), 2),
        width=round(width, 2),
        reason=str(event.data.get("reason") or event.data.get("message") or ""),
    )

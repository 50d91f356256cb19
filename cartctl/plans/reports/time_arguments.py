"""Times on the command line: a time, a date, or a duration before now."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

from cartctl.config.values import parse_duration, quoted
from cartctl.errors import UsageError


def moment_option(
    option: str, text: str, *, now: datetime | None = None, end_of_day: bool = False
) -> datetime:
    """The moment that a command-line option names, in UTC where it has no offset. Raises UsageError.

    A date is its beginning, with `end_of_day` the beginning of the next day.
    """
    with suppress(ValueError, OverflowError):
        return (now or datetime.now(UTC)) - parse_duration(text)
    with suppress(ValueError, OverflowError):
        day = date.fromisoformat(text)
        return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1 if end_of_day else 0)
    with suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    raise UsageError(
        f"invalid time {quoted(text)} for {option}",
        hint="Use a duration ago, such as 7d, or a time, such as 2026-12-01 or 2026-12-01T02:00.",
    )

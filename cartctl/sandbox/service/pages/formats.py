"""Formats of amounts, shares, times and ids in pages: by currency, and in UTC until the browser shows local time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from markupsafe import Markup, escape

LOCALE = "en_US"
DASH = "\N{EN DASH}"  # for a missing value
MINUS = "\N{MINUS SIGN}"
LONGEST_ID = 14  # characters of an id that is shown whole
LABELS = {"B2B_PORTAL": "B2B portal"}  # that capitalisation does not make
BADGES = {
    "ACTIVE": ("Active", "info"),
    "ABANDONED": ("Abandoned", "warn"),
    "CONVERTED": ("Converted", "good"),
    "MERGED": ("Merged", "hollow"),
    "EXPIRED": ("Expired", "hollow"),
}


def money(amount: Any, code: str) -> str:
    """An amount in its currency's own format: $1,234.50, ¥1,235; negative ones with a minus sign before it.

    An unknown currency is written as its code.
    """
    from babel.numbers import format_currency

    value = Decimal(amount)
    text = format_currency(abs(value), code, locale=LOCALE)
    return f"{MINUS}{text}" if value < 0 else text


def share(ratio: Any) -> str:
    """A ratio as a percentage with one decimal, a dash for none."""
    return DASH if ratio is None else f"{Decimal(ratio) * 100:.1f} %"


def count(number: int) -> str:
    """A number with separators."""
    return f"{number:,}"


def moment(at: datetime | None) -> Markup:
    """A time in UTC as an element, which the browser's script shows in local time; a dash for none."""
    if at is None:
        return escape(DASH)
    known = _aware(at)
    text = f"{known.day} {known:%b %Y, %H:%M} UTC"
    return Markup('<time datetime="{}">{}</time>').format(_iso(known), text)


def ago(at: datetime | None, now: datetime) -> Markup:
    """How long ago a time was or how far off it is, with the time itself as its title; a dash for none."""
    if at is None:
        return escape(DASH)
    from babel.dates import format_timedelta

    known = _aware(at)
    text = format_timedelta(known - _aware(now), add_direction=True, locale=LOCALE)
    title = f"{known:%Y-%m-%d %H:%M} UTC"
    return Markup('<time datetime="{}" data-relative title="{}">{}</time>').format(_iso(known), title, text)


def left(span: timedelta) -> str:
    """Remaining time in hours and minutes, rounded down."""
    minutes = max(0, int(span.total_seconds() // 60))
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"


def short_id(text: str) -> str:
    """A shortened id: the beginning and the end of a long one."""
    return text if len(text) <= LONGEST_ID else f"{text[:4]}…{text[-6:]}"


def badge(status: str) -> Markup:
    """A status as a coloured label."""
    text, kind = BADGES.get(status, (status.replace("_", " ").capitalize(), "mute"))
    return Markup('<span class="badge {}">{}</span>').format(kind, text)


def label(text: str) -> str:
    """A member of an enum in words."""
    return LABELS.get(text, text.replace("_", " ").capitalize())


def _aware(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


FILTERS: dict[str, Callable[..., Any]] = {
    each.__name__: each for each in (money, share, count, moment, ago, left, short_id, badge, label)
}

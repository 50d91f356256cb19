"""Names derived from other names: databases, files, ConfigMap keys, pods. Every derived name of cartctl comes from here.

Lengths are in bytes, as in PostgreSQL and file systems, and no character is split. A shortened or cleaned name contains
a digest of the original, so that different long names stay different.
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cartctl.errors import Refused

NUMBERED = 100  # numbered names to try before random ones
RANDOM = 10  # random names to try before failing
DIGEST = 8  # hexadecimal digits


@dataclass(frozen=True, slots=True)
class NameRule:
    """The rule for a kind of name: maximum length in bytes of UTF-8, and a pattern of invalid characters."""

    what: str
    limit: int
    invalid: re.Pattern[str]


IDENTIFIER = NameRule("database object", 63, re.compile("[\x00\ud800-\udfff]"))
LOCAL_FILE = NameRule("file", 255, re.compile(r"[^A-Za-z0-9_.@+=,-]|^\.+"))
CONFIGMAP_KEY = NameRule("ConfigMap key", 253, re.compile(r"[^-._a-zA-Z0-9]|^\.+"))
POD = NameRule("pod", 63, re.compile(r"[^a-z0-9-]|^-+|-+$"))


def derive_name(
    base: str, suffix: str, rule: NameRule = IDENTIFIER, *, in_use: Callable[[str], bool] = lambda _: False
) -> str:
    """A new name with the beginning of `base` and the end `suffix`, numbered while the name is `in_use`.

    Never returns `base` nor a name in use. Raises Refused when every attempt was in use.
    """
    end = _within(suffix, rule)
    for number in _numbers():
        ending = _joint(rule).join(["", end, *number])
        name = _joined(base, ending, rule, f"{base}\0{suffix}", whole=end == suffix)
        if name != base and not in_use(name):
            return name
    raise Refused(
        f"no free {rule.what} name ending in {suffix} for {base}",
        hint="Remove those that are no longer needed.",
    )


def fit_name(text: str, rule: NameRule, ending: str = "") -> str:
    """`text` with `ending` as a valid name: unchanged if valid, otherwise cleaned and shortened, with a digest."""
    return _joined(text, ending, rule, text, whole=True)


def _numbers() -> Iterator[list[str]]:
    yield []
    yield from ([str(number)] for number in range(2, NUMBERED))
    yield from ([secrets.token_hex(4)] for _ in range(RANDOM))


def _joint(rule: NameRule) -> str:
    return "-" if rule is POD else "_"


def _within(suffix: str, rule: NameRule) -> str:
    """A suffix that leaves at least half of the length to the base."""
    return _cut(rule.invalid.sub("-", suffix), rule.limit // 2).strip("-") or "x"


def _joined(head: str, tail: str, rule: NameRule, of: str, *, whole: bool) -> str:
    """`head` and `tail`, with a digest of what they are made `of` between them unless both are `whole`."""
    cleaned = rule.invalid.sub("-", head)
    if whole and head and cleaned == head and _size(head + tail) <= rule.limit:
        return head + tail
    tail = _joint(rule) + hashlib.sha256(of.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST] + tail
    start = _cut(cleaned, rule.limit - _size(tail)).strip("-.")
    return (start + tail) if start else "x" + tail[1:]


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _cut(text: str, limit: int) -> str:
    """The longest beginning of `text` of at most `limit` bytes that ends between two characters."""
    return text.encode("utf-8", "surrogatepass")[: max(0, limit)].decode("utf-8", "ignore")

"""The differences between two pod templates: names of fields, never their values, which may be secret. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Item = Mapping[str, Any]
NAMES = {
    "env": "environment",
    "envFrom": "environment",
    "image": "image",
}  # others are named as they are written
KINDS = {"containers": "container", "initContainers": "init container"}


def changed_fields(before: Item, now: Item) -> list[str]:
    """Each part that was changed, such as "environment of container api"; in order, without repetition."""
    return list(dict.fromkeys((*_pod(before, now), *_containers(before, now))))


def _containers(before: Item, now: Item) -> Iterator[str]:
    for kind, word in KINDS.items():
        old, new = _by_name(before, kind), _by_name(now, kind)
        for name in dict.fromkeys((*old, *new)):
            if name not in new:
                yield f"{word} {name} (removed)"
            elif name not in old:
                yield f"{word} {name} (added)"
            else:
                yield from (f"{field} of {word} {name}" for field in _differing(old[name], new[name]))
        if [*old] != [*new] and sorted(old) == sorted(new):
            yield f"order of the {word}s"


def _pod(before: Item, now: Item) -> Iterator[str]:
    old, new = before.get("metadata") or {}, now.get("metadata") or {}
    yield from (f"{field} of the pod template" for field in _differing(old, new))
    old, new = ({k: v for k, v in one["spec"].items() if k not in KINDS} for one in (before, now))
    yield from (f"{field} of the pod" for field in _differing(old, new))


def _differing(old: Item, new: Item) -> list[str]:
    fields = [field for field in dict.fromkeys((*old, *new)) if old.get(field) != new.get(field)]
    return list(dict.fromkeys(_word(field) for field in fields))


def _word(field: str) -> str:
    return NAMES.get(field) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", field).lower()


def _by_name(template: Item, kind: str) -> dict[str, Item]:
    return {one["name"]: one for one in template["spec"].get(kind) or []}

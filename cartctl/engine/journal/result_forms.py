"""The fields of recorded results that later commands read back, with the form that each must have.

A rollback drops what the recorded catalogue lacks: a field of another form means a damaged journal, never a guess.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

Form: TypeAlias = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _mapping_of(form: Form) -> Form:
    return lambda value: isinstance(value, Mapping) and all(map(form, value.values()))


def _list_of(form: Form) -> Form:
    return lambda value: isinstance(value, list | tuple) and all(map(form, value))


def _facts(value: Any) -> bool:
    return isinstance(value, Mapping)


def _difference(value: Any) -> bool:
    if not isinstance(value, Mapping) or not {"added", "removed", "changed"} <= value.keys():
        return False
    changed = _mapping_of(lambda pair: _list_of(_facts)(pair) and len(pair) == 2)  # noqa: PLR2004 - before and after
    return _OBJECTS(value["added"]) and _OBJECTS(value["removed"]) and changed(value["changed"])


def _time(value: Any) -> bool:
    return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None


_OBJECTS = _mapping_of(_facts)
_FORMS: Mapping[str, Mapping[str, Form]] = {  # action → field → form, where the field is present
    "fingerprint": {
        "objects": _OBJECTS,
        "running": _mapping_of(_mapping_of(_text)),
        "identifiers": _list_of(_text),
        "run": _text,
    },
    "migrate": {"applied": _list_of(_text), "adopted": _list_of(_text), "difference": _difference},
    "database": {"migrations": _list_of(_text)},
    "snapshot": {"id": _text, "at": _time},
}


def require_form(action: str, result: Any) -> None:
    """Raise TypeError or ValueError for a result of `action` of which a field that is read back has another form."""
    forms = _FORMS.get(action)
    if forms is None or result is None:
        return
    if not isinstance(result, Mapping):
        raise TypeError(action)
    for name, form in forms.items():
        if name in result and not form(result[name]):
            raise TypeError(f"{action}.{name}")

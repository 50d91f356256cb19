"""A failed validation as one error of the library: the path of the first field that is wrong, and what it must be."""

from difflib import get_close_matches
from typing import Any, get_args

from pydantic import ValidationError

from cartctl.cart.errors import InputError
from cartctl.cart.quote_document.field_types import quoted
from cartctl.cart.quote_document.models import QuoteDocument

_OBJECT = frozenset({"model_type", "model_attributes_type", "dict_type"})
_LIST = frozenset({"tuple_type", "list_type"})


def first_error(failed: ValidationError) -> InputError:
    """The error to raise: of unknown keys and wrong values in one object, the unknown key."""
    errors = failed.errors(include_url=False)
    first = errors[0]
    place = first["loc"][:-1]
    unknown = (one for one in errors if one["type"] == "extra_forbidden" and one["loc"][:-1] == place)
    error = next(unknown, first)
    hint = _hint(error["loc"]) if error["type"] == "extra_forbidden" else ""
    absent = error["input"] is None and error["loc"][-1] in _keys(error["loc"][:-1])
    return InputError(_path(error["loc"]), "is missing" if absent else _reason(error), hint=hint)


def _reason(error: Any) -> str:
    kind, value = error["type"], error["input"]
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "unknown key"
    if kind == "too_long":
        return f"must not have more than {error['ctx']['max_length']} items, but has {len(value)}"
    if kind in _OBJECT:
        return f"must be an object, not {quoted(value)}"
    return f"must be a list, not {quoted(value)}" if kind in _LIST else str(error["msg"])


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += ("." if path else "") + (quoted(part).strip("'") or "''")
    return path


def _hint(location: tuple[int | str, ...]) -> str:
    """The known key of the same object that was probably meant."""
    close = get_close_matches(str(location[-1]), _keys(location[:-1]), n=1)
    return f"Did you mean {close[0]}?" if close else ""


def _keys(location: tuple[int | str, ...]) -> list[str]:
    """The known keys of the object at a location."""
    known: Any = QuoteDocument
    for part in location:
        if isinstance(part, str):
            known = _below(known, part)
    return [field.alias for field in known.model_fields.values() if field.alias]


def _below(model: Any, name: str) -> Any:
    """The model that a field of another one holds."""
    field = next(one for one in model.model_fields.values() if one.alias == name)
    parts = [field.annotation]
    while parts:
        part = parts.pop()
        if isinstance(part, type) and hasattr(part, "model_fields"):
            return part
        parts += get_args(part)
    return model

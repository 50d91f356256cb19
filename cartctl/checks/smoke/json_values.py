"""Values in a JSON body against what a suite expects: by dotted path, by JSONPath and by schema."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cartctl.checks.smoke.expectation_model import JsonCondition
from cartctl.checks.smoke.suite_model import Request
from cartctl.checks.smoke.templates import fill, fill_text
from cartctl.redaction import cut

SHOWN = 200  # characters of a value that is not the expected one
MOST = 10  # differences of one kind that are listed
_POSITION = re.compile(r"[0-9]{1,9}")
_KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def json_differences(request: Request, body: Any, values: Mapping[str, Any]) -> Iterator[str]:
    """Everything in a body that is not as the request expects it."""
    for path, expected in request.json_.items():
        exists, actual = value_at(body, path)
        if not exists:
            yield f"no {path}"
        elif not same(actual, required := fill(expected, values)):
            yield f"{path} is {shown(actual)}, not {required!r}"
    for path, kind in request.shape.items():
        exists, actual = value_at(body, path)
        if not exists:
            yield f"no {path}"
        elif not is_kind(actual, kind):
            yield f"{path} is not of type {kind}"
    for query, condition in request.jsonpath.items():
        yield from _query_differences(query, condition, body, values)
    if request.schema_ is not None:
        yield from _schema_differences(request.schema_, body)


def same(actual: Any, expected: Any) -> bool:
    """Equal values of equal types: `true` is not 1."""
    return bool(actual == expected) and isinstance(actual, bool) is isinstance(expected, bool)


def is_kind(value: Any, kind: str) -> bool:
    """Whether a JSON value has a type, by JSON Schema's name."""
    return isinstance(value, _KINDS[kind]) and not (kind in {"number", "integer"} and isinstance(value, bool))


def shown(value: Any) -> str:
    """A value for a message, cut."""
    text = cut(repr(value), 4 * SHOWN)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _query_differences(
    query: str, condition: JsonCondition, body: Any, values: Mapping[str, Any]
) -> Iterator[str]:
    from cartctl.adapters.documents.json_path import find_values

    matches = find_values(query, body)
    counted = condition.model_fields_set & {"count", "min_count", "max_count", "exists"}
    if counted:
        yield from _count_differences(query, condition, matches)
        if condition.model_fields_set == counted:
            return
    elif not matches:
        yield f"{query} matches nothing"
    differing = [reason for value in matches for reason in _value_differences(condition, value, values)]
    yield from (f"{query} {reason}" for reason in differing[:MOST])
    if len(differing) > MOST:
        yield f"{query}: {len(differing) - MOST} more"


def _count_differences(query: str, condition: JsonCondition, matches: list[Any]) -> Iterator[str]:
    single = len(matches) == 1 and isinstance(matches[0], list)
    count = len(matches[0]) if single else len(matches)
    if condition.exists is not None and bool(matches) is not condition.exists:
        yield f"{query} matches {len(matches)} values" if matches else f"{query} matches nothing"
    if condition.count is not None and count != condition.count:
        yield f"{query} counts {count}, not {condition.count}"
    if condition.min_count is not None and count < condition.min_count:
        yield f"{query} counts {count}, less than {condition.min_count}"
    if condition.max_count is not None and count > condition.max_count:
        yield f"{query} counts {count}, more than {condition.max_count}"


def _value_differences(condition: JsonCondition, value: Any, values: Mapping[str, Any]) -> Iterator[str]:
    if "equals" in condition.model_fields_set and not same(value, required := fill(condition.equals, values)):
        yield f"is {shown(value)}, not {required!r}"
    if condition.type is not None and not is_kind(value, condition.type):
        yield f"is {shown(value)}, not of type {condition.type}"
    if condition.matches is not None and not (_is_scalar(value) and re.search(condition.matches, str(value))):
        yield f"is {shown(value)}, which does not match {condition.matches!r}"
    if condition.contains is not None:
        text = fill_text(condition.contains, values)
        if not (isinstance(value, str) and text in value):
            yield f"is {shown(value)}, which does not contain {text!r}"
    yield from _bound_differences(condition, value)


def _bound_differences(condition: JsonCondition, value: Any) -> Iterator[str]:
    if condition.min is None and condition.max is None:
        return
    number = as_number(value)
    if number is None:
        yield f"is {shown(value)}, not a number"
    elif condition.min is not None and number < condition.min:
        yield f"is {shown(value)}, less than {condition.min:g}"
    elif condition.max is not None and number > condition.max:
        yield f"is {shown(value)}, more than {condition.max:g}"


def as_number(value: Any) -> float | None:
    """A number, also one that is written as text, as exact amounts are; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _schema_differences(schema: dict[str, Any], body: Any) -> Iterator[str]:
    from cartctl.adapters.documents.json_schema import JsonSchema

    for number, violation in enumerate(JsonSchema(schema).violations(body)):
        if number == MOST:
            yield "and more"
            return
        yield str(violation)


def value_at(body: Any, path: str) -> tuple[bool, Any]:
    """The value at a dotted path, numbers counting into arrays, and whether it exists; an empty path or `.` is the body."""
    node = body
    for part in path.strip(".").split(".") if path.strip(".") else ():
        if isinstance(node, Mapping) and part in node:
            node = node[part]
        elif isinstance(node, list) and _POSITION.fullmatch(part) and int(part) < len(node):
            node = node[int(part)]
        else:
            return False, None
    return True, node

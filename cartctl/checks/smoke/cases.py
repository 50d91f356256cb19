"""The requests of a suite as single cases: one for each combination of a matrix, in an order that their needs allow."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from cartctl.checks.smoke.suite_model import Request, Suite
from cartctl.checks.smoke.templates import as_text, placeholders


@dataclass(frozen=True, slots=True)
class Case:
    """One request with the values of its matrix; `needs` are the names of cases."""

    name: str
    request: Request
    needs: tuple[str, ...]
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a suite as a whole, at a key path."""

    path: tuple[str, ...]
    reason: str


def cases_of(suite: Suite, *, critical_only: bool = False) -> list[Case]:
    """The suite's cases. With `critical_only`, the critical ones and what they need."""
    chosen = {one.name for one in suite.request if one.critical or not critical_only}
    names = chosen.union(*(needs_of(name, suite) for name in chosen))
    requests = [one for one in suite.request if one.name in names]
    expanded = {one.name: bool(one.matrix) for one in requests}
    return [
        case
        for outer in _combinations(suite.matrix)
        for request in requests
        for case in _cases(request, outer, expanded, requests)
    ]


def _cases(
    request: Request, outer: Mapping[str, Any], expanded: Mapping[str, bool], requests: Sequence[Request]
) -> Iterator[Case]:
    needs = [
        _named(need, {**outer, **inner})
        for need in request.needs
        for inner in (
            _combinations(next(one.matrix for one in requests if one.name == need))
            if expanded[need]
            else ({},)
        )
    ]
    for inner in _combinations(request.matrix):
        values = {**outer, **inner}
        yield Case(_named(request.name, values), request, tuple(needs), values)


def _combinations(matrix: Mapping[str, Iterable[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(matrix, values, strict=True)) for values in product(*matrix.values())]


def _named(name: str, values: Mapping[str, Any]) -> str:
    shown = ", ".join(f"{key}={as_text(value)}" for key, value in values.items())
    return f"{name} [{shown}]" if shown else name


def needs_of(name: str, suite: Suite) -> set[str]:
    """All requests that one needs, directly or through others."""
    by_name = {one.name: one for one in suite.request}
    result: set[str] = set()
    pending = [name]
    while pending:
        for need in by_name[pending.pop()].needs:
            if need in by_name and need not in result:
                result.add(need)
                pending.append(need)
    return result


def faults(suite: Suite) -> Iterator[Fault]:
    """Repeated and unknown names, circles, and placeholders without a value."""
    names = [one.name for one in suite.request]
    for number, request in enumerate(suite.request):
        place = ("request", str(number))
        if names.index(request.name) != number:
            yield Fault((*place, "name"), f"repeats {request.name!r}; each request needs a unique name")
            continue
        for need in request.needs:
            if need not in names:
                yield Fault((*place, "needs"), f"names an unknown request {need!r}")
        if request.name in needs_of(request.name, suite):
            yield Fault((*place, "needs"), "is circular: the request needs itself")
        yield from _unfilled(request, place, suite)


def _unfilled(request: Request, place: tuple[str, ...], suite: Suite) -> Iterator[Fault]:
    by_name = {one.name: one for one in suite.request}
    captured = {name for need in needs_of(request.name, suite) for name in by_name[need].capture}
    known = {*suite.variables, *suite.matrix, *request.matrix, *captured}
    for key, value in templates_of(request):
        for name in placeholders(value):
            if name not in known:
                hint = f"known here: {', '.join(sorted(known))}" if known else "nothing is defined here"
                yield Fault((*place, key), f"uses {{{{{name}}}}}, which is not defined; {hint}")


def templates_of(request: Request) -> Iterator[tuple[str, Any]]:
    """The parts of a request that may have placeholders, by key."""
    yield "path", request.path
    yield "headers", [value.literal for value in request.headers.values()]
    yield "body", request.body
    yield "contains", request.contains
    yield "json", request.json_
    yield "jsonpath", [[one.equals, one.contains] for one in request.jsonpath.values()]
    yield "html", [one.contains for one in request.html.values()]
    yield "database", [one.parameters for one in request.database]

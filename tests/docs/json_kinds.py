"""The types of the package that are written as JSON documents, and what their fields hold, in JSON's terms."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import cartctl
from cartctl.adapters.log_lines import LogLine
from cartctl.cart import Quote, quote, read_quote
from cartctl.engine.events import Event
from cartctl.plans.rollout.decisions import Proposal
from tests.docs.markdown import anchor, code

PROGRAMS = ("cartctl.__main__", "cartctl.sandbox.service", "cartctl.sandbox.supervisor", "cartctl.migrations")
RECEIPT = Path(__file__).parents[1] / "cases/quote/receipt.json"  # something in every list
NOT_WRITTEN = {LogLine, Event, Proposal}  # parts of other documents; an event's line has a form of its own
_SIMPLE: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (str, "string"),
    (int, "integer"),
    (float, "number"),
    (datetime, "time"),
    (date, "date"),
    (timedelta, "seconds"),
    (Decimal, "decimal string"),
    (Path, "path"),
    (NoneType, "null"),
)


@dataclass(frozen=True, slots=True)
class FieldText:
    """One field of a document: its name and its type in words."""

    name: str
    kind: str


@cache
def document_types() -> dict[str, type[Any]]:
    """Each type that is written as a document, by its kind."""
    results: dict[str, type[Any]] = {}
    for module in _modules():
        for _, one in inspect.getmembers(module, inspect.isclass):
            kind = one.__dict__.get("kind") if one.__module__ == module.__name__ else None
            if isinstance(kind, str) and is_dataclass(one) and one not in NOT_WRITTEN:
                assert kind not in results, f"two documents are called {kind}"
                results[kind] = one
    return dict(sorted(results.items()))


def _modules() -> Iterator[Any]:
    for module in pkgutil.walk_packages(cartctl.__path__, "cartctl."):
        if not module.name.startswith((*PROGRAMS, "cartctl.render")):
            yield importlib.import_module(module.name)


def fields_of(kind: type[Any]) -> list[FieldText]:
    """The fields of a type as its JSON has them: those of the dataclass and the properties that are shown."""
    if issubclass(kind, Mapping):  # its keys are the fields
        return [FieldText(name, value_in_words(value)) for name, value in SAMPLES[kind]().items()]
    return [FieldText(name, in_words(hint)) for name, hint in _hints(kind).items()]


def _hints(kind: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    own = {field.name: hints[field.name] for field in fields(kind)}
    shown = getattr(kind, "shown", ())
    return own | {name: get_type_hints(getattr(kind, name).fget)["return"] for name in shown}


def below(kind: type[Any]) -> list[type[Any]]:
    """The dataclasses that a type's fields hold, themselves and those below them, in order."""
    if issubclass(kind, Mapping):
        return []
    results: dict[type[Any], None] = {}
    for hint in _hints(kind).values():
        for one in _dataclasses(hint):
            results |= dict.fromkeys((one, *below(one)))
    return list(results)


def _dataclasses(hint: Any) -> Iterator[type[Any]]:
    if isinstance(hint, type) and is_dataclass(hint):
        yield hint
    for part in get_args(hint):
        yield from _dataclasses(part)


def in_words(hint: Any) -> str:
    """A type in JSON's terms."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in {Union, UnionType}:
        return " or ".join(in_words(part) for part in parts)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"object of {in_words(parts[1])}"
    if origin is tuple and ... not in parts:
        return f"[{', '.join(in_words(part) for part in parts)}]"
    if isinstance(origin, type) and issubclass(origin, Iterable):
        return f"array of {in_words(parts[0])}"
    return _named(hint)


def _named(hint: Any) -> str:
    if not isinstance(hint, type):
        choices = [code(part) for part in get_args(hint) if isinstance(part, str)]
        return " or ".join(choices) if choices and not isinstance(hint, TypeVar) else "any"
    if is_dataclass(hint):
        name = heading_of(hint)
        return f"[{name}]({anchor(name)})"
    if issubclass(hint, Enum):
        return " or ".join(code(str(member.value)) for member in hint)
    return next((words for kind, words in _SIMPLE if issubclass(hint, kind)), "any")


def heading_of(kind: type[Any]) -> str:
    """What a type's section is called: the document's kind, or the class."""
    documents = {one: name for name, one in document_types().items()}
    return code(documents[kind]) if kind in documents else str(kind.__name__)


def value_in_words(value: Any) -> str:
    """A sample value in JSON's terms."""
    if isinstance(value, dict):
        return f"object with {', '.join(code(name) for name in value)}"
    if isinstance(value, list):
        return f"array of {value_in_words(value[0])}"
    return _named(type(value))


def _quote() -> Quote:
    return quote(read_quote(RECEIPT.read_bytes()))


SAMPLES: dict[type[Any], Callable[[], Mapping[str, Any]]] = {Quote: _quote}

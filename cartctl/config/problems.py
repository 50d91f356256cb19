"""The problems of a configuration, one sentence each: place, full key, what is expected, the nearest known name.

Values are repeated only where they cannot be secrets.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from cartctl.config.key_paths import KeyPath, dotted
from cartctl.config.keys import is_secret, known_at, nearest
from cartctl.config.layers import Layers
from cartctl.config.model.environment import Environment
from cartctl.config.values import quoted
from cartctl.errors import ConfigError

_REFERENCE = "must be a reference: { env = … }, { file = … } or { keyring = … }"
_EXPECTED = {
    "missing": "is missing",
    "string_type": "must be a string in quotes",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list: [ … ]",
    "list_type": "must be a list: [ … ]",
    "dict_type": "must be a table: { … }",
    "model_type": "must be a table: { … }",
    "model_attributes_type": "must be a table: { … }",
    "path_type": "must be a path in quotes",
    "date_from_datetime_parsing": "must be a date like 2026-12-24",
    "date_parsing": "must be a date like 2026-12-24",
    "date_type": "must be a date like 2026-12-24",
    "time_parsing": 'must be a time of day like "02:00"',
    "time_type": 'must be a time of day like "02:00"',
    "time_delta_type": 'must be a duration with its unit, for example "90s" or "1h30m"',
    "time_delta_parsing": 'must be a duration with its unit, for example "90s" or "1h30m"',
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: where (file:line, variable or flag), the key path and the rest of the sentence."""

    path: KeyPath
    told: str
    hint: str = ""

    def sentence(self, layers: Layers, environment: str) -> str:
        """The whole sentence, with the place and the key as it is written there."""
        origin, message = layers.origin(self.path), self.told + ("" if self.told.endswith("?") else ".")
        if origin.kind == "variable":
            return f"The environment variable {origin.place}: `{dotted(self.path)}` {message}"
        if origin.kind == "file":
            return f"{origin.place}: `{origin.table}.{dotted(self.path)}` {message}"
        place = f"{origin.place}: " if origin.kind == "flag" else ""
        return f"{place}`{dotted(('env', environment, *self.path))}` {message}"


def as_error(problems: list[Problem], layers: Layers, environment: str) -> ConfigError:
    """The first problem as the error that ends the command; the hint says how to see the others."""
    first = problems[0]
    hint = first.hint or "cartctl config schema describes every key."
    if len(problems) > 1:
        hint += f" {len(problems) - 1} more: cartctl config check lists them all."
    return ConfigError(first.sentence(layers, environment), hint=hint)


def of_validation(wrong: ValidationError, model: type[BaseModel] = Environment) -> Iterator[Problem]:
    """The problems that pydantic found in a document of `model`; unknown keys first, since they explain missing ones."""
    details = wrong.errors(include_url=False)
    for detail in sorted(details, key=lambda one: one["type"] != "extra_forbidden"):
        path = tuple(str(part) for part in detail["loc"] if part != "[key]")
        yield _problem(path, detail, model)


def _problem(path: KeyPath, detail: Any, model: type[BaseModel]) -> Problem:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        known = known_at(path[:-1], model)
        suggestion = nearest(path[-1], known)
        message = "is not a known key" + (f"; did you mean `{suggestion}`?" if suggestion else "")
        return Problem(path, message, hint=f"Known here: {', '.join(known)}." if known else "")
    if is_secret(path, model):
        message = _EXPECTED["missing"] if kind == "missing" else _REFERENCE
        return Problem(path, message)
    if kind == "value_error":
        return Problem(path, str(context["error"]))
    if kind == "literal_error":
        suggestion = nearest(
            str(detail["input"]), str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        )
        message = f"must be {context['expected']}, not {_shown(detail['input'])}"
        return Problem(path, message + (f"; did you mean '{suggestion}'?" if suggestion else ""))
    if kind in _BOUNDS:
        comparison, bound = _BOUNDS[kind]
        return Problem(path, f"must be {comparison} {context[bound]:g}, not {_shown(detail['input'])}")
    return Problem(path, _typed(kind, detail, path))


def _typed(kind: str, detail: Any, path: KeyPath) -> str:
    message = _EXPECTED.get(kind) or f"is invalid: {detail['msg'][:1].lower()}{detail['msg'][1:]}"
    if kind == "missing":
        return message
    if kind == "string_type" and isinstance(detail["input"], dict):
        inner = ".".join((path[-1], *list(detail["input"])[:1]))
        return f"must be a string; quote a key that contains a dot: {dotted((inner,))}"
    return f"{message}, not {_shown(detail['input'])}"


def _shown(value: Any) -> str:
    """A value as it was written, shortened; a table only by its type, since it may contain secrets."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return quoted(value) if isinstance(value, str) else str(value)

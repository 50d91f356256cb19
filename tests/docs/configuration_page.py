"""docs/configuration.md: every key of the configuration file, read from its model."""

import inspect
import json
from collections.abc import Iterator
from typing import Annotated, Any, get_args

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from cartctl.config.keys import NOT_IN_THE_FILE, bare
from cartctl.config.model.environment import Environment
from cartctl.config.values import Secret
from tests.docs.markdown import anchor, code, table, text_of, title

INTRODUCTION = """\
`cartctl.toml` is searched in the working directory and its parents; `--config` or `CARTCTL_CONFIG` names another file.
It contains the environments as `[env.NAME]`, common values as `[defaults]`, which are merged into each environment by key,
and `default_env`, the environment used without `--env` or `CARTCTL_ENV`.

A value comes from the first of: an option, an environment variable (`CARTCTL_MONITOR__FOR=5m` sets `monitor.for`),
`[env.NAME]`, `[defaults]`, the default. `cartctl config show` shows each value with its source, `cartctl config check`
validates the file, `cartctl config schema` writes its JSON Schema for editors. A misspelt variable
(`CARTCTL_EVN`, `CARTCTL_DATABSE__DSN`) is refused; other `CARTCTL_…` names are yours to refer to.

Durations are a number and a unit: `500ms`, `90s`, `1h30m`, `2d`. Relative paths are relative to the file. Unknown keys are
refused."""

TOP = (
    (code("default_env"), "Environment used without `--env`.", "", code('default_env = "staging"')),
    (code("defaults"), "Table of values that are merged into each environment.", "", code("[defaults]")),
    (code("env"), "The environments by name, each with the keys below.", "", code("[env.production]")),
)
SECRET = "secret"


def page() -> str:
    """The page's text."""
    lines = title("Configuration", INTRODUCTION)
    lines += ["## The file", "", *table(("key", "meaning", "default", "example"), TOP)]
    for path, section, default in _sections(Environment, (), None):
        lines += [f"## {_heading(path)}", "", _first(section), "", *_keys(section, path, default)]
    lines += [f"## A {SECRET}", "", _first(Secret), ""]
    lines += ["A text is the value itself; a reference is a table with one of these keys.", ""]
    return text_of([*lines, *_keys(Secret, (), None)])


def _sections(
    model: type[BaseModel], path: tuple[str, ...], default: BaseModel | None
) -> Iterator[tuple[tuple[str, ...], type[BaseModel], BaseModel | None]]:
    """Each table with its path and the values it has where its parent sets them."""
    yield path, model, default
    for name, field in model.model_fields.items():
        if (below := _section(field)) is not None:
            yield from _sections(below, (*path, field.alias or name), _value(name, field, default))


def _value(name: str, field: FieldInfo, table: BaseModel | None) -> Any:
    """The default of a key; of a required one that of its table, or None."""
    if table is not None:
        return getattr(table, name)
    return None if field.is_required() else field.get_default(call_default_factory=True)


def _section(field: FieldInfo) -> type[BaseModel] | None:
    held = bare(field.annotation)
    is_table = isinstance(held, type) and issubclass(held, BaseModel) and not issubclass(held, Secret)
    return held if is_table else None


def _heading(path: tuple[str, ...]) -> str:
    return code("env.NAME" if not path else f"env.NAME.{'.'.join(path)}")


def _first(kind: type[object]) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def _keys(section: type[BaseModel], path: tuple[str, ...], default: BaseModel | None) -> list[str]:
    rows = []
    for name, field in section.model_fields.items():
        if section is Environment and name in NOT_IN_THE_FILE:
            continue
        key, value = field.alias or name, _value(name, field, default)
        required = field.is_required() and value is None
        shown = "required" if required else _default(field, value)
        rows.append((code(key), _meaning(field, (*path, key)), shown, _example(key, field, value)))
    return table(("key", "meaning", "default", "example"), rows)


def _meaning(field: FieldInfo, path: tuple[str, ...]) -> str:
    text = field.description or ""
    if _section(field) is not None:
        return f"{text} See [{_heading(path)}]({anchor(_heading(path))})."
    choices = [part for part in get_args(bare(field.annotation)) if isinstance(part, str)]
    if choices:
        text += f" One of {', '.join(code(choice) for choice in choices)}."
    if _holds_secret(field.annotation):
        text += f" A [{SECRET}]({anchor(f'A {SECRET}')})."
    return text


def _holds_secret(annotation: Any) -> bool:
    held = bare(annotation)
    kinds = (held, *get_args(held))
    return any(isinstance(kind, type) and issubclass(kind, Secret) for kind in kinds)


def _default(field: FieldInfo, value: Any) -> str:
    if value is None:
        return "none"
    return "" if _section(field) is not None else code(_toml(_plain(field, value)))


def _example(key: str, field: FieldInfo, value: Any) -> str:
    if field.examples and value in (None, (), {}):
        return code(f"{key} = {_toml(field.examples[0])}")
    return "" if _section(field) is not None else code(f"{key} = {_toml(_plain(field, value))}")


def _plain(field: FieldInfo, value: Any) -> Any:
    """A value as the file holds it: the model's own serialisation of durations and times."""
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return to_jsonable_python(TypeAdapter(kind).dump_python(value, mode="json", by_alias=True))


def _toml(value: Any) -> str:
    """A value as TOML writes it on one line."""
    if isinstance(value, dict):
        inside = ", ".join(f"{_bare_key(key)} = {_toml(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False)


def _bare_key(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() else json.dumps(key)

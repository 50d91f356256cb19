"""Every key of the configuration file says what it means, and shows a value that is valid."""

from collections.abc import Iterator
from typing import Annotated, Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from cartctl.config.keys import bare
from cartctl.config.model.environment import Environment
from cartctl.config.schema import file_schema
from cartctl.config.values import Secret


def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and every model that its fields hold."""
    yield model
    for field in model.model_fields.values():
        held = bare(field.annotation)
        for kind in (held, *get_args(held)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from sections(kind)


FIELDS: dict[str, FieldInfo] = {
    f"{section.__name__}.{field.alias or name}": field
    for section in dict.fromkeys(sections(Environment))
    for name, field in section.model_fields.items()
}


def test_the_walk_reaches_every_table() -> None:
    """Nested, optional and repeated tables, and references to secrets, are among the fields."""
    assert {
        "Environment.database",
        "Backup.create",
        "Calendar.from",
        "Secret.file",
        "Cdn.zone",
    } <= FIELDS.keys()


@pytest.mark.parametrize("name", FIELDS)
def test_every_key_has_a_description(name: str) -> None:
    """A key's description is a sentence."""
    description = FIELDS[name].description
    assert description, f"{name} needs Field(description=…)"
    assert not description[0].islower()
    assert description.endswith(".")


@pytest.mark.parametrize("name", FIELDS)
def test_every_key_shows_a_valid_value(name: str) -> None:
    """A key whose default shows nothing has an example, and each example is accepted."""
    field = FIELDS[name]
    section = isinstance(bare(field.annotation), type) and issubclass(bare(field.annotation), BaseModel)
    plain = not section or issubclass(bare(field.annotation), Secret)
    default = field.get_default(call_default_factory=True)
    assert field.examples or not plain or not (field.is_required() or default in (None, (), {}))
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    for example in field.examples or ():
        TypeAdapter(kind).validate_python(example)


def test_the_schema_holds_every_description() -> None:
    """An editor shows a description at each key of the file, its own or its table's."""
    schema = file_schema()
    tables = {**schema["$defs"], "": schema}
    bare_keys = [
        f"{table}.{key}"
        for table, definition in tables.items()
        for key, value in definition.get("properties", {}).items()
        if "description" not in value
        and "description" not in tables[value.get("$ref", "").rpartition("/")[2]]
    ]
    assert not bare_keys

"""The schemas of an OpenAPI document as JSON Schemas for responses."""

from collections.abc import Mapping
from typing import Any

from cartctl.adapters.documents.json_schema import JsonSchema
from cartctl.checks.contract.document import Document

_SUBSCHEMAS = ("properties", "patternProperties", "schemas", "$defs")


class Schemas:
    """Compiles schemas of a document, whose references stay inside it."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._root = {
            name: as_json_schema(part, nullable=not document.is_json_schema)
            for name, part in document.content.items()
            if name in {"components", "paths"}
        }
        self._compiled: dict[int, JsonSchema] = {}

    def compile(self, schema: Mapping[str, Any], place: str) -> JsonSchema:
        """A schema by its place in the document. Raises ConfigError for an invalid one."""
        if id(schema) not in self._compiled:
            converted = as_json_schema(schema, nullable=not self._document.is_json_schema)
            try:
                self._compiled[id(schema)] = JsonSchema({**self._root, **converted})
            except ValueError as wrong:
                raise self._document.invalid(f"the schema of {place} {wrong}") from wrong
        return self._compiled[id(schema)]


def as_json_schema(schema: Any, *, nullable: bool) -> Any:
    """A schema for what a service sends: properties that are only written are not required of it.

    `nullable`: in the dialect of version 3.0, with `nullable` and with booleans for exclusive bounds.
    """
    if isinstance(schema, list):
        return [as_json_schema(inner, nullable=nullable) for inner in schema]
    if not isinstance(schema, Mapping):
        return schema
    converted = {
        key: value
        if key in {"enum", "const", "default", "example", "examples"}
        else as_json_schema(value, nullable=nullable)
        for key, value in schema.items()
    }
    _drop_written(converted)
    if nullable:
        _modernise(converted)
    return converted


def _drop_written(schema: dict[str, Any]) -> None:
    properties, required = schema.get("properties"), schema.get("required")
    if isinstance(properties, dict) and isinstance(required, list):
        schema["required"] = [
            name
            for name in required
            if not (isinstance(properties.get(name), dict) and properties[name].get("writeOnly") is True)
        ]


def _modernise(schema: dict[str, Any]) -> None:
    if schema.get("nullable") is True:
        del schema["nullable"]
        if isinstance(schema.get("type"), str):
            schema["type"] = [schema["type"], "null"]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
        for key in ("allOf", "anyOf", "oneOf", "$ref"):
            if key in schema:
                rest = dict(schema)
                schema.clear()
                schema["anyOf"] = [{"type": "null"}, rest]
                break
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(schema.get(exclusive), bool):
            is_exclusive = schema.pop(exclusive)
            if is_exclusive and bound in schema:
                schema[exclusive] = schema.pop(bound)

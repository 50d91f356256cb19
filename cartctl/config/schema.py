"""The JSON Schema of `cartctl.toml`, for editors that complete and check it."""

from typing import Any

from cartctl.config.keys import NOT_IN_THE_FILE
from cartctl.config.model.environment import Environment


def file_schema() -> dict[str, Any]:
    """The schema of the whole file.

    No key is required: a key missing in an environment may be in `[defaults]`; `cartctl config check` reports missing ones.
    """
    environment = Environment.model_json_schema(by_alias=True)
    definitions = {name: _loose(table) for name, table in environment.pop("$defs").items()}
    for reference in ("Secret", "Address", "Recipient"):
        definitions[reference] = {"anyOf": [{"type": "string"}, definitions[reference]]}
    definitions["Environment"] = _loose(environment)
    for name in NOT_IN_THE_FILE:
        del definitions["Environment"]["properties"][name]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cartctl.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "default_env": {"type": "string", "description": "The environment used without --env."},
            "defaults": {
                "$ref": "#/$defs/Environment",
                "description": "Merged by key into every environment.",
            },
            "env": {
                "type": "object",
                "description": "The environments by name.",
                "additionalProperties": {"$ref": "#/$defs/Environment"},
            },
        },
        "$defs": definitions,
    }


def _loose(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key != "required"}

"""The JSON Schema of a suite's file, for editors that complete and check it."""

from typing import Any

from cartctl.checks.smoke.suite_model import Suite

SHORT_FORMS: dict[str, list[str]] = {  # what may be written instead of a table
    "Capture": ["string"],
    "HtmlCondition": ["string"],
    "JsonCondition": ["string", "number", "boolean", "null", "array"],
    "Secret": ["string"],
    "Value": ["string"],
}


def suite_schema() -> dict[str, Any]:
    """The schema of a whole file."""
    schema = Suite.model_json_schema(by_alias=True)
    definitions = schema["$defs"]
    for name, types in SHORT_FORMS.items():
        definitions[name] = {"anyOf": [{"type": types if len(types) > 1 else types[0]}, definitions[name]]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Smoke suite"}

"""What a request of a suite expects of its response, as the suite's file writes it. Every query and pattern is checked when read."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from cartctl.config.values import Pattern
from cartctl.inputs import InvalidInput, parse_json, read_text

SCHEMA_LIMIT = 1024 * 1024  # bytes of a file with a JSON Schema

Kind = Literal["string", "number", "integer", "boolean", "array", "object", "null"]


def check_json(value: Any) -> Any:
    """A value that JSON can hold: TOML also has dates, times, nan and inf. Raises ValueError."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as wrong:
        raise ValueError("must be JSON: write a date or time in quotes, and no nan or inf") from wrong
    return value


def _check_dotted_path(path: str) -> str:
    if path.startswith("$"):
        raise ValueError("is a JSONPath: use jsonpath, or a dotted path such as 0.price")
    return path


def _check_json_path(query: str) -> str:
    from cartctl.adapters.documents.json_path import check_json_path

    check_json_path(query)
    return query


def _check_selector(selector: str) -> str:
    from cartctl.adapters.documents.html import check_selector

    check_selector(selector)
    return selector


def _read_schema(value: Any, info: ValidationInfo) -> Any:
    """A schema written in the suite, or the name of a file beside it."""
    if isinstance(value, str):
        path = Path((info.context or {}).get("directory", "")) / value
        try:
            value = parse_json(read_text(path, limit=SCHEMA_LIMIT))
        except InvalidInput as wrong:
            raise ValueError(f"names a file that cannot be used, {path.name}: {wrong.reason}") from wrong
    if not isinstance(value, dict):
        raise ValueError("must be the name of a file with a JSON Schema, or a table")  # noqa: TRY004 - pydantic wants it
    from cartctl.adapters.documents.json_schema import JsonSchema

    JsonSchema(check_json(value))
    return value


DottedPath = Annotated[str, AfterValidator(_check_dotted_path)]
JsonPath = Annotated[str, AfterValidator(_check_json_path)]
Selector = Annotated[str, AfterValidator(_check_selector)]
AnyJson = Annotated[JsonValue, BeforeValidator(check_json)]
Schema = Annotated[
    dict[str, Any], BeforeValidator(_read_schema), WithJsonSchema({"type": ["string", "object"]})
]


class _Part(BaseModel):
    """A table of a suite."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _shorthand(key: str) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, dict) else {key: value}


class JsonCondition(_Part):
    """What every value must be that a JSONPath matches; without a match it fails."""

    equals: AnyJson = Field(default=None, description="The value, of the same type.")
    type: Kind | None = Field(default=None, description="The value's JSON type.")
    matches: Pattern | None = Field(
        default=None, description="Regular expression that occurs in the text or number."
    )
    contains: str | None = Field(default=None, description="Text that occurs in the text.")
    min: float | None = Field(default=None, description="Smallest number.")
    max: float | None = Field(default=None, description="Largest number.")
    count: int | None = Field(
        default=None, ge=0, description="Number of matches; for a single array, of its items."
    )
    min_count: int | None = Field(default=None, ge=0, description="As `count`, at least.")
    max_count: int | None = Field(default=None, ge=0, description="As `count`, at most.")
    exists: bool | None = Field(default=None, description="`false`: there must be no match.")

    @model_validator(mode="after")
    def _not_empty(self) -> "JsonCondition":
        if not self.model_fields_set:
            raise ValueError("expects nothing; write a value, or { exists = true }")
        return self


class HtmlCondition(_Part):
    """What one of the elements must be that a selector matches; without a match it fails."""

    contains: str | None = Field(default=None, description="Text that occurs in the element's text.")
    matches: Pattern | None = Field(
        default=None, description="Regular expression that occurs in the element's text."
    )
    attribute: str | None = Field(
        default=None, description="Attribute whose value is compared instead of the text."
    )
    count: int | None = Field(default=None, ge=0, description="Number of matching elements.")
    min_count: int | None = Field(default=None, ge=0, description="As `count`, at least.")
    exists: bool | None = Field(default=None, description="`false`: there must be no match.")


class DatabaseValue(_Part):
    """A value that must equal what a query of the suite's own returns."""

    query: str = Field(
        min_length=1,
        description="One SELECT statement; executed read-only. One column: its value, or with several rows a list.",
    )
    jsonpath: JsonPath = Field(description="Where the value is in the response.")
    parameters: dict[str, AnyJson] = Field(
        default={},
        description="Values of the query's parameters, which are written as `%(name)s` in it; a literal % is then `%%`.",
    )


class Capture(_Part):
    """Where a value is in the response that later requests use."""

    jsonpath: JsonPath | None = Field(default=None, description="JSONPath of the value in the body.")
    header: str | None = Field(default=None, description="Response header that holds it.")
    pattern: Pattern | None = Field(
        default=None, description="Regular expression whose first group is the value."
    )
    secret: bool = Field(default=True, description="Whether the value is masked in all output.")

    @model_validator(mode="after")
    def _one_source(self) -> "Capture":
        if (self.jsonpath is None) == (self.header is None):
            raise ValueError("needs either jsonpath or header")
        if self.pattern is not None and re.compile(self.pattern).groups != 1:
            raise ValueError("needs a pattern with exactly one group")
        return self


Scalar = {"type": ["string", "number", "boolean", "null", "array"]}
JsonExpectation = Annotated[JsonCondition, BeforeValidator(_shorthand("equals"))]
HtmlExpectation = Annotated[HtmlCondition, BeforeValidator(_shorthand("contains"))]
CaptureSource = Annotated[Capture, BeforeValidator(_shorthand("jsonpath"))]

"""docs/quote.md and docs/quote.schema.json: the quote document, read from its models' JSON Schema."""

import json
from typing import Any

from cartctl.cart import quote_schema
from tests.docs.markdown import anchor, block, code, table, text_of, title

INTRODUCTION = """\
The JSON document that `cartctl cart quote` and `cartctl.cart.read_quote` read: a cart with its company's terms. Its
[JSON Schema](quote.schema.json) is for editors and validators; `cartctl.cart.quote_schema()` returns it.

Amounts and other exact numbers are text such as `"12.49"`, never floats. An optional field may be missing or null. Unknown keys
are refused. An error names the first invalid field by its path, such as `lines[1].unitPrice`. The document may have 1 MiB, each
list 10,000 items. [Pricing](pricing.md) explains how places, codes and taxes are treated."""

EXAMPLE = """\
{"currency": "USD", "taxMode": "exclusive", "now": "2026-01-01T00:00:00Z", "shipTo": {"country": "US"},
 "lines": [{"id": "mug", "productId": "mug", "unitPrice": "12.49", "quantity": 2}]}"""


def page() -> str:
    """The page's text."""
    schema = quote_schema()
    lines = [*title("Quote document", INTRODUCTION), *block("json", EXAMPLE.splitlines())]
    lines += ["## The document", "", schema["description"], "", *_fields(schema)]
    for name, part in schema["$defs"].items():
        lines += [f"## {_heading(name)}", "", part["description"], "", *_fields(part)]
    return text_of(lines)


def schema_text() -> str:
    """The schema file's text."""
    return json.dumps(quote_schema(), indent=2, ensure_ascii=False) + "\n"


def _heading(name: str) -> str:
    return name.removesuffix("Part")


def _fields(part: dict[str, Any]) -> list[str]:
    required = part.get("required", ())
    rows = (
        (code(name), _kind(field), "yes" if name in required else "", field["description"])
        for name, field in part["properties"].items()
    )
    return table(("field", "type", "required", "meaning"), rows)


def _kind(field: dict[str, Any]) -> str:
    """A field's type in words."""
    if "anyOf" in field:
        return _kind(next(one for one in field["anyOf"] if one.get("type") != "null"))
    if "$ref" in field:
        name = _heading(field["$ref"].rpartition("/")[2])
        return f"[{name}]({anchor(name)})"
    if "enum" in field:
        return " or ".join(code(choice) for choice in field["enum"])
    inside = {"array": "items", "object": "additionalProperties"}.get(str(field.get("type")))
    if inside:
        return f"{field['type']} of {_kind(field[inside])}"
    return _scalar(field)


def _scalar(field: dict[str, Any]) -> str:
    if field.get("format") == "date-time":
        return "time"
    if isinstance(field.get("type"), list):
        return "exact number, as text or integer"
    is_text = "pattern" in field or "type" not in field
    return "exact number, as text" if is_text else str(field["type"])

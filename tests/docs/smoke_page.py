"""docs/smoke-suites.md and docs/smoke-suite.schema.json: the format of smoke suites, read from its models."""

import json
from typing import Any

from cartctl.checks.smoke.suite_schema import suite_schema
from tests.docs.markdown import anchor, block, code, table, text_of, title

INTRODUCTION = """\
A smoke suite is a TOML file of requests and what each response must be. `cartctl smoke` runs the suites named in `http.suites`.
Its [JSON Schema](smoke-suite.schema.json) is for editors and validators: put
`#:schema https://…/smoke-suite.schema.json` on the first line.

`cartctl config check` reads the suites without sending anything. An unknown key, an invalid JSONPath, JSON Schema, selector,
regular expression or query, or a duration without a unit is reported with file, line and key, and exit code 2."""

FIRST = """\
[[request]]
name = "products"
path = "/api/products"
within = "500ms"
jsonpath = { "$[*].price" = { min = 0 }, "$" = { min_count = 1 } }"""

CHAIN = """\
[variables]
password = { env = "SMOKE_PASSWORD" }

[[request]]
name = "login"
method = "POST"
path = "/api/auth/login"
token = false
body = { email = "smoke@example.com", password = "{{password}}" }
capture = { session = "$.accessToken" }

[[request]]
name = "cart"
needs = ["login"]
path = "/api/cart?currency={{currency}}"
headers = { Authorization = "Bearer {{session}}" }
matrix = { currency = ["USD", "EUR"] }
response_headers = { Cache-Control = "no-store" }
schema = { type = "object", required = ["items", "total"] }
jsonpath = { "$.currency" = "{{currency}}", "$.items" = { max_count = 100 } }

[[request]]
name = "products equal the database"
path = "/api/products"
[[request.database]]
jsonpath = "$[*].id"
query = "SELECT id FROM products WHERE active ORDER BY id"

[[request]]
name = "cart page"
base = "dashboard"
path = "/carts"
html = { "main h1" = "Carts", ".error" = { exists = false } }"""

RULES = """\
- **Requests run concurrently**, at most `concurrency` at the same time. A request with `needs` runs after those have passed; if one
  of them has not, it is not run and its result is `unknown`.
- **Placeholders** `{{name}}` stand in `path`, `headers`, `body`, `contains`, `json`, `jsonpath`, `html` and query parameters for a
  variable, a value of a matrix, or a value captured by a request in `needs`, directly or through others. A text that is one
  placeholder becomes the value itself, a number too. In a path, values are percent-encoded.
- **Captured values are secrets**: they are masked in all output, unless `secret = false`.
- **Only GET and HEAD are retried** unless a request sets `attempts`. Every attempt is reported; a pass at a later attempt is a warning.
- **Queries** run in a read-only transaction with `statement_timeout`, one statement each. They are read before the request and after
  the response; only equal readings decide. Exact numbers equal their text (`"12.50"` is 12.50). Several rows are compared as a list, in order.
  Without a database the result is a warning.
- **The whole run ends** after `http.smoke_deadline` (default 5 minutes): what has not run by then is `unknown`.
- **`--contract FILE|URL`** compares each response of the API, also those of the built-in suite, with an OpenAPI 3 document (JSON or
  YAML) and names missing fields and wrong types by operation. What the document does not describe is a warning; if nothing could be
  compared, it fails.
- **A run without any test fails.**
- A page that answers 200 and shows an error, JSON with a repeated key, and JSON that is not valid UTF-8 fail whatever is expected."""


def page() -> str:
    """The page's text."""
    schema = suite_schema()
    lines = [*title("Smoke suites", INTRODUCTION)]
    lines += ["## A first suite", "", *block("toml", FIRST.splitlines())]
    lines += ["## Chains, matrices, schemas, queries and pages", "", *block("toml", CHAIN.splitlines())]
    lines += ["## How a suite runs", "", RULES, "", "## Suite", "", *_fields(schema)]
    for name, part in schema["$defs"].items():
        inner = part["anyOf"][1] if "anyOf" in part else part
        if "properties" in inner:
            lines += [f"## {_heading(name)}", "", inner["description"], "", *_fields(inner)]
    return text_of(lines)


def schema_text() -> str:
    """The schema file's text."""
    return json.dumps(suite_schema(), indent=2, ensure_ascii=False) + "\n"


def _heading(name: str) -> str:
    return {
        "DatabaseValue": "Database value",
        "HtmlCondition": "HTML condition",
        "JsonCondition": "JSON condition",
    }.get(name, name)


def _fields(part: dict[str, Any]) -> list[str]:
    required = part.get("required", ())
    rows = (
        (code(name), _kind(field), "required" if name in required else _default(field), _meaning(field))
        for name, field in part["properties"].items()
    )
    return table(("key", "type", "default", "meaning"), rows)


def _meaning(field: dict[str, Any]) -> str:
    examples = field.get("examples", ())
    shown = "".join(f" Example: {code(json.dumps(one, ensure_ascii=False))}" for one in examples[:1])
    return str(field.get("description", "")) + shown


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    return "" if default in (None, {}, [], "") else code(json.dumps(default))


def _kind(field: dict[str, Any]) -> str:
    """A field's type in words."""
    if "enum" in field:
        return " or ".join(code(choice) for choice in field["enum"])
    if "const" in field:
        return code(json.dumps(field["const"]))
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_kind(one) for one in field["anyOf"] if one.get("type") != "null"))
    if "$ref" in field:
        name = str(field["$ref"].rpartition("/")[2])
        heading = _heading(name)
        return "JSON value" if name == "JsonValue" else f"[{heading}]({anchor(heading)})"
    return _plain_kind(field)


def _plain_kind(field: dict[str, Any]) -> str:
    kind = field.get("type", "any value")
    if isinstance(kind, list):
        return " or ".join("table" if one == "object" else one for one in kind)
    inside = field.get("additionalProperties") or next(
        iter(field.get("patternProperties", {}).values()), None
    )
    if kind == "object":
        return f"table of {_kind(inside)}" if isinstance(inside, dict) else "table"
    if kind == "array":
        return f"array of {_kind(field['items'])}" if "items" in field else "array"
    return "duration" if "(ms|s|m|h|d)" in str(field.get("pattern")) else str(kind)

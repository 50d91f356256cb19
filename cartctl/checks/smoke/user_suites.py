"""Smoke suites of the user's own: TOML files of requests and what each must answer.

```toml
name = "checkout"                # default: the file's name

[[request]]
name = "products"
path = "/api/products"
status = 200                     # the default
json = { "0.currency" = "USD" }  # value by path into the body
shape = { "0.price" = "string" } # type by path: string, number, boolean, array, object, null
contains = "hat"
headers = { X-Api-Key = { env = "SHOP_KEY" } }  # a text, or a reference as in cartctl.toml
critical = true                  # also run with --critical-only
attempts = 3                     # until it passes; a late pass warns
```
"""

import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator

from cartctl.config.values import Secret
from cartctl.errors import ConfigError
from cartctl.inputs import InvalidInput, parse_toml, read_text
from cartctl.redaction import register

LIMIT = 1024 * 1024  # bytes of a suite's file

CREDENTIAL = re.compile(r"(?i)auth|cookie|token|key|secret|password")  # in a header's name

Kind = Literal["string", "number", "boolean", "array", "object", "null"]


class HeaderValue(Secret):
    """What a header holds: a text, or a reference to a secret."""

    def _register(self, secret: str) -> None:
        if self.literal is None:  # most texts, such as application/json, are no secret
            register(secret)


class Request(BaseModel):
    """One request of a suite and what it must answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    path: str = Field(pattern=r"^/")
    method: Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    base: Literal["api", "dashboard"] = "api"
    token: bool = True
    headers: dict[str, HeaderValue] = {}
    body: JsonValue = None  # TOML also knows dates and times, which no JSON body can hold
    status: int = Field(default=200, ge=100, le=599)
    json_: dict[str, JsonValue] = Field(default={}, alias="json")
    shape: dict[str, Kind] = {}
    contains: str | None = None
    critical: bool = False
    attempts: int = Field(default=1, ge=1, le=20)

    @field_validator("headers")
    @classmethod
    def _register_credentials(cls, headers: dict[str, HeaderValue]) -> dict[str, HeaderValue]:
        """A token that is written in the file itself is masked as any other."""
        for name, value in headers.items():
            if value.literal and CREDENTIAL.search(name):
                register(value.literal)
                register(value.literal.partition(" ")[2])
        return headers

    @field_validator("body", "json_")
    @classmethod
    def _is_json(cls, value: Any) -> Any:
        """TOML has dates, times, nan and inf; JSON has none of them."""
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as wrong:
            raise ValueError("must be JSON: write a date or time in quotes, and no nan or inf") from wrong
        return value


class Suite(BaseModel):
    """A file of requests."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    request: tuple[Request, ...] = ()


def load_suite(path: Path) -> Suite:
    """Read a suite. Raises ConfigError with file, key and what is wrong."""
    try:
        document = parse_toml(read_text(path, limit=LIMIT))
        suite = Suite.model_validate(document, context={"directory": path.absolute().parent})
    except InvalidInput as error:
        raise ConfigError(
            f"The suite {path}: {error.reason}.", hint=error.hint or "Check http.suites."
        ) from error
    except ValidationError as error:
        raise ConfigError(f"The suite {path}: {_first(error, document)}.", hint=_keys()) from error
    return suite if suite.name else suite.model_copy(update={"name": path.stem})


def _first(error: ValidationError, document: dict[str, Any]) -> str:
    details = error.errors(include_url=False, include_input=False)
    first = min(details, key=lambda one: one["type"] != "extra_forbidden")  # explains what is missing
    place = ".".join(f"[{part}]" if isinstance(part, int) else str(part) for part in first["loc"]).replace(
        ".[", "["
    )
    return f"{place}{_named(first['loc'], document)}: {first['msg'].lower()}"


def _named(loc: tuple[int | str, ...], document: dict[str, Any]) -> str:
    """The request's own name beside its number, where it has one."""
    requests = document.get("request")
    if len(loc) > 1 and isinstance(loc[1], int) and isinstance(requests, list) and loc[1] < len(requests):
        request = requests[loc[1]]
        if isinstance(request, dict) and isinstance(request.get("name"), str):
            return f" (in {request['name']!r})"
    return ""


def _keys() -> str:
    known = ", ".join(field.alias or name for name, field in Request.model_fields.items())
    return f"A suite is a name and [[request]] tables with the keys {known}."

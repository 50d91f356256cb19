"""A smoke suite of the user's own, as its file writes it; docs/smoke-suites.md describes the format."""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from cartctl.checks.smoke.expectation_model import (
    AnyJson,
    CaptureSource,
    DatabaseValue,
    DottedPath,
    HtmlExpectation,
    JsonExpectation,
    JsonPath,
    Kind,
    Schema,
    Selector,
)
from cartctl.config.values import Duration, Pattern, Secret
from cartctl.redaction import register

CREDENTIAL = re.compile(r"(?i)auth|cookie|token|key|secret|password")  # in a header's or variable's name
ATTEMPTS = 3  # of a request that is safe to repeat
SAFE = frozenset({"GET", "HEAD"})
NAME = r"^[A-Za-z_][A-Za-z0-9_-]*$"


class Value(Secret):
    """A text, or a reference to a secret."""

    def _register(self, secret: str) -> None:
        if self.literal is None:  # most texts, such as application/json, are not secret
            register(secret)


def _register_credentials(values: dict[str, Value]) -> dict[str, Value]:
    """A token that is written in the file itself is masked as any other."""
    for name, value in values.items():
        if value.literal and CREDENTIAL.search(name) and "{{" not in value.literal:
            register(value.literal)
            register(value.literal.partition(" ")[2])
    return values


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


Name = Annotated[str, Field(pattern=NAME)]
Values = Annotated[dict[Name, Value], AfterValidator(_register_credentials)]
Headers = Annotated[dict[str, Value], AfterValidator(_register_credentials)]
Matrix = dict[Name, Annotated[tuple[str | int | float | bool, ...], Field(min_length=1)]]
Statuses = Annotated[
    tuple[Annotated[int, Field(ge=100, le=599)], ...],
    BeforeValidator(_as_list),
    Field(min_length=1),
    WithJsonSchema({"type": ["integer", "array"], "items": {"type": "integer"}}),
]


class Request(BaseModel):
    """One request and what its response must be."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(min_length=1, description="Name of the test, unique in the suite.")
    path: str = Field(pattern=r"^/", description="Path below the base address, with the query.")
    method: Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] = Field(
        default="GET", description="HTTP method."
    )
    base: Literal["api", "dashboard"] = Field(
        default="api", description="Which address the path is relative to."
    )
    token: bool = Field(default=True, description="Whether to send the configured access token.")
    headers: Headers = Field(
        default={},
        description="Headers to send: a text, or a reference to a secret as in `cartctl.toml`.",
        examples=[{"X-Api-Key": {"env": "SHOP_KEY"}}],
    )
    body: AnyJson = Field(default=None, description="JSON body.")
    needs: tuple[str, ...] = Field(
        default=(), description="Requests that must pass first; their captured values can be used."
    )
    capture: dict[Name, CaptureSource] = Field(
        default={},
        description="Values of the response for later requests, by name: a JSONPath or a table.",
        examples=[{"token": "$.accessToken"}],
    )
    matrix: Matrix = Field(
        default={},
        description="Run the request once for each combination of these values.",
        examples=[{"currency": ["USD", "EUR"]}],
    )
    status: Statuses = Field(default=(200,), description="Accepted status, or a list of them.")
    response_headers: dict[str, Pattern | Literal[False]] = Field(
        default={},
        description="Regular expression that occurs in the header's value, or `false`: the header must be absent.",
        examples=[{"Content-Type": "application/json"}],
    )
    contains: str | None = Field(default=None, description="Text that occurs in the body.")
    json_: dict[DottedPath, AnyJson] = Field(
        default={},
        alias="json",
        description="Value by dotted path into the body; numbers count into arrays.",
        examples=[{"0.currency": "USD"}],
    )
    shape: dict[DottedPath, Kind] = Field(
        default={}, description="JSON type by dotted path.", examples=[{"0.price": "string"}]
    )
    jsonpath: dict[JsonPath, JsonExpectation] = Field(
        default={},
        description="Value by [JSONPath](https://www.rfc-editor.org/rfc/rfc9535), or a table of conditions for every match.",
        examples=[{"$.items[*].price": {"min": 0}}],
    )
    schema_: Schema | None = Field(
        default=None,
        alias="schema",
        description="JSON Schema of the body: a file beside the suite, or a table.",
        examples=["cart.schema.json"],
    )
    html: dict[Selector, HtmlExpectation] = Field(
        default={},
        description="Text by CSS selector, or a table of conditions for one of the matching elements.",
        examples=[{"h1": "Carts"}],
    )
    within: Duration | None = Field(default=None, description="Maximum time until the body has arrived.")
    database: tuple[DatabaseValue, ...] = Field(
        default=(), description="Values that equal the result of a query."
    )
    critical: bool = Field(default=False, description="Whether the request also runs with `--critical-only`.")
    attempts: int | None = Field(
        default=None,
        ge=1,
        le=20,
        description=f"Attempts until it passes; a late pass warns. Default {ATTEMPTS} for GET and HEAD, else 1.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Request":
        if self.capture and self.matrix:
            raise ValueError("has both capture and matrix: move the matrix to the suite")
        return self

    @property
    def limit(self) -> int:
        """The number of attempts: a request that may change something is repeated only where the file says so."""
        return self.attempts or (ATTEMPTS if self.method in SAFE else 1)


class Suite(BaseModel):
    """A file of requests."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(default="", description="Name of the suite; by default the file's.")
    concurrency: int = Field(
        default=16,
        ge=1,
        le=64,
        description="Maximum number of concurrent requests; those of a chain run one after another.",
    )
    variables: Values = Field(
        default={},
        description="Values for `{{name}}`: a text, or a reference to a secret.",
        examples=[{"password": {"env": "SMOKE_PASSWORD"}}],
    )
    matrix: Matrix = Field(
        default={},
        description="Run all requests, chains included, once for each combination of these values.",
    )
    dsn: Secret | None = Field(
        default=None,
        description="Database of the queries; by default the environment's.",
        examples=[{"env": "SHOP_DSN"}],
    )
    statement_timeout: Duration = Field(
        default="5s", validate_default=True, description="Time limit of one query."
    )
    request: tuple[Request, ...] = Field(default=(), description="The requests, each a table `[[request]]`.")

"""Responses against an OpenAPI document: missing fields and wrong types are named, and nothing compared is a failure."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters.http.client import Http
from cartctl.checks.smoke.suite import Smoke
from cartctl.checks.smoke.targets import Targets
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError
from tests.sandbox_fixture import Sandbox, sandbox, sandbox_session
from tests.web import Reply, WebRequest, serve

__all__ = ["sandbox", "sandbox_session"]

CART = {
    "type": "object",
    "required": ["id", "total", "secret"],
    "properties": {
        "id": {"type": "string"},
        "total": {"type": "string", "nullable": True},
        "secret": {"type": "string", "writeOnly": True},
        "items": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}},
        "discount": {"nullable": True, "allOf": [{"$ref": "#/components/schemas/Item"}]},
    },
}
ITEM = {
    "type": "object",
    "required": ["price"],
    "properties": {"price": {"type": "number", "minimum": 0, "exclusiveMinimum": True}},
}


def json_of(name: str) -> dict[str, Any]:
    """A JSON response of a schema."""
    return {
        "description": name,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
    }


DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "shop", "version": "1"},
    "servers": [{"url": "https://api.example.com/v1"}],
    "paths": {
        "/carts/{id}": {
            "get": {"responses": {"200": json_of("Cart"), "4XX": {"$ref": "#/components/responses/Error"}}}
        },
        "/carts/latest": {"get": {"responses": {"default": json_of("Item")}}},
        "/ping": {"get": {"responses": {"204": {"description": "alive"}}}},
    },
    "components": {"schemas": {"Cart": CART, "Item": ITEM}, "responses": {"Error": json_of("Item")}},
}

Compare = Callable[..., list[CheckResult]]


@pytest.fixture
def compare(tmp_path: Path) -> Compare:
    """Requests one path and returns the results of the contract."""

    def run(path: str, reply: Reply, document: Any = DOCUMENT, status: int = 200) -> list[CheckResult]:
        source = tmp_path / "openapi.json"
        source.write_text(document if isinstance(document, str) else json.dumps(document))
        return contract_results(tmp_path, path, lambda _: reply, str(source), status)

    return run


def contract_results(
    directory: Path, path: str, answer: Callable[[WebRequest], Reply], source: str, status: int = 200
) -> list[CheckResult]:
    """The results of the contract alone, for a suite of one request."""
    suite = directory / "own.toml"
    suite.write_text(f'[[request]]\nname = "x"\npath = "{path}"\nattempts = 1\nstatus = {status}\n')
    with serve(answer) as web:
        http = Http(web.url, token="t0ken-of-an-admin")
        targets = Targets(http, http.without_token(), None, None)
        source = source.replace("API", web.url)
        smoke = Smoke("smoke", targets, suites=[suite], built_in=False, contract=source)
        return [one for one in smoke.judge(Pulse()).checks if one.name.startswith("contract: ")]


GOOD = {"id": "1", "total": None, "items": [{"price": 2}], "discount": None}


@pytest.mark.parametrize("path", ("/carts/1", "/v1/carts/1", "/carts/1?full=true", "/carts/1/"))
def test_a_documented_response_passes(compare: Compare, path: str) -> None:
    """Nullable as in version 3.0, references, properties that are only written, the server's path, queries."""
    [result] = compare(path, Reply(GOOD))
    assert (result.name, result.verdict) == ("contract: GET /carts/{id}", Verdict.PASS), result


@pytest.mark.parametrize(
    ("path", "reply", "reasons"),
    (
        ("/carts/1", Reply({"total": "1"}), ["HTTP 200: id is missing"]),
        ("/carts/1", Reply({**GOOD, "total": 1}), ["total is integer, not null or string"]),
        (
            "/carts/1",
            Reply({**GOOD, "items": [{}, {"price": "2"}]}),
            ["items[0].price is missing", "items[1].price is string, not number"],
        ),
        ("/carts/1", Reply({**GOOD, "items": [{"price": 0}]}), ["items[0].price"]),
        ("/carts/1", Reply([]), ["the body is array, not object"]),
        ("/carts/1", Reply("<html>"), ["text/html instead of application/json"]),
        ("/carts/1", Reply("{", 200, {"Content-Type": "application/json"}), ["is not JSON"]),
        ("/carts/latest", Reply({}), ["price is missing"]),
    ),
)
def test_missing_fields_and_wrong_types_are_named(
    compare: Compare, path: str, reply: Reply, reasons: list[str]
) -> None:
    """With their place in the body."""
    [result] = compare(path, reply)
    assert result.verdict is Verdict.FAIL
    assert all(reason in str(result.observed) for reason in reasons), result.observed


def test_the_response_of_a_range_of_statuses_is_compared(compare: Compare) -> None:
    """4XX, by reference."""
    [result] = compare("/carts/1", Reply({}, 404), status=404)
    assert "HTTP 404: price is missing" in str(result.observed)


def test_a_response_without_content_passes(compare: Compare) -> None:
    """204 has no body to compare."""
    [result] = compare("/ping", Reply("", 204), status=204)
    assert result.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("path", "reason"), (("/other", "not in the document"), ("/ping", "HTTP 200 is not documented"))
)
def test_nothing_compared_is_a_failure(compare: Compare, path: str, reason: str) -> None:
    """What the document does not describe warns; if that is all, the contract fails."""
    failed, warning = compare(path, Reply({}))
    assert (failed.verdict, failed.observed) == (Verdict.FAIL, "no response was compared")
    assert (warning.verdict, reason in str(warning.observed)) == (Verdict.WARN, True)


YAML = """
openapi: 3.1.0
paths:
  /carts/{id}:
    get:
      responses:
        200:
          content:
            application/json:
              schema: {type: object, required: [id], properties: {total: {type: [string, "null"]}}}
"""


def test_yaml_and_version_3_1_are_read(compare: Compare) -> None:
    """Statuses may be numbers there."""
    [result] = compare("/carts/1", Reply({"total": 1}), YAML)
    assert "id is missing" in str(result.observed)
    assert "total is integer, not" in str(result.observed)


@pytest.mark.parametrize(
    ("document", "reason"),
    (
        ("[", "neither JSON nor YAML"),
        ("{", "not valid JSON"),
        ("a: &x [1]\nb: !!python/object:os.system x", "neither JSON nor YAML"),
        ("[]", "not an OpenAPI 3 document"),
        ({"swagger": "2.0", "paths": {}}, "not an OpenAPI 3 document"),
        ({"openapi": "3.0.0"}, "not an OpenAPI 3 document"),
        (
            {"openapi": "3.0.0", "paths": {"/carts/{id}": {"$ref": "#/nowhere"}}},
            "the reference '#/nowhere' cannot be resolved",
        ),
        (
            {"openapi": "3.0.0", "paths": {"/carts/{id}": {"$ref": "http://x/y"}}},
            "refers to another document",
        ),
        (
            json.dumps(DOCUMENT).replace('"number"', '"numbr"'),
            "GET /carts/{id}, HTTP 200 is not a valid JSON Schema",
        ),
        (json.dumps(DOCUMENT).replace("schemas/Item", "schemas/None"), "is not a valid JSON Schema"),
    ),
)
def test_an_invalid_document_is_one_sentence(compare: Compare, document: Any, reason: str) -> None:
    """Exit code 2, with the document's name."""
    with pytest.raises(ConfigError) as caught:
        compare("/carts/1", Reply(GOOD), document)
    assert reason in caught.value.message
    assert "openapi.json" in caught.value.message
    assert caught.value.exit_code == 2


def test_aliases_that_multiply_are_refused(compare: Compare) -> None:
    """A small file that would need gigabytes."""
    bomb = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
    )
    with pytest.raises(ConfigError, match="too many"):
        compare("/carts/1", Reply(GOOD), bomb)


def test_a_document_at_an_address_is_read_with_the_token_of_the_api_only(tmp_path: Path) -> None:
    """The API's own document needs the token; another host gets none."""
    documents: list[WebRequest] = []

    def answer(request: WebRequest) -> Reply:
        if request.path == "/openapi.json":
            documents.append(request)
            return Reply(DOCUMENT)
        return Reply(GOOD)

    [result] = contract_results(tmp_path, "/carts/1", answer, "API/openapi.json")
    assert result.verdict is Verdict.PASS
    assert documents[0].headers["authorization"] == "Bearer t0ken-of-an-admin"
    with serve(answer) as other:
        contract_results(tmp_path, "/carts/1", answer, f"{other.url}/openapi.json")
    assert "authorization" not in documents[1].headers


def test_a_document_that_cannot_be_fetched_is_unknown(tmp_path: Path) -> None:
    """It is no reason to pass."""
    [result] = contract_results(tmp_path, "/carts/1", lambda _: Reply({}, 404), "API/openapi.json", 404)
    assert (result.name, result.verdict) == ("contract: document", Verdict.UNKNOWN)


def test_the_reference_service_keeps_its_own_contract(sandbox: Sandbox) -> None:
    """The built-in suite's responses are those of its OpenAPI document."""
    token = sandbox.layout.token.read_text().strip()
    api = Http(sandbox.api.base_url, token=token)
    targets = Targets(api, api.without_token(), None, None)
    smoke = Smoke("smoke", targets, contract=f"{sandbox.api.base_url}openapi.json")
    results = [one for one in smoke.judge(Pulse()).checks if one.name.startswith("contract: ")]
    assert results
    assert not [one for one in results if one.verdict in {Verdict.FAIL, Verdict.UNKNOWN}], results
    assert [one for one in results if one.verdict is Verdict.PASS]

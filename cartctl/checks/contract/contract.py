"""Comparing what an API responded with its OpenAPI document: missing fields and wrong types, by operation."""

from collections.abc import Iterator, Mapping
from typing import Any

from cartctl.adapters.http.client import Http, MalformedResponse, Response
from cartctl.checks.contract.document import Document, read_document
from cartctl.checks.contract.operations import Operation, Operations
from cartctl.checks.contract.schemas import Schemas
from cartctl.engine.model import CheckResult, Verdict

MOST = 10  # differences of one operation that are listed


class Contract:
    """Takes responses, from any thread, and says at the end how they differ from the document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._operations = Operations(document)
        self._schemas = Schemas(document)
        self._responses: list[tuple[str, str, Response]] = []

    def take(self, method: str, path: str, response: Response) -> None:
        """Keep a response for the comparison."""
        self._responses.append((method, path, response))

    def results(self) -> list[CheckResult]:
        """One result per operation that was requested. Raises ConfigError for an invalid schema."""
        compared: dict[str, list[str]] = {}
        unknown: dict[str, list[str]] = {}
        for method, path, response in self._responses:
            operation = self._operations.of(method, path)
            if operation is None:
                unknown.setdefault(f"{method} {path.partition('?')[0]}", []).append(
                    "it is not in the document"
                )
                continue
            described = self._described(operation, response.status)
            if described is None:
                unknown.setdefault(operation.name, []).append(f"HTTP {response.status} is not documented")
            else:
                compared.setdefault(operation.name, []).extend(
                    f"HTTP {response.status}: {reason}"
                    for reason in self._differences(operation, described, method, response)
                )
        if not compared:
            expected = f"responses described by {self._document.name}"
            return [
                CheckResult("responses", Verdict.FAIL, "no response was compared", expected),
                *_warnings(unknown),
            ]
        return [*(_compared(name, reasons) for name, reasons in compared.items()), *_warnings(unknown)]

    def _described(self, operation: Operation, status: int) -> Any:
        for key in (str(status), f"{status // 100}XX", f"{status // 100}xx", "default"):
            if key in operation.responses:
                return self._document.resolve(operation.responses[key])
        return None

    def _differences(
        self, operation: Operation, described: Any, method: str, response: Response
    ) -> Iterator[str]:
        content = described.get("content") if isinstance(described, Mapping) else None
        if not isinstance(content, Mapping) or not content or method == "HEAD":
            return
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        media = next(
            (content[name] for name in (kind, f"{kind.partition('/')[0]}/*", "*/*") if name in content), None
        )
        if media is None:
            yield f"{kind or 'no content type'} instead of {' or '.join(content)}"
            return
        schema = self._document.resolve(media.get("schema")) if isinstance(media, Mapping) else None
        if not isinstance(schema, Mapping) or "json" not in kind:
            return
        try:
            body = response.json()
        except MalformedResponse as error:
            yield error.message
            return
        place = f"{operation.name}, HTTP {response.status}"
        yield from map(str, self._schemas.compile(schema, place).violations(body))


def _compared(name: str, reasons: list[str]) -> CheckResult:
    distinct = list(dict.fromkeys(reasons))
    if not distinct:
        return CheckResult(name, Verdict.PASS, "as documented")
    observed = "; ".join(distinct[:MOST]) + (f"; {len(distinct) - MOST} more" if len(distinct) > MOST else "")
    return CheckResult(name, Verdict.FAIL, observed, "the documented response")


def _warnings(unknown: Mapping[str, list[str]]) -> Iterator[CheckResult]:
    for name, reasons in unknown.items():
        yield CheckResult(
            name,
            Verdict.WARN,
            "; ".join(dict.fromkeys(reasons)),
            "documented",
            "Add it to the OpenAPI document.",
        )


def read_contract(source: str, api: Http) -> Contract:
    """The contract in a file or at an address. Raises as `read_document` does."""
    return Contract(read_document(source, api))

"""Which operation of an OpenAPI document a request belongs to."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cartctl.checks.contract.document import Document

METHODS = frozenset({"get", "head", "post", "put", "patch", "delete", "options"})
_PARAMETER = re.compile(r"\{[^{}/]+\}")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, as the document writes it, and its responses by status."""

    method: str
    path: str
    responses: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"


class Operations:
    """The operations of a document. Raises ConfigError for a reference that leads nowhere."""

    def __init__(self, document: Document) -> None:
        self._prefixes = _prefixes(document)
        self._known = sorted(_operations(document), key=lambda one: len(_PARAMETER.findall(one[1].path)))

    def of(self, method: str, path: str) -> Operation | None:
        """The operation of a request; exact paths come before those with parameters. A HEAD is judged as the GET."""
        plain = urlsplit(path).path.rstrip("/") or "/"
        paths = [
            plain,
            *(plain.removeprefix(prefix) for prefix in self._prefixes if plain.startswith(f"{prefix}/")),
        ]
        for name in (method.upper(), "GET") if method.upper() == "HEAD" else (method.upper(),):
            for pattern, operation in self._known:
                if operation.method == name and any(map(pattern.fullmatch, paths)):
                    return operation
        return None


def _operations(document: Document) -> Iterator[tuple[re.Pattern[str], Operation]]:
    for path, item in document.content["paths"].items():
        methods = document.resolve(item)
        for method, operation in methods.items() if isinstance(methods, Mapping) else ():
            if method in METHODS and isinstance(operation, Mapping):
                responses = operation.get("responses")
                yield (
                    _pattern(path),
                    Operation(method.upper(), path, responses if isinstance(responses, Mapping) else {}),
                )


def _pattern(path: str) -> re.Pattern[str]:
    fixed = _PARAMETER.split(path.rstrip("/") or "/")
    return re.compile("[^/]+".join(map(re.escape, fixed)))


def _prefixes(document: Document) -> list[str]:
    """The paths of the document's servers, such as `/v1`."""
    servers = document.content.get("servers")
    urls = (
        [one.get("url") for one in servers if isinstance(one, Mapping)] if isinstance(servers, list) else []
    )
    return [prefix for url in urls if isinstance(url, str) and (prefix := _path_of(url))]


def _path_of(url: str) -> str:
    try:
        return urlsplit(url).path.rstrip("/")
    except ValueError:
        return ""

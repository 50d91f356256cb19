"""Reading an OpenAPI document: JSON or YAML, from a file or an address, within bounds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from cartctl.adapters.http.client import Http, HttpUnreachable
from cartctl.errors import ConfigError
from cartctl.inputs import DEPTH, InvalidInput, parse_json, read_text

LIMIT = 16 * 1024 * 1024  # bytes of a file
NODES = 1_000_000  # values in a document, aliases counted each time
REFERENCES = 20  # references that lead to each other
_HINT = "Use an OpenAPI 3 document, as JSON or YAML."


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document and where it comes from, for messages."""

    name: str
    content: Mapping[str, Any]

    @property
    def is_json_schema(self) -> bool:
        """Whether its schemas are JSON Schemas as they stand, as from version 3.1 on."""
        return not str(self.content["openapi"]).startswith("3.0")

    def resolve(self, node: Any) -> Any:
        """A node, or what its local `$ref` leads to; an empty table for a reference that leads nowhere."""
        for _ in range(REFERENCES):
            if not (isinstance(node, Mapping) and isinstance(node.get("$ref"), str)):
                return node
            node = self._at(node["$ref"])
        return {}

    def _at(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            raise self.invalid(f"it refers to another document, {reference[:100]!r}")
        node: Any = self.content
        for part in reference[2:].split("/"):
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if not isinstance(node, Mapping) or key not in node:
                raise self.invalid(f"the reference {reference[:100]!r} cannot be resolved")
            node = node[key]
        return node

    def invalid(self, reason: str) -> ConfigError:
        """The error for a document that cannot be used."""
        return ConfigError(f"The contract {self.name}: {reason}.", hint=_HINT)


def read_document(source: str, api: Http) -> Document:
    """The document in a file or at an address; an address of the API itself is requested with its token.

    Raises ConfigError for what is not an OpenAPI document, HttpUnreachable or HttpRedirected if there is no response.
    """
    name, text = _fetched(source, api) if "://" in source else (source, _file(Path(source)))
    try:
        content = _parsed(text)
    except InvalidInput as wrong:
        raise ConfigError(f"The contract {name}: {wrong.reason}.", hint=_HINT) from wrong
    document = Document(name, content if isinstance(content, dict) else {})
    version = document.content.get("openapi")
    if not str(version).startswith("3.") or not isinstance(document.content.get("paths"), dict):
        raise document.invalid("it is not an OpenAPI 3 document with paths")
    return document


def _file(path: Path) -> str:
    try:
        return read_text(path.expanduser(), limit=LIMIT)
    except InvalidInput as wrong:
        raise ConfigError(f"The contract {path}: {wrong.reason}.", hint=wrong.hint or _HINT) from wrong


def _fetched(source: str, api: Http) -> tuple[str, str]:
    if source.startswith(api.base_url):
        service, path = api, source.removeprefix(api.base_url)
    else:
        parts = urlsplit(source)
        service = Http(f"{parts.scheme}://{parts.netloc}")
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    response = service.get(path)
    name = f"{service.masked}/{path.partition('?')[0].lstrip('/')}"
    if not response.ok:
        raise HttpUnreachable(f"The contract {name} could not be read: HTTP {response.status}.", hint=_HINT)
    return name, response.body


def _parsed(text: str) -> Any:
    """JSON is not read as YAML, which is a hundred times slower."""
    if text.lstrip().startswith("{"):
        return parse_json(text)
    import yaml

    try:
        value = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
    except (yaml.YAMLError, RecursionError, ValueError) as wrong:
        reason = " ".join(str(wrong).split())[:200]
        raise InvalidInput(f"it is neither JSON nor YAML: {reason}") from wrong
    return _as_json(value, [NODES], 0)


def _as_json(value: Any, left: list[int], depth: int) -> Any:
    """A YAML value with the keys and values of JSON. Raises InvalidInput for too many or too deep ones: aliases repeat."""
    left[0] -= 1
    if left[0] < 0 or depth > DEPTH:
        raise InvalidInput("it has too many or too deeply nested values")
    if isinstance(value, dict):
        return {str(key): _as_json(inner, left, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_json(inner, left, depth + 1) for inner in value]
    return str(value) if isinstance(value, date | bytes | set) else value

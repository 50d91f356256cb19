"""Purging static assets from the CDN in front of the dashboard after a release.

Purges everything, tags or paths: at Cloudflare with its documented request, at any other CDN with a configured request.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from cartctl.adapters.effects import effect
from cartctl.adapters.http.client import Http, MalformedResponse, Response
from cartctl.errors import ConfigError, StepFailed

CLOUDFLARE = "https://api.cloudflare.com/client/v4"
BATCH = 30  # files or tags per request: the limit of Cloudflare's smallest plan
_HOST = re.compile(r"(https?://[^/?#]+)(.*)", re.DOTALL)


class PurgeFailed(StepFailed):
    """The CDN did not accept the purge."""

    code = "purge_failed"


@dataclass(frozen=True, slots=True)
class Selection:
    """What to purge: assets with these cache tags and under these paths; everything if both are empty."""

    tags: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


class Cdn(Protocol):
    """A CDN that can be purged."""

    def purge(self) -> Iterator[tuple[int, int, str]]:
        """Send each request: its number, how many there are, and what identifies it. Raises PurgeFailed or HttpUnreachable."""


class Cloudflare:
    """A zone of Cloudflare; `token` needs the permission Cache Purge on it. `base_url` is the API's address.

    Paths are below `site`, the address of the dashboard, since Cloudflare purges by whole URLs.
    """

    def __init__(
        self,
        zone: str,
        token: str,
        *,
        selection: Selection | None = None,
        site: str = "",
        base_url: str = CLOUDFLARE,
    ) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", zone):
            raise ConfigError(
                f"invalid Cloudflare zone {zone!r}.", hint="Set cache.cdn.zone to the zone's ID."
            )
        self._zone = zone
        self._bodies = list(_cloudflare_bodies(selection or Selection(), site.rstrip("/")))
        self._http = Http(base_url, token=token)

    def purge(self) -> Iterator[tuple[int, int, str]]:
        """One request per 30 tags or paths, or one for everything; each with its purge's id."""
        for number, body in enumerate(self._bodies, start=1):
            with effect("cdn.purge"):
                response = self._http.send("POST", f"zones/{self._zone}/purge_cache", json=body)
            yield number, len(self._bodies), _purge_id(response)


def _cloudflare_bodies(selection: Selection, site: str) -> Iterator[Mapping[str, Any]]:
    files = [path if _HOST.match(path) else f"{site}/{path.lstrip('/')}" for path in selection.paths]
    if not selection.tags and not files:
        yield {"purge_everything": True}
    for name, values in (("tags", selection.tags), ("files", files)):
        for at in range(0, len(values), BATCH):
            yield {name: list(values[at : at + BATCH])}


def _purge_id(response: Response) -> str:
    try:
        body = response.json()
    except MalformedResponse as error:
        raise PurgeFailed(f"Cloudflare's response (HTTP {response.status}) is not JSON.") from error
    if not response.ok or not isinstance(body, dict) or body.get("success") is not True:
        raise PurgeFailed(
            f"Cloudflare rejected the purge (HTTP {response.status}): {response.excerpt}",
            hint="Check cache.cdn.zone, and the token's permission Cache Purge.",
        )
    result = body.get("result")
    return str(result.get("id", "")) if isinstance(result, dict) else ""


class HttpCdn:
    """Any CDN with a purge request.

    `{tag}` and `{path}` in the address or body mean one request each, `{tags}` and `{paths}` as a value of the body the whole list.
    """

    def __init__(
        self,
        url: str,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        selection: Selection | None = None,
    ) -> None:
        address = _HOST.fullmatch(url)
        if address is None:
            raise ConfigError(
                f"invalid address {url!r} of the CDN.", hint="Set cache.cdn.url to an http(s):// address."
            )
        self._method, self._headers = method, dict(headers or {})
        self._http = Http(address[1])
        self._requests = list(_requests(address[2], body, selection or Selection()))
        if not self._requests:
            raise ConfigError(
                "The CDN's request contains {tag} or {path}, but no tags or paths are configured.",
                hint="Set cache.cdn.tags or cache.cdn.paths.",
            )

    def purge(self) -> Iterator[tuple[int, int, str]]:
        """Each request with its status."""
        for number, (path, body) in enumerate(self._requests, start=1):
            with effect("cdn.purge"):
                response = self._http.send(self._method, path, json=body, headers=self._headers)
            if not response.ok:
                raise PurgeFailed(
                    f"The CDN rejected the purge (HTTP {response.status}, {self._method} {path}): {response.excerpt}",
                    hint="Check cache.cdn.url, its headers and the token's permissions.",
                )
            yield number, len(self._requests), f"HTTP {response.status}"


def _requests(path: str, body: Any, selection: Selection) -> Iterator[tuple[str, Any]]:
    text = f"{path} {body}"
    tags: Sequence[str] = selection.tags if "{tag}" in text else ("",)
    paths: Sequence[str] = selection.paths if "{path}" in text else ("",)
    for tag in tags:
        for one in paths:
            address = path.replace("{tag}", quote(tag, safe="")).replace(
                "{path}", quote(one.lstrip("/"), safe="/")
            )
            yield address, _filled(body, tag, one, selection)


def _filled(value: Any, tag: str, path: str, selection: Selection) -> Any:
    match value:
        case "{tags}":
            return list(selection.tags)
        case "{paths}":
            return list(selection.paths)
        case str():
            return value.replace("{tag}", tag).replace("{path}", path)
        case dict():
            return {key: _filled(one, tag, path, selection) for key, one in value.items()}
        case list() | tuple():
            return [_filled(one, tag, path, selection) for one in value]
        case _:
            return value

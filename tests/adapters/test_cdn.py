"""CDN purges against a local server that verifies the documented requests."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters.cdn import Cdn, Cloudflare, HttpCdn, PurgeFailed, Selection
from cartctl.config.load import load_environment
from cartctl.engine.model import Run
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError
from cartctl.ports import Ports
from cartctl.steps.cdn import PurgeCdn
from tests.web import Reply, WebRequest, serve

RUN = Run("r1", "sandbox", datetime.now(UTC), Path("/nonexistent"), "running", {})
SITE = "https://app.example.com"


def cloudflare(request: WebRequest) -> Reply:
    """As the documentation says: POST, a bearer token, exactly one kind of selection, at most 30 of it; else 400 or 403."""
    if request.headers.get("authorization") != "Bearer t0ken":
        return Reply({"success": False, "errors": [{"code": 9109, "message": "Unauthorized"}]}, 403)
    body = json.loads(request.body)
    [(name, values)] = body.items()
    whole = (name, values) == ("purge_everything", True)
    some = name in {"files", "tags"} and 1 <= len(values) <= 30
    urls = name != "files" or all(value.startswith("https://") for value in values)
    right = (request.method, request.path) == ("POST", "/zones/a1b2/purge_cache") and (whole or some) and urls
    errors = [] if right else [{"code": 1094, "message": "invalid"}]
    return Reply(
        {"success": right, "errors": errors, "messages": [], "result": {"id": name}}, 200 if right else 400
    )


@pytest.mark.parametrize(
    ("selection", "bodies"),
    (
        (Selection(), [{"purge_everything": True}]),
        (Selection(tags=("dashboard", "assets")), [{"tags": ["dashboard", "assets"]}]),
        (
            Selection(paths=("/app.js", "css/a.css", "https://cdn.example.com/x")),
            [{"files": [f"{SITE}/app.js", f"{SITE}/css/a.css", "https://cdn.example.com/x"]}],
        ),
        (Selection(("t",), ("/p",)), [{"tags": ["t"]}, {"files": [f"{SITE}/p"]}]),
        (
            Selection(tags=tuple(f"t{number}" for number in range(31))),
            [{"tags": [f"t{number}" for number in range(30)]}, {"tags": ["t30"]}],
        ),
    ),
)
def test_cloudflare_gets_its_documented_request(
    selection: Selection, bodies: list[Mapping[str, Any]]
) -> None:
    """Everything, tags or files; long lists in several requests, with progress."""
    shown: list[tuple[float, float]] = []
    pulse = Pulse(progress=lambda done, total, _: shown.append((done, total)))
    with serve(cloudflare) as web:
        cdn = Cloudflare("a1b2", "t0ken", selection=selection, site=f"{SITE}/", base_url=web.url)
        result = PurgeCdn(cdn).perform(RUN, pulse)
    assert [json.loads(request.body) for request in web.requests] == bodies
    assert result == {
        "purge": ", ".join(dict.fromkeys(next(iter(body)) if len(body) else "" for body in bodies))
    }
    assert shown[-1] == (len(bodies), len(bodies))


def test_a_403_is_named_without_the_token() -> None:
    """With the permission that is missing."""
    with serve(cloudflare) as web, pytest.raises(PurgeFailed, match="HTTP 403") as caught:
        list(Cloudflare("a1b2", "wr0ng", base_url=web.url).purge())
    assert "Cache Purge" in caught.value.hint
    assert "wr0ng" not in caught.value.message


def configured(tmp_path: Path, url: str, more: str, monkeypatch: pytest.MonkeyPatch) -> Cdn:
    """The CDN of a configuration file."""
    monkeypatch.setenv("CDN_KEY", "k3y")
    file = tmp_path / "cartctl.toml"
    file.write_text(
        '[env.shop.database]\ndsn = "host=x"\n[env.shop.cache.cdn]\nkind = "http"\n'
        f'url = "{url}"\nheaders = {{ "Fastly-Key" = {{ env = "CDN_KEY" }} }}\n{more}'
    )
    cdn = Ports(load_environment(str(file), "shop")).cdn
    assert cdn is not None
    return cdn


@pytest.mark.parametrize(
    ("path", "more", "requests"),
    (
        ("/service/s/purge_all", "", [("POST", "/service/s/purge_all", "")]),
        (
            "/service/s/purge",
            'tags = ["a", "b"]\nbody = { surrogate_keys = "{tags}" }\n',
            [("POST", "/service/s/purge", {"surrogate_keys": ["a", "b"]})],
        ),
        (
            "/service/s/purge/{tag}",
            'tags = ["a b", "c"]\n',
            [("POST", "/service/s/purge/a%20b", ""), ("POST", "/service/s/purge/c", "")],
        ),
        ("/{path}", 'method = "PURGE"\npaths = ["/js/app.js"]\n', [("PURGE", "/js/app.js", "")]),
    ),
)
def test_any_other_cdn_by_its_request(
    path: str,
    more: str,
    requests: list[tuple[str, str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fastly's three purges and Varnish's PURGE, each with the configured header."""

    def answer(request: WebRequest) -> Reply:
        return Reply({"status": "ok"}, 200 if request.headers.get("fastly-key") == "k3y" else 403)

    with serve(answer) as web:
        PurgeCdn(configured(tmp_path, web.url + path, more, monkeypatch)).perform(RUN, Pulse())
    assert [
        (one.method, one.path, json.loads(one.body) if one.body else "") for one in web.requests
    ] == requests


def test_a_refused_request_stops_the_purge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status and request are named; the next tag is not sent."""
    with serve(lambda _: Reply("no", 403)) as web:
        cdn = configured(tmp_path, f"{web.url}/{{tag}}", 'tags = ["a", "b"]\n', monkeypatch)
        with pytest.raises(PurgeFailed, match=r"HTTP 403, POST /a"):
            list(cdn.purge())
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    ("settings", "reason"),
    (
        ('kind = "cloudflare"\nzone = "z"\n', "requires token"),
        ('kind = "http"\n', "requires url"),
        ('kind = "http"\nurl = "https://c/{tag}"\n', "must have tags exactly where"),
        ('kind = "http"\nurl = "https://c/all"\npaths = ["/x"]\n', "must have paths exactly where"),
    ),
)
def test_an_incomplete_cdn_is_refused(settings: str, reason: str, tmp_path: Path) -> None:
    """Before anything runs: a purge of nothing, or of everything where tags were meant, would go unnoticed."""
    file = tmp_path / "cartctl.toml"
    file.write_text(f'[env.shop.database]\ndsn = "host=x"\n[env.shop.cache.cdn]\n{settings}')
    with pytest.raises(ConfigError, match=reason):
        load_environment(str(file), "shop")


def test_an_invalid_address_is_refused() -> None:
    """Where a reference to a secret gives something else than an address."""
    with pytest.raises(ConfigError, match="address"):
        HttpCdn("ftp://x")

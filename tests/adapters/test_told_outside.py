"""Webhooks and the CDN, against real HTTP servers on loopback."""

import json

import pytest

from cartctl.adapters.cdn import Cloudflare, PurgeFailed
from cartctl.adapters.notify import NotAccepted, Webhook
from cartctl.errors import ConfigError
from tests.web import Reply, serve

SECRET = "T00/B00/xyzzy"


def test_a_webhook_gets_the_text() -> None:
    """The message is posted as JSON to the whole address."""
    with serve(lambda _: Reply("ok")) as web:
        Webhook(f"{web.url}/services/{SECRET}?v=1").post("hello")
    [asked] = web.asked
    assert (asked.method, asked.path) == ("POST", f"/services/{SECRET}?v=1")
    assert json.loads(asked.body) == {"text": "hello"}


@pytest.mark.parametrize("status", (301, 400, 404, 500))
def test_a_webhook_that_does_not_take_it_is_named_by_its_host(status: int) -> None:
    """The address is the secret: no error shows more than the host."""
    with (
        serve(lambda _: Reply("no", status)) as web,
        pytest.raises(NotAccepted, match=r"127\.0\.0\.1") as caught,
    ):
        Webhook(f"{web.url}/{SECRET}").post("hello")
    assert "xyzzy" not in caught.value.message


def test_a_webhook_that_is_away_is_named_by_its_host() -> None:
    """Nor does an unreachable one, in its error, its cause or its representation."""
    webhook = Webhook(f"http://127.0.0.1:9/{SECRET}")
    with pytest.raises(NotAccepted) as caught:
        webhook.post("hello")
    assert "xyzzy" not in f"{caught.value.message}{caught.value.__cause__}{webhook!r}"


def test_what_is_no_address_is_refused_without_showing_it() -> None:
    """A wrong secret is not echoed."""
    with pytest.raises(ConfigError) as caught:
        Webhook("xyzzy")
    assert "xyzzy" not in caught.value.message + caught.value.hint


def test_a_purge_is_asked_for_with_the_token() -> None:
    """One POST to the zone, everything purged, its id given back."""
    with serve(lambda _: Reply({"success": True, "result": {"id": "p1"}})) as web:
        assert Cloudflare("a1b2", "t0ken", base_url=f"{web.url}/v4").purge() == "p1"
    [asked] = web.asked
    assert (asked.method, asked.path) == ("POST", "/v4/zones/a1b2/purge_cache")
    assert json.loads(asked.body) == {"purge_everything": True}
    assert asked.headers["authorization"] == "Bearer t0ken"


@pytest.mark.parametrize(
    "reply",
    (
        Reply({"success": False, "errors": [{"message": "no such zone t0ken"}]}, 200),
        Reply({"success": True}, 403),
        Reply({"result": {"id": "p1"}}, 200),
        Reply("<html>", 200),
        Reply([], 200),
    ),
)
def test_a_purge_that_is_not_accepted_is_a_failure(reply: Reply) -> None:
    """Only a success that says so is one; the token is masked."""
    with serve(lambda _: reply) as web, pytest.raises(PurgeFailed) as caught:
        Cloudflare("a1b2", "t0ken", base_url=web.url).purge()
    assert "t0ken" not in caught.value.message


@pytest.mark.parametrize("zone", ("", "a/b", "../x", "a b"))
def test_a_zone_is_an_id(zone: str) -> None:
    """What would change the path is refused."""
    with pytest.raises(ConfigError, match="zone"):
        Cloudflare(zone, "t")

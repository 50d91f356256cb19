"""Webhooks and the CDN, against real HTTP servers on loopback."""

import json
from dataclasses import dataclass, field

import pytest

from cartctl.adapters.cdn import Cloudflare, PurgeFailed
from cartctl.adapters.notifiers.webhook import NotAccepted, Webhook, retry_after
from cartctl.errors import ConfigError
from tests.web import Reply, serve

SECRET = "T00/B00/xyzzy"


def test_a_webhook_gets_the_text() -> None:
    """The message is posted as JSON to the whole address."""
    with serve(lambda _: Reply("ok")) as web:
        Webhook(f"{web.url}/services/{SECRET}?v=1").post("hello")
    [result] = web.requests
    assert (result.method, result.path) == ("POST", f"/services/{SECRET}?v=1")
    assert json.loads(result.body) == {"text": "hello"}


@pytest.mark.parametrize("status", (301, 400, 404, 500))
def test_a_webhook_that_does_not_take_it_is_named_by_its_host(status: int) -> None:
    """The address is the secret: no error shows more than the host."""
    with (
        serve(lambda _: Reply("no", status)) as web,
        pytest.raises(NotAccepted, match=r"127\.0\.0\.1") as caught,
    ):
        Webhook(f"{web.url}/{SECRET}").post("hello", lambda _: None)
    assert "xyzzy" not in caught.value.message


@dataclass
class Time:
    """A clock that pauses move."""

    now: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def clock(self) -> float:
        """Seconds."""
        return self.now

    def pause(self, seconds: float) -> None:
        """Let them pass."""
        self.pauses.append(seconds)
        self.now += seconds


def posted(*replies: Reply) -> tuple[list[float], int, str]:
    """Pauses, attempts and the reason why it was not accepted, of a message to a notifier that answers so in turn."""
    left, time, reason = list(replies), Time(), ""
    with serve(lambda _: left.pop(0) if len(left) > 1 else left[0]) as web:
        try:
            Webhook(f"{web.url}/{SECRET}", clock=time.clock).post("hello", time.pause)
        except NotAccepted as failure:
            reason = failure.reason
        return time.pauses, len(web.requests), reason


def test_what_may_pass_is_tried_again_within_bounds() -> None:
    """429 after the seconds or the date that Retry-After names, 5xx after a second, then three; at most three attempts."""
    date = "Tue, 01 Dec 2026 02:00:00 GMT"
    later = {"Date": date, "Retry-After": "Tue, 01 Dec 2026 02:00:07 GMT"}
    assert posted(Reply("", 429, {"Retry-After": "5"}), Reply("ok")) == ([5.0], 2, "")
    assert retry_after(later["Retry-After"], date) == 7.0
    assert posted(Reply("", 503), Reply("", 500), Reply("ok")) == ([1.0, 3.0], 3, "")
    assert posted(Reply("", 503)) == ([1.0, 3.0], 3, "HTTP 503 after 3 attempts")


@pytest.mark.parametrize("wait", ("3600", "Wed, 01 Jan 2098 00:00:00 GMT"))
def test_a_wait_beyond_all_patience_is_not_waited_for(wait: str) -> None:
    """One attempt; the report names the wait that was asked for."""
    pauses, attempts, reason = posted(Reply("", 429, {"Retry-After": wait}))
    assert (pauses, attempts, reason.startswith("HTTP 429, asks to wait")) == ([], 1, True)


@pytest.mark.parametrize("wrong", ("", "soon", "-1", "1e9", "Tue, 99 Dec 2026", "9" * 30))
def test_a_retry_after_that_says_nothing_is_ignored(wrong: str) -> None:
    """The usual pauses hold then."""
    assert retry_after(wrong) is None


TEAMS = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error {} with ContextId tcid=0"


@pytest.mark.parametrize(
    ("reply", "attempts", "reason"),
    (
        (Reply("invalid_payload"), 1, "invalid_payload"),
        (Reply("channel_is_archived"), 1, "channel_is_archived"),
        (Reply({"ok": False, "error": "no_text"}), 1, "the response reports a failure no_text"),
        (Reply({"success": False}), 1, "the response reports a failure"),
        (Reply({"error": {"code": 1, "url": SECRET}}), 1, "the response reports a failure"),
        (Reply(TEAMS.format(413)), 1, "message delivery failed: HTTP error 413"),
        (Reply(TEAMS.format(429)), 3, "message delivery failed: HTTP error 429 after 3 attempts"),
        (Reply("invalid_token", 403), 1, "HTTP 403 invalid_token"),
        (Reply(f"no such hook {SECRET}", 404), 1, "HTTP 404"),
    ),
)
def test_a_response_that_reports_a_failure_is_one(reply: Reply, attempts: int, reason: str) -> None:
    """Also with status 200; what it quotes is not repeated."""
    _, tried, why = posted(reply)
    assert (tried, why) == (attempts, reason)


@pytest.mark.parametrize("body", ("ok", "1", "", "OK", {"ok": True}, {"name": "x"}, "{", "[" * 9, "Accepted"))
def test_what_accepts_is_accepted(body: object) -> None:
    """Bodies of Slack, Teams, Discord, Google Chat and others after a success."""
    assert posted(Reply(body)) == ([], 1, "")


def test_a_webhook_that_is_away_is_named_by_its_host() -> None:
    """Nor does an unreachable one, in its error, its cause or its representation."""
    webhook = Webhook(f"http://127.0.0.1:9/{SECRET}")
    with pytest.raises(NotAccepted, match="after 3 attempts") as caught:
        webhook.post("hello", lambda _: None)
    assert "xyzzy" not in f"{caught.value.message}{caught.value.__cause__}{webhook!r}"


def test_what_is_no_address_is_refused_without_showing_it() -> None:
    """A wrong secret is not echoed."""
    with pytest.raises(ConfigError) as caught:
        Webhook("xyzzy")
    assert "xyzzy" not in caught.value.message + caught.value.hint


def test_a_purge_is_requested_with_the_token() -> None:
    """One POST to the zone, everything purged, its id given back."""
    with serve(lambda _: Reply({"success": True, "result": {"id": "p1"}})) as web:
        assert list(Cloudflare("a1b2", "t0ken", base_url=f"{web.url}/v4").purge()) == [(1, 1, "p1")]
    [result] = web.requests
    assert (result.method, result.path) == ("POST", "/v4/zones/a1b2/purge_cache")
    assert json.loads(result.body) == {"purge_everything": True}
    assert result.headers["authorization"] == "Bearer t0ken"


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
        list(Cloudflare("a1b2", "t0ken", base_url=web.url).purge())
    assert "t0ken" not in caught.value.message


@pytest.mark.parametrize("zone", ("", "a/b", "../x", "a b"))
def test_a_zone_is_an_id(zone: str) -> None:
    """What would change the path is refused."""
    with pytest.raises(ConfigError, match="zone"):
        Cloudflare(zone, "t")

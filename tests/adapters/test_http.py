"""The HTTP adapter against real servers on loopback: tokens, redirects, limits, masking."""

import socket
import threading
import time

import pytest

from cartctl.adapters.http.client import (
    Access,
    Http,
    HttpRedirected,
    HttpUnreachable,
    MalformedResponse,
    Response,
)
from cartctl.errors import ConfigError
from cartctl.redaction import mask, register
from tests.web import Reply, WebRequest, serve

TOKEN = "s3cr3t-token-of-avnz"


def test_get_gives_status_headers_body_and_time() -> None:
    """An answer carries its status, lower-case header names, the text and the seconds it took."""
    with serve(lambda _: Reply({"a": 1}, 201, {"X-Two": "2"})) as web:
        answer = Http(web.url).get("/x", params={"q": "a b"})
    assert (answer.status, answer.headers["x-two"], answer.json()) == (201, "2", {"a": 1})
    assert answer.seconds > 0
    assert web.paths() == ["/x?q=a+b"]


def test_send_posts_json_with_the_token() -> None:
    """A body goes as JSON and the token as bearer."""
    with serve(lambda _: Reply({})) as web:
        Http(web.url + "/base", token=TOKEN + "\n").send("POST", "/x", json={"n": 1})
    [result] = web.requests
    assert (result.method, result.path, result.body.replace(" ", "")) == ("POST", "/base/x", '{"n":1}')
    assert result.headers["authorization"] == f"Bearer {TOKEN}"


def test_a_shopper_has_no_token() -> None:
    """The same service asked without a token sends no authorization."""
    with serve(lambda _: Reply()) as web:
        Http(web.url, token=TOKEN).without_token().get("/")
    assert "authorization" not in web.requests[0].headers


def test_a_redirect_on_the_same_host_is_followed() -> None:
    """A redirect that stays on the host is followed with the token."""
    with serve(lambda a: Reply("", 302, {"Location": "/b"}) if a.path == "/a" else Reply("there")) as web:
        assert Http(web.url, token=TOKEN).get("/a").body == "there"
    assert web.requests[1].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_redirect_to_another_host_is_an_error_and_gets_nothing() -> None:
    """Another host, or another port, sees no request at all, and the error names it."""
    with serve(lambda _: Reply("caught")) as thief:
        target = thief.url.replace("127.0.0.1", "localhost")
        with (
            serve(lambda _: Reply("", 307, {"Location": f"{target}/in?token=abc"})) as web,
            pytest.raises(HttpRedirected, match="another host") as caught,
        ):
            Http(web.url, token=TOKEN).get("/a")
    assert thief.requests == []
    assert "abc" not in caught.value.message


@pytest.mark.parametrize("path", ("http://127.0.0.1:9/x", "/http://127.0.0.1:9/x", "//127.0.0.1:9/x"))
def test_a_path_never_leads_to_another_host(path: str) -> None:
    """Whatever a path looks like, it stays below the base address."""
    with serve(lambda _: Reply("here")) as web:
        assert Http(web.url, token=TOKEN).get(path).body == "here"


@pytest.mark.parametrize("target", ("http://x:port/", "mailto:a@b", "http://[::1"))
def test_a_redirect_to_nowhere_is_an_error(target: str) -> None:
    """What is no web address is not followed, and is one sentence."""
    with (
        serve(lambda _: Reply("", 302, {"Location": target})) as web,
        pytest.raises((HttpRedirected, HttpUnreachable)),
    ):
        Http(web.url).get("/a")


def test_a_header_that_cannot_be_sent_is_one_sentence() -> None:
    """Letters no header may hold end in an error of ours."""
    with pytest.raises(HttpUnreachable):
        Http("http://127.0.0.1:9").get("/", headers={"X-Name": "käse ☂"})


def test_endless_redirects_end() -> None:
    """A loop of redirects ends with an error."""
    with (
        serve(lambda _: Reply("", 302, {"Location": "/a"})) as web,
        pytest.raises(HttpUnreachable, match="redirects"),
    ):
        Http(web.url).get("/a")


def test_a_post_is_never_sent_again_by_a_redirect() -> None:
    """A redirect of a POST is the answer, not followed."""
    with serve(lambda _: Reply("", 302, {"Location": "/b"})) as web:
        assert Http(web.url).send("POST", "/a", json={}).status == 302
    assert web.paths() == ["/a"]


def test_nobody_there_is_one_masked_sentence() -> None:
    """A refused connection names the address without its credentials."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(HttpUnreachable) as caught:
        Http(f"http://user:pa55word@127.0.0.1:{port}").get("/x?token=abc")
    assert "does not respond" in caught.value.message
    assert not {"pa55word", "abc"} & set(caught.value.message.replace("=", " ").split())
    assert "pa55word" not in caught.value.message


def test_a_trickling_answer_ends_at_the_time_limit() -> None:
    """A server that sends a byte now and then cannot hold a request beyond its limit."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                try:
                    for _ in range(1000):
                        peer.sendall(b"x")
                        time.sleep(0.05)
                except OSError:
                    return

        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        under_way = time.monotonic()
        with pytest.raises(HttpUnreachable, match="does not respond"):
            Http(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.3).get("/")
        assert time.monotonic() - under_way < 40
        thread.join()


def test_a_body_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the limit is no answer."""
    monkeypatch.setattr("cartctl.adapters.http.client.BODY_LIMIT", 1000)
    with serve(lambda _: Reply("x" * 5000)) as web, pytest.raises(HttpUnreachable, match="more than"):
        Http(web.url).get("/")


def test_no_json_is_a_bad_answer_with_a_masked_excerpt() -> None:
    """What is no JSON is shown cut, without secrets and the token."""
    register(TOKEN)
    answer = Response(200, {}, f"<p>password=hunter2 {TOKEN}</p>{'y' * 900}")
    with pytest.raises(MalformedResponse) as caught:
        answer.json()
    assert "hunter2" not in caught.value.message
    assert TOKEN not in caught.value.message
    assert len(answer.excerpt) <= 201


@pytest.mark.parametrize(
    "url",
    (
        "ftp://x",
        "api.avnz.io",
        "http://",
        "file:///etc/passwd",
        "http://x:port",
        "http://[::1",
        "http://x:99999",
    ),
)
def test_a_wrong_address_is_a_configuration_error(url: str) -> None:
    """What is no web address is refused before anything is sent."""
    with pytest.raises(ConfigError, match="invalid web address"):
        Http(url)


def test_a_user_in_the_address_and_a_token_exclude_each_other() -> None:
    """Both need the Authorization header; the client library would silently send the address's."""
    for access in (
        Access(token=TOKEN),
        Access(user="ops", password=TOKEN),
        Access(headers={"authorization": TOKEN}),
    ):
        with pytest.raises(ConfigError, match="contains a user") as refused:
            Http("http://user:pa55word@127.0.0.1:9", access=access)
        assert "pa55word" not in refused.value.message
    assert Http("http://user:pa55word@127.0.0.1:9").base_url


@pytest.mark.parametrize("token", ("a\r\nX-Admin: 1", "tökén", "a\x00b"))
def test_a_token_no_header_can_hold_is_refused(token: str) -> None:
    """A line break inside a token is a sentence, not a header of its own."""
    with pytest.raises(ConfigError, match="invalid in an HTTP header"):
        Http("http://127.0.0.1", token=token)


def test_the_token_is_in_no_representation() -> None:
    """Neither the adapter nor an answer shows the token."""
    both = (Http("https://u:pw1@api.test"), Http("https://api.test", token=TOKEN), Response(200, {}, ""))
    shown = "".join(map(repr, both))
    assert TOKEN not in shown
    assert "pw1" not in shown


@pytest.mark.parametrize(
    ("text", "hidden"),
    (
        ("Authorization: Bearer abc.def", "abc.def"),
        ("postgresql://u:p4ss@h/db", "p4ss"),
        ('{"token": "xyz123"}', "xyz123"),
        ("?api_key=k3y&x=1", "k3y"),
        ("PASSWORD=hunter2", "hunter2"),
    ),
)
def test_secrets_are_masked(text: str, hidden: str) -> None:
    """The usual places of secrets are hidden, the rest stays."""
    assert hidden not in mask(text)


def test_requests_leave_no_connection_behind() -> None:
    """A server that is asked many times by threads sees every request on a connection of its own."""
    seen: list[WebRequest] = []

    def answer(request: WebRequest) -> Reply:
        seen.append(request)
        return Reply("ok")

    with serve(answer) as web:
        http = Http(web.url)
        threads = [threading.Thread(target=http.get, args=("/",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(seen) == 8

"""HTTP bodies within bounds: compression bombs, damaged data, and charsets that are none."""

import gzip
import zlib

import pytest

from cartctl.adapters.http.body import BodyInvalid, BodyTooLarge, decode, read_body
from cartctl.adapters.http.client import Http, HttpUnreachable
from cartctl.errors import ConfigError

LIMIT = 1000


@pytest.mark.parametrize("encoding", ("gzip", "x-gzip", "deflate", "GZIP"))
def test_a_compressed_body_is_read(encoding: str) -> None:
    """In any cut of its chunks."""
    packed = zlib.compress(b"x" * 500) if encoding == "deflate" else gzip.compress(b"x" * 500)
    assert read_body([packed[:3], packed[3:]], encoding, LIMIT) == b"x" * 500
    assert read_body([bytes([one]) for one in packed], encoding, LIMIT) == b"x" * 500


@pytest.mark.parametrize("encoding", ("", "identity"))
def test_a_plain_body_is_bounded(encoding: str) -> None:
    """The limit itself is allowed."""
    assert len(read_body([b"x" * LIMIT], encoding, LIMIT)) == LIMIT
    with pytest.raises(BodyTooLarge):
        read_body([b"x" * LIMIT, b"x"], encoding, LIMIT)


def test_a_compression_bomb_ends_at_the_limit() -> None:
    """Gigabytes in a few kilobytes are not unpacked beyond the limit."""
    bomb = gzip.compress(b"\0" * 50_000_000)
    with pytest.raises(BodyTooLarge):
        read_body([bomb], "gzip", LIMIT)


@pytest.mark.parametrize("encoding", ("gzip, gzip", "br", "zstd", "compress", "no such"))
def test_encodings_that_were_not_requested_are_refused(encoding: str) -> None:
    """Layers of compression multiply; none is unpacked."""
    with pytest.raises(BodyInvalid, match="unsupported"):
        read_body([b"x"], encoding, LIMIT)


def test_damaged_data_is_refused() -> None:
    """Not compressed at all, or cut off; a HEAD has no body to be cut."""
    with pytest.raises(BodyInvalid, match="damaged"):
        read_body([b"plain text"], "gzip", LIMIT)
    with pytest.raises(BodyInvalid, match="cut off"):
        read_body([gzip.compress(b"x" * 500)[:-9]], "gzip", LIMIT)
    assert read_body([], "gzip", LIMIT) == b""


@pytest.mark.parametrize(
    "content_type",
    (
        "",
        "text/html",
        "a; charset=hex",
        "a; charset=undefined",
        "a; charset=idna",
        "a; charset=no-such",
        "\0;",
    ),
)
def test_a_charset_that_is_none_is_utf_8(content_type: str) -> None:
    """Python has codecs that are no charsets; a body never goes through one."""
    assert decode("ä".encode(), content_type) == ("ä", False)


def test_a_charset_is_followed() -> None:
    """Latin-1, UTF-16, a byte order mark; what does not fit is replaced and reported."""
    assert decode("ä".encode("latin-1"), 'text/html; charset="ISO-8859-1"') == ("ä", False)
    assert decode("ä".encode("utf-16"), "text/plain;charset=utf-16") == ("ä", False)
    assert decode("\ufeff{}".encode(), "application/json") == ("{}", False)
    assert decode(b"\xff", "") == ("\ufffd", True)


@pytest.mark.parametrize(
    "proxy",
    ("socks5h://user:pa55@127.0.0.1:9", "ftp://u:pa55@x:9", "http://u:pa55@[::1", "http://u:pa55@x:port"),
)
def test_a_proxy_that_cannot_be_used_is_one_sentence(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the variable and not its value, which may hold a password."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(ConfigError, match="ALL_PROXY") as caught:
        Http("http://api.invalid").get("/")
    assert "pa55" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("content", (None, b"", b"-----BEGIN CERTIFICATE-----\nno\n"))
def test_a_ca_file_that_cannot_be_read_is_one_sentence(
    content: bytes | None, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Missing, empty or damaged."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises((ConfigError, HttpUnreachable)):
        Http("https://127.0.0.1:9").get("/")

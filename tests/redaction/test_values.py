"""Secrets are masked by value, however they are written, and a weak one only where it stands as a credential."""

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest

from cartctl.config.values import quoted
from cartctl.errors import as_error
from cartctl.redaction import (
    cut,
    cut_beginning,
    is_weak,
    mask,
    redact,
    redact_data,
    register,
    register_address,
)

ODD = "pä ss/w+o'r\"d@\\1%z"


@pytest.mark.parametrize(
    "written",
    (
        ODD,
        quote(ODD),
        quote(ODD, safe=""),
        quote_plus(ODD),
        quote(ODD, safe="").lower(),
        quote(ODD, safe="@'"),
        json.dumps(ODD),
        json.dumps(ODD, ensure_ascii=False),
        repr(ODD),
        "password='" + ODD.replace("\\", "\\\\").replace("'", "\\'") + "'",
        ODD.replace("'", "''"),
        html.escape(ODD),
        base64.b64encode(f"anyone:{ODD}".encode()).decode(),
        base64.b64encode(f"me:{ODD}".encode()).decode(),
        base64.urlsafe_b64encode(f"a:{ODD}!".encode()).decode(),
    ),
)
def test_a_secret_is_masked_however_it_is_written(written: str) -> None:
    """Percent-encoded in any way, escaped for JSON, Python, libpq, SQL or HTML, or in base64 behind any user."""
    register(ODD)
    shown = redact(f"before {written} after")
    assert "***" in shown
    assert shown.startswith("before")
    assert shown.endswith("after")
    assert not any(piece in shown for piece in ("ss/w", "ss%2", "w+o", "1%z", "yBzcy", "dyti"))


@pytest.mark.parametrize(
    ("dsn", "leaked"),
    (
        ("postgresql://u:Alpha@Bravo@host/shop", 'could not translate host name "Bravo@host" to address'),
        ("postgresql://u:Alpha%40Bravo@host/shop", "password Alpha@Bravo"),
        ("redis://:pass/word@host:6379/0", "Port could not be cast to integer value as 'pass'"),
        ("host=h user=u password='Alpha\\'Bravo' dbname=d", "it is Alpha'Bravo"),
        ("postgresql://h/d?password=AlphaBravo", "AlphaBravo"),
        ("u:AlphaBravo@h", "AlphaBravo"),
        ("https://AlphaBravo@hooks.test/x", "token AlphaBravo"),
    ),
)
def test_credentials_in_an_address_are_known_in_parts(dsn: str, leaked: str) -> None:
    """Also the pieces that a program makes of a password that was not escaped."""
    register(dsn)
    for piece in ("Alpha", "Bravo", "pass'", "word"):
        assert piece not in redact(leaked).replace("password", "")


def test_what_is_public_in_an_address_stays() -> None:
    """User, host and database are no secrets, and a password that equals one of them cannot be one."""
    register("postgresql://warehouse:warehouse@db.internal/orders")
    assert (
        redact("database orders of warehouse at db.internal") == "database orders of warehouse at db.internal"
    )
    assert redact("postgresql://warehouse:warehouse@db.internal/orders").startswith(
        "postgresql://warehouse:***@"
    )


def test_a_webhook_is_secret_as_a_whole() -> None:
    """Its path, and each part of it that is long enough to be a token; its host is not."""
    register("https://hooks.test/services/T00AAA/xyzzyXYZZY99?sig=abcdefgh1234")
    assert redact("POST /services/T00AAA/xyzzyXYZZY99?sig=abcdefgh1234") == "POST ***"
    assert redact("xyzzyXYZZY99 and abcdefgh1234 at hooks.test") == "*** and *** at hooks.test"


@pytest.mark.parametrize(
    "weak", ("", "p", "abc", "1234", "54321", "postgres", "Password", "secret", "production")
)
def test_a_weak_secret_tears_no_output(weak: str) -> None:
    """Masked everywhere it would give itself away by the gaps; as a credential it is masked as any other."""
    register(weak)
    assert is_weak(weak)
    sentence = "12345 rows of postgres in production since 1234 s: abc, password secret, port 54321"
    assert redact(sentence) == sentence
    assert redact(f"postgresql://u:{weak or 'x'}@h/d") == "postgresql://u:***@h/d"


def test_a_short_secret_is_masked_as_a_word_alone() -> None:
    """Four to seven characters: not inside another word."""
    register("cart7")
    assert redact("cart7 is in cart75, not in scart7: cart7.") == "*** is in cart75, not in scart7: ***."


def test_the_longest_of_overlapping_secrets_leaves_nothing() -> None:
    """One secret inside another, or over its end: what they cover together is one mask."""
    register("abcdefgh")
    register("efghijklmn")
    register("efghijkl")
    assert redact("<abcdefghijklmn>") == "<***>"


def test_each_line_of_a_key_is_secret() -> None:
    """A message may quote one line of a key file."""
    register("-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----")
    assert redact("bad base64: MIIEvQIBADANBgkq") == "bad base64: ***"


def test_json_stays_json() -> None:
    """Texts are masked, numbers are figures."""
    register("123456789")
    result = redact_data({"n": 123456789, "t": ["x 123456789", None, True]})
    assert result == {"n": 123456789, "t": ["x ***", None, True]}


def test_a_text_is_masked_before_it_is_cut() -> None:
    """No half of a secret is left at the cut, at either end."""
    register("AlphaBravoCharlie")
    for length in range(1, 60):
        text = "x" * 20 + "AlphaBravoCharlie" + "y" * 30
        assert not any(piece in cut(text, length) for piece in ("Alp", "Bravo"))
        assert not any(piece in cut_beginning(text, length) for piece in ("lie", "Bravo"))


def test_what_is_quoted_or_unexpected_is_masked_before_it_is_cut() -> None:
    """A wrong value of the configuration, and the text of a bug: the end of the password lies behind the cut."""
    long = "hunter2" * 20
    assert "hunter2" not in quoted(f"u:{long}@host")
    assert "hunter2" not in quoted(f"redis://:p/{long}@host")
    assert "hunter2" not in as_error(ValueError(f"postgresql://u:{long * 10}@host")).message


def test_an_address_that_is_no_secret_hides_its_credentials_alone() -> None:
    """What is configured as a plain text may hold some all the same."""
    register_address("s3://AKIAEXAMPLE1:abcDEF123456@bucket/path")
    assert redact("bucket/path with abcDEF123456") == "bucket/path with ***"


@pytest.mark.parametrize(
    "harmless",
    (
        "https://host:8080/@scope/package",
        "postgresql://deployer@host/shop",
        "registry.example:5000/api:2.0.0@sha256:0123456789",
        "token: warn (token_file=x)",
        'password = { env = "X" }',
        "Write postgresql://user:password@host/name, or quote it: password='…'.",
        "Basic authentication failed, bearer authentication too",
        "2026-01-01T10:00:00Z root@laptop",
        "see https://h/x?email=a@b.c",
    ),
)
def test_what_is_no_credential_stays(harmless: str) -> None:
    """All output passes the filter: it must not garble what it need not."""
    assert redact(harmless) == harmless


@pytest.mark.parametrize(
    ("text", "hidden"),
    (
        ("postgresql://u:A@B@host/shop", "A@B"),
        ("redis://:p/w@h", "p/w"),
        ("connection to u:p/w@h failed", "p/w"),
        ("ERR unknown command 'AUTH', with args beginning with: 'default' 'hunter2'", "hunter2"),
        ("unknown command `HELLO`, with args beginning with: `3` `AUTH` `u` `hunter2`", "hunter2"),
        ('"AUTH" "default" "hunter2"', "hunter2"),
        ("host=h password='hunter 2' x=1", "hunter 2"),
        ("Authorization: Bearer abcDEF123456", "abcDEF123456"),
        ("https://ghp_abcdef@github.test/x", "ghp_abcdef"),
    ),
)
def test_patterns_hide_what_nobody_registered(text: str, hidden: str) -> None:
    """A server's own message may quote a password that this process never had."""
    assert hidden not in redact(text)
    assert "***" in redact(text)


def test_twice_is_once() -> None:
    """A text that was masked already is not masked further."""
    register("AlphaBravo")
    for text in ("u:AlphaBravo@h", "password=AlphaBravo&x", "redis://:AlphaBravo@h", "Bearer AlphaBravo1"):
        assert redact(redact(text)) == redact(text)
        assert mask(mask(text)) == mask(text)

"""Addresses as people paste them are read, or refused by name without a word of the password."""

import traceback

import pytest
from psycopg.conninfo import conninfo_to_dict

from cartctl.adapters.postgres import Postgres
from cartctl.errors import ConfigError

PRISMA = "postgresql://u:p@h:5433/shop?schema=public&connection_limit=5&pool_timeout=10&socket_timeout=3"


@pytest.mark.parametrize(
    ("dsn", "parts"),
    (
        (PRISMA, {"user": "u", "password": "p", "host": "h", "port": "5433", "dbname": "shop"}),
        ("postgres://h/shop?pgbouncer=false&statement_cache_size=0", {"host": "h", "dbname": "shop"}),
        (
            "postgresql://h/d?connect_timeout=3&sslaccept=accept_invalid_certs&sslmode=require",
            {"host": "h", "dbname": "d", "connect_timeout": "3", "sslmode": "require"},
        ),
        ("postgresql://u:%40%2F%3A@h/d", {"user": "u", "password": "@/:", "host": "h", "dbname": "d"}),
        ("postgresql://u:a:b#c?d&e@h/d", {"user": "u", "password": "a:b#c?d&e", "host": "h", "dbname": "d"}),
        ("POSTGRESQL://[::1]:5432/d\n", {"host": "::1", "port": "5432", "dbname": "d"}),
        (
            "postgresql://a:1,b:2/d?ssl=true",
            {"host": "a,b", "port": "1,2", "dbname": "d", "sslmode": "require"},
        ),
        ("postgresql:///d?host=/run/pg&sslcert=c&sslkey=k", None),
        (" host=h dbname='a b' ", {"host": "h", "dbname": "a b"}),
        ("service=shop", {"service": "shop"}),
        ("", {}),
    ),
)
def test_an_address_is_read(dsn: str, parts: dict[str, str] | None) -> None:
    """The parameters of libpq are kept; what only shapes Prisma's pool is left out."""
    result = conninfo_to_dict(Postgres(dsn).dsn)
    assert result == (conninfo_to_dict(dsn) if parts is None else parts)


@pytest.mark.parametrize(
    ("dsn", "expected", "hint"),
    (
        ("postgresql://h/d?schema=shop", "the schema 'shop'", "public"),
        ("postgresql://h/d?pgbouncer=true", "pgbouncer=true", "directUrl"),
        ("postgresql://h/d?sslaccept=strict", "sslaccept=strict", "verify-full"),
        ("postgresql://h/d?sslidentity=x.p12&sslpassword=s3", "sslidentity", "sslkey"),
        ("postgresql://h/d?schema=public&sslcert=ca.pem", "sslcert", "sslrootcert"),
        ("postgresql://h/d?foo=1", "does not know: foo", "Remove it"),
        ("jdbc:postgresql://h/d", "jdbc:", "postgresql://user"),
        ("postgresql+psycopg://u:p@h/d", "+psycopg", "postgresql://user"),
        ("postgres+asyncpg://u:p@h/d", "+asyncpg", "postgresql://user"),
        ("mysql://h/d", "scheme mysql:", "postgresql://user"),
        ("prisma+postgres://h/d", "scheme prisma+postgres:", "postgresql://user"),
        ('"postgresql://h/d"', "quotation mark", "Remove the quotes"),
        ("host=h\x00", "control characters", "postgresql://user"),
        ("postgresql://h/d\udc80", "not UTF-8", "postgresql://user"),
        ("shop", "cannot be read", "host="),
    ),
)
def test_an_address_is_refused_by_name(dsn: str, expected: str, hint: str) -> None:
    """What would connect elsewhere, or nowhere, is named with what to write instead; exit code 2."""
    with pytest.raises(ConfigError) as refused:
        Postgres(dsn)
    assert expected in refused.value.message
    assert hint in refused.value.hint
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    "password",
    (
        "geHeim@wort",
        "geHeim/wort",
        "12345/wort",
        "geHeim@wort/rest",
        "geHeim/wort@rest",
        "geHeim@wort?rest",
        "geHeim/wort?rest=1",
        "geHeim@wort#rest",
        "geHeim@wort:rest",
        "geHeim%wort",
        "geHeim%4",
        "@geHeim",
        "/geHeim",
        "geHeim[wort@rest",
    ),
)
@pytest.mark.parametrize(
    "form", ("postgresql://u:{}@h/d", "postgres://u:{}@h:5432/d?schema=public", "postgresql://u:{}@h")
)
def test_an_unescaped_password_is_reported_and_not_shown(form: str, password: str) -> None:
    """No part of it is in the message, the hint or the exceptions behind them."""
    with pytest.raises(ConfigError) as refused:
        Postgres(form.format(password))
    shown = "".join(traceback.format_exception(refused.value, chain=True))
    for text in (refused.value.message, refused.value.hint, shown.rpartition("ConfigError")[2]):
        assert not any(part in text for part in ("geHeim", "wort", "rest", "12345"))
    assert "%40" in refused.value.hint
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


@pytest.mark.parametrize(
    "dsn", ("host=h password=geHeim wort", "host=h password='geHeim", "password=a geHeim=1 host=h")
)
def test_words_that_come_apart_are_not_shown(dsn: str) -> None:
    """A password with spaces or quotes is reported without a part of it."""
    with pytest.raises(ConfigError) as refused:
        Postgres(dsn)
    assert "geHeim" not in f"{refused.value.message}{refused.value.hint}"
    assert "wort" not in f"{refused.value.message}{refused.value.hint}"
    assert refused.value.__context__ is None

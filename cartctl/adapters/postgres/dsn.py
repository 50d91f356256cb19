"""The address of a database as users paste it: libpq's own forms, and Prisma's; what libpq would misread is an error.

No message quotes a part of an address that might belong to a password: where one was not escaped, every part might.
"""

import re
from collections.abc import Iterator, Mapping

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from cartctl.adapters.postgres.prisma import without_prisma
from cartctl.errors import ConfigError

FORMS = "Write postgresql://user:password@host/name with %-escapes, or host=… dbname=… user=…."
TORN = "The database's DSN has an unescaped @ or / in its password, or an @ after the host."
ESCAPES = "Escape them in the password: @ is %40, / is %2F, : is %3A, # is %23, ? is %3F, % is %25."

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.:-]*)://")
_OURS = {"postgresql", "postgres"}
_PORTS = re.compile(r"\d{0,5}(,\d{0,5})*")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def read_dsn(text: str) -> dict[str, str]:
    """The parameters of a DSN, those of Prisma's taken out. Pure.

    Raises ConfigError naming what is wrong, without quoting what might be part of a password.
    """
    text = text.strip()
    _require_text(text)
    scheme = _SCHEME.match(text)
    parts = _of_uri(text, scheme) if scheme else _of_words(text)
    if isinstance(parts, ConfigError):
        raise parts
    _require_whole(parts)
    return parts


def _require_text(text: str) -> None:
    if not text.isprintable():
        raise ConfigError(
            "The database's DSN contains control characters or bytes that are not UTF-8.", hint=FORMS
        )
    if text[:1] in {'"', "'"}:
        raise ConfigError("The database's DSN begins with a quotation mark.", hint="Remove the quotes.")


def _of_words(text: str) -> "dict[str, str] | ConfigError":
    return _parsed(text, f"{FORMS} Quote a password with spaces: password='…'.")


def _of_uri(text: str, scheme: re.Match[str]) -> "dict[str, str] | ConfigError":
    name, rest = scheme[1].lower(), text[scheme.end() :]
    _require_scheme(name)
    credentials, rest = _split(rest)
    place, _, query = rest.partition("?")
    if "@" in rest or _half_a_password(place):
        return ConfigError(TORN, hint=ESCAPES)
    if _BAD_PERCENT.search(credentials):
        return ConfigError(
            "The database's DSN has a % in its user or password that is not an escape.", hint=ESCAPES
        )
    parameters = without_prisma(query)
    _require_known(parameters)
    joined = "&".join(f"{key}={value}" for key, value in parameters)
    plain = f"postgresql://{credentials}{place}{'?' if joined else ''}{joined}"
    return _parsed(plain, f"{FORMS} {ESCAPES}")


def _require_scheme(name: str) -> None:
    if name in _OURS:
        return
    if name.startswith("jdbc:"):
        message = "The database's DSN is a JDBC address (jdbc:)."
    elif name.partition("+")[0] in _OURS:
        message = f"The database's DSN contains a driver: +{name.partition('+')[2]}."
    else:
        message = f"The database's DSN has the scheme {name}:, which is not PostgreSQL's."
    raise ConfigError(message, hint="Write postgresql://user:password@host/name.")


def _split(rest: str) -> tuple[str, str]:
    """User and password with their @, and the rest, split as by libpq: at the first @ before any slash."""
    at, slash = rest.find("@"), rest.find("/")
    if at < 0 or 0 <= slash < at:
        return "", rest
    return rest[: at + 1], rest[at + 1 :]


def _half_a_password(place: str) -> bool:
    """Whether what should be hosts and ports is not: `user:pass` of an address whose password has a slash."""
    hosts = place.partition("/")[0]
    return any(
        not _PORTS.fullmatch(host.rpartition("]")[2].rpartition(":")[2])
        for host in hosts.split(",")
        if ":" in host
    )


def _require_known(query: list[tuple[str, str]]) -> None:
    known = {each.keyword.decode() for each in pq.Conninfo.get_defaults()} | {"ssl"}
    if unknown := [key for key, _ in query if key not in known]:
        raise ConfigError(
            f"The database's DSN has a parameter that libpq does not know: {unknown[0]}.",
            hint="Remove it from database.dsn.",
        )


def _parsed(text: str, hint: str) -> "dict[str, str] | ConfigError":
    """What libpq parses, or the error to raise. libpq's own message quotes the DSN, so it is dropped, even as a cause."""
    try:
        return {name: str(value) for name, value in conninfo_to_dict(text).items() if value is not None}
    except psycopg.Error:
        return ConfigError("The database's DSN cannot be read.", hint=hint)


def _require_whole(parts: Mapping[str, str]) -> None:
    """Raise ConfigError if the values show that an unescaped password was split."""
    if any(_torn(parts)):
        raise ConfigError(TORN, hint=ESCAPES)


def _torn(parts: Mapping[str, str]) -> Iterator[bool]:
    yield "@" in parts.get("host", "") and not parts["host"].startswith(("/", "@"))
    yield not _PORTS.fullmatch(parts.get("port", ""))

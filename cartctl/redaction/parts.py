"""Which parts of a setting are secret: a whole token, or the credentials inside an address or a libpq string."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, unquote_plus

from cartctl.redaction.lazy_pattern import LazyPattern
from cartctl.redaction.patterns import split_user_info

_CONNINFO = LazyPattern(r"(?i)\b(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)+)")
_SECRET_NAME = LazyPattern(
    r"(?i)pass(word|wd|phrase)?$|pwd$|token|secret|api_?key|access_?key|signature|^sig$|^key$|auth|credential"
)
_BARE = LazyPattern(r"([^\s:/@]{0,64}):(\S+)@[\w.\[:\]-]+(?:/\S*)?")
_TOKEN = 12  # characters from which a part of a web address's path may be a token
_WEB = {"http", "https"}
_LINE = 16  # characters from which one line of a key file is a secret of its own


@dataclass(frozen=True, slots=True)
class Parts:
    """The secret and the public parts (user, host, database) of a text."""

    secrets: tuple[str, ...]
    public: frozenset[str]


def credentials_of(text: str) -> Parts:
    """The credentials in an address, a libpq string or `user:password@host`, if any."""
    scheme, separator, rest = text.partition("://")
    if separator and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return _of_address(scheme.lower(), rest)
    pairs = {name.lower(): _unquoted(value) for name, value in _CONNINFO.compiled.findall(text)}
    if {"host", "dbname", "user", "password", "service", "port"} & pairs.keys():
        secrets = tuple(value for name, value in pairs.items() if _SECRET_NAME.compiled.search(name))
        return Parts(
            secrets,
            frozenset(value for name, value in pairs.items() if not _SECRET_NAME.compiled.search(name)),
        )
    if bare := _BARE.compiled.fullmatch(text):
        return Parts(tuple(_spellings(bare[2])), frozenset({bare[1]}))
    return Parts((), frozenset())


def is_place(text: str) -> bool:
    """Whether a secret is the address of something, so that only its credentials are secret. A webhook's is not."""
    scheme, separator, _ = text.partition("://")
    if separator and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return scheme.lower() not in _WEB
    return bool(
        {"host", "dbname", "user", "service", "port"}
        & {name.lower() for name, _ in _CONNINFO.compiled.findall(text)}
    )


def tokens_of(text: str) -> Iterator[str]:
    """The parts of a secret as a whole: a webhook's path and its tokens, each line of a key, or the text itself."""
    yield text
    scheme, separator, rest = text.partition("://")
    if separator and scheme.lower() in _WEB:
        path = "/" + rest.partition("/")[2]
        yield path
        yield from (part for part in re.split(r"[/?&=#]", path) if len(part) >= _TOKEN)
    lines = [line.strip() for line in text.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _LINE and not line.startswith("---"))


def _of_address(scheme: str, rest: str) -> Parts:
    info, host = split_user_info(scheme, rest)
    user, colon, password = (info or "").partition(":")
    secrets = list(_spellings(password)) if colon else [user] if scheme in _WEB and user else []
    for name, value in parse_qsl(host.partition("?")[2]):
        if _SECRET_NAME.compiled.search(name):
            secrets += [value]
    public = {part for part in re.split(r"[/?&=:,]", host.partition("?")[0]) if part}
    return Parts(tuple(secrets), frozenset(public | ({unquote(user)} - set(secrets if not colon else ()))))


def _spellings(password: str) -> Iterator[str]:
    """A password as written, decoded, and in the pieces into which a parser splits an unescaped one."""
    yield password
    yield from {unquote(password), unquote_plus(password)} - {password}
    pieces = re.split(r"[@/?#:]", password)
    if len(pieces) > 1:
        yield from pieces


def _unquoted(value: str) -> str:
    inner = value[1:-1] if value.startswith("'") else value
    return re.sub(r"\\(.)", r"\1", inner)

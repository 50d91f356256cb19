"""Secrets recognised by their context: a password in an address, after `password=`, after `Bearer`, after AUTH.

Used where the value is unknown, for example in a server's message. Each pattern reads a text once.
"""

import re

from cartctl.redaction.lazy_pattern import LazyPattern

MASK = "***"

_ADDRESS = LazyPattern(r"(?<![A-Za-z0-9])([A-Za-z][A-Za-z0-9+.-]{0,30})://([^\s\"'<>`]{1,2000}@)", "://")
_BARE = LazyPattern(  # user:password@host without a scheme; not an image's tag@sha256:
    r"(?<![\w/.@:+-])([\w.+-]{0,64}):(?!//)([^\s\"'<>`:@]{1,200}@)+(?!sha\d+:)(?=[\w\[])", "@"
)
_ASSIGNED = LazyPattern(
    r"(?i)((?<![a-z])(?:ssl)?password|(?<![a-z])passwd|(?<![a-z])passphrase|PGPASSWORD|REDISCLI_AUTH)(\s*=\s*)(?!'?…)"
    r"('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|(?!\{)[^\s&;,'\"]+)",
    "passw",
    "passphrase",
    "rediscli_auth",
)
_QUOTED = LazyPattern(  # JSON and similar: "token": "…"
    r"""(?i)(["'][\w-]{0,40}(?:token|password|passwd|passphrase|secret|api[_-]?key|authorization)["']\s*[:=]\s*)"""
    r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')""",
    "token",
    "passw",
    "passphrase",
    "secret",
    "api",
    "authorization",
)
_AUTHORIZATION = LazyPattern(  # but not words such as "Basic authentication"
    r"(?i)\b(bearer|basic)(\s+)(?=[^\s\"',;]*\d|[^\s\"',;]{24})[A-Za-z0-9._~+/=-]{8,}", "bearer", "basic"
)
_REDIS_ARGUMENTS = LazyPattern(r"(?i)(with args beginning with:)[^\n]*", "with args")
_REDIS_AUTH = LazyPattern(r"""\b(AUTH)["'`]?((?:\s+(?:"[^"\n]*"|'[^'\n]*'|`[^`\n]*`))+)""", "auth")
_NAMED = LazyPattern(  # in untrusted text: masks more than necessary
    r"(?i)((?:token|password|passwd|secret|api[_-]?key|authorization)[\"']?\s*[:=]\s*[\"']?)?"
    r"((?:bearer|basic)\s+)?(?(1)|(?(2)|(?!)))[^\s\"',;&}]+"
)
_PLAIN_HOST = LazyPattern(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]*\])(?::\d*)?")
_WEB = {"http", "https"}

_ALWAYS: tuple[tuple[LazyPattern, str], ...] = (
    (_ASSIGNED, rf"\1\2{MASK}"),
    (_QUOTED, rf'\1"{MASK}"'),
    (_AUTHORIZATION, rf"\1\2{MASK}"),
    (_REDIS_ARGUMENTS, rf"\1 {MASK}"),
    (_REDIS_AUTH, rf"\1 {MASK}"),
    (_BARE, rf"\1:{MASK}@"),
)


def mask_patterns(text: str) -> str:
    """`text` without everything that can only be a credential: for all output."""
    folded = text.casefold()
    if "@" in text and _ADDRESS.may_match(folded):
        text = _ADDRESS.compiled.sub(_without_password, text)
    for pattern, replacement in _ALWAYS:
        if pattern.may_match(folded):
            text = pattern.compiled.sub(replacement, text)
    return text


def mask_names(text: str) -> str:
    """`text` without any value after a name such as token, secret or api_key: for untrusted text."""
    return _NAMED.compiled.sub(rf"\1\2{MASK}", text)


def _without_password(match: re.Match[str]) -> str:
    scheme, reach = match[1], match[2]
    user_info, rest = split_user_info(scheme, reach)
    if user_info is None:
        return match[0]
    user, colon, password = user_info.partition(":")
    if password == "password":  # noqa: S105 - an example, as our own hints write it
        return match[0]
    if not colon and scheme.lower() not in _WEB:
        return match[0]  # only a user name
    shown = f"{user}:{MASK}" if colon else MASK
    return f"{scheme}://{shown}@{rest}"


def split_user_info(scheme: str, rest: str) -> tuple[str | None, str]:
    """User information and what follows its `@`, of an address after `scheme://`; None without user information.

    Passwords are often not escaped, so the last `@` ends them even behind a slash, unless a plain web host comes first.
    """
    authority, slash, path = rest.partition("/")
    if slash and scheme.lower() in _WEB and (_PLAIN_HOST.compiled.fullmatch(authority) or "@" in authority):
        info, at, host = authority.rpartition("@")
        return (info, f"{host}/{path}") if at else (None, rest)
    info, at, host = rest.rpartition("@")
    return (info, host) if at else (None, rest)

"""The body of an HTTP response: decompressed and decoded within a bound, whatever its headers claim."""

import codecs
import re
import zlib
from collections.abc import Iterable

CODECS = {"utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252", "utf-16", "utf-16-le", "utf-16-be"}
_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:-]{1,40})", re.IGNORECASE | re.ASCII)
_EITHER = zlib.MAX_WBITS | 32  # gzip or zlib, by the header


class BodyTooLarge(ValueError):
    """More bytes than the limit, compressed or not."""


class BodyInvalid(ValueError):
    """An unsupported content encoding, or damaged compressed data."""


def read_body(chunks: Iterable[bytes], encoding: str, limit: int) -> bytes:
    """The body from its raw chunks, of at most `limit` bytes; `encoding` is the Content-Encoding header.

    Never holds much more than `limit` in memory. Raises BodyTooLarge and BodyInvalid.
    """
    names = [name for part in encoding.lower().split(",") if (name := part.strip()) not in {"", "identity"}]
    if not names:
        return _joined(chunks, limit)
    if len(names) > 1 or names[0] not in {"gzip", "x-gzip", "deflate"}:
        raise BodyInvalid(f"unsupported content encoding {encoding[:60]!r}")
    return _decompressed(chunks, limit)


def _joined(chunks: Iterable[bytes], limit: int) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > limit:
            raise BodyTooLarge
    return bytes(body)


def _decompressed(chunks: Iterable[bytes], limit: int) -> bytes:
    decoder = zlib.decompressobj(_EITHER)
    body, fed = bytearray(), False
    try:
        for chunk in chunks:
            fed = fed or bool(chunk)
            body += decoder.decompress(chunk, limit + 1 - len(body))
            if len(body) > limit:
                raise BodyTooLarge
    except zlib.error as damaged:
        raise BodyInvalid("the compressed body is damaged") from damaged
    if not decoder.eof and fed:  # a HEAD has the header without a body
        raise BodyInvalid("the compressed body is cut off")
    return bytes(body)


def decode(body: bytes, content_type: str) -> tuple[str, bool]:
    """The body as text in the charset of its Content-Type, or UTF-8; undecodable bytes are replaced.

    The second value is whether there were any.
    """
    named = _CHARSET.search(content_type)
    try:
        name = codecs.lookup(named[1]).name if named else "utf-8"
    except LookupError:
        name = "utf-8"
    charset = name if name in CODECS else "utf-8"
    try:
        text, damaged = body.decode(charset), False
    except UnicodeDecodeError:
        text, damaged = body.decode(charset, errors="replace"), True
    return text.removeprefix("\ufeff"), damaged

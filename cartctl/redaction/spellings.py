"""The ways one secret is written: plain, percent-encoded in any mix, escaped for JSON, Python, libpq, SQL or HTML, in base64."""

import base64
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

_BASE64 = 8  # minimum length of a secret whose base64 is searched for


@dataclass(frozen=True, slots=True)
class Spelling:
    """One spelling of a secret: `text` itself, or a `pattern` for many. `anywhere`: also inside a longer word."""

    text: str
    anywhere: bool
    pattern: re.Pattern[str] | None = None

    def places(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and end of each occurrence in a text, overlapping ones included."""
        for begin, end in self._matches(text):
            if self.anywhere or not (_is_word(text, begin - 1) or _is_word(text, end)):
                yield begin, end

    def partial_length(self, text: str) -> int:
        """How many characters at the end of `text` are the beginning of this spelling."""
        at = text.find(self.text[0], max(0, len(text) - len(self.text) + 1))
        while at >= 0 and not self.text.startswith(text[at:]):
            at = text.find(self.text[0], at + 1)
        return len(text) - at if at >= 0 else 0

    def _matches(self, text: str) -> Iterator[tuple[int, int]]:
        if self.pattern is not None:
            yield from (match.span() for match in self.pattern.finditer(text))
            return
        at = text.find(self.text)
        while at >= 0:
            yield at, at + len(self.text)
            at = text.find(self.text, at + 1)


def spellings(secret: str, *, anywhere: bool) -> Iterator[Spelling]:
    """Every spelling of a secret, each once."""
    for text in dict.fromkeys((secret, *_escaped(secret))):
        yield Spelling(text, anywhere)
    if not (secret.isascii() and secret.isalnum()):
        yield Spelling(secret, anywhere, re.compile("".join(map(_encoded, secret))))
    if anywhere and len(secret) >= _BASE64:
        for text in dict.fromkeys(_base64(secret.encode("utf-8", "surrogatepass"))):
            yield Spelling(text, anywhere=True)


def _escaped(secret: str) -> Iterator[str]:
    secret = secret.encode(
        "utf-8", "backslashreplace"
    ).decode()  # an unpaired surrogate is written as its escape
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield ascii(secret)[1:-1]
    yield secret.replace("\\", "\\\\").replace("'", "\\'")  # libpq
    yield secret.replace("'", "''")  # SQL
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield html.escape(secret)
    yield html.escape(secret, quote=False)


def _encoded(character: str) -> str:
    """A character as it is or percent-encoded: encoders differ in which characters they encode, and in the case of the digits."""
    if character.isascii() and character.isalnum():
        return character
    octets = "".join(f"%{octet:02x}" for octet in character.encode("utf-8", "surrogatepass"))
    plus = r"|\+" if character == " " else ""
    return rf"(?:{re.escape(character)}|(?i:{octets}){plus})"


def _base64(secret: bytes) -> Iterator[str]:
    """The base64 of the secret after any other text: three alignments, without the shared characters."""
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + secret).decode().rstrip("=")
        whole = coded[-(-before * 8 // 6) : len(coded) - (1 if (before + len(secret)) % 3 else 0)]
        yield whole
        yield whole.translate(str.maketrans("+/", "-_"))


def _is_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and (text[at].isalnum() or text[at] == "_")

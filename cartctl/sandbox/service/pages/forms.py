"""Forms: small, urlencoded, with the visitor's CSRF token. Anything else is refused before anything is changed."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from cartctl.sandbox.service.pages import session
from cartctl.sandbox.service.pages.failures import PageError

FORM_BYTES = 64 * 1024  # bytes
FIELDS = 100
_DIGITS = 10  # digits of a number: more than any column can store


async def read_form(request: Request) -> Mapping[str, str]:
    """The fields of a form with the visitor's CSRF token.

    Raises PageError for one that is too large, malformed or another site's.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES:
            raise PageError(413, "The form is too large", f"A form has at most {FORM_BYTES // 1024} KB.")
    try:
        pairs = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS, errors="strict"
        )
    except ValueError as wrong:
        raise PageError(400, "The form cannot be read", "It is not what this page sends.") from wrong
    fields = dict(pairs)
    if not session.is_own_form(request, fields.get("csrf", "")):
        message = "It was not made for this browser, or you have signed in or out since."
        raise PageError(403, "The form is not valid", message, hint="Go back, reload the page and try again.")
    return fields


Form = Annotated[Mapping[str, str], Depends(read_form)]


def text(form: Mapping[str, str], name: str, label: str, longest: int = 200) -> str:
    """A field that must not be empty, trimmed. Raises PageError for an empty or overlong one, or one with a NUL."""
    value = optional_text(form, name, label, longest)
    if not value:
        raise PageError(422, f"{label} is missing", "Nothing was changed.")
    return value


def optional_text(form: Mapping[str, str], name: str, label: str, longest: int = 200) -> str:
    """A field that may be empty, trimmed. Raises PageError for an overlong one, or one with a NUL: nothing is truncated."""
    value = form.get(name, "").strip()
    if len(value) > longest or "\0" in value:
        raise PageError(422, f"{label} is not valid", f"It must have at most {longest} printable characters.")
    return value


def number(form: Mapping[str, str], name: str, label: str) -> int:
    """A whole number, as it was typed. Raises PageError for anything else, 1e400 included."""
    given = form.get(name, "").strip()
    digits = given.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS):
        raise PageError(422, f"{label} is not valid", f"{given[:40]!r} is not a whole number.")
    return int(given)

"""Recovery links: signed, for one abandonment of one cart, and valid as long as a recovery mail may be sent."""

from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote

from fastapi import Request
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

from cartctl.sandbox.service.pages.failures import PageError

HOURS = 72  # as long as a cart is a candidate for a mail


class Recoverable(NamedTuple):
    """The cart of a link, and when it was abandoned."""

    cart_id: str
    abandoned_at: datetime


def recovery_path(request: Request, company: str, cart_id: str, abandoned_at: datetime) -> str:
    """The path of a cart's recovery link, valid from now on."""
    signed = _signer(request, company).dumps([cart_id, abandoned_at.isoformat()])
    return f"/shop/{quote(company, safe='')}/recover/{signed}"


def read_link(request: Request, company: str, signed: str) -> Recoverable:
    """The content of a link. Raises PageError 410 for one that is too old, 404 for a forged one."""
    try:
        cart_id, at = _signer(request, company).loads(signed, max_age=HOURS * 3600)
    except SignatureExpired as old:
        raise used_up("This link has expired.") from old
    except BadSignature as forged:
        raise PageError(404, "This link is not valid", "It was not made by this shop.") from forged
    return Recoverable(cart_id, datetime.fromisoformat(at))


def used_up(detail: str) -> PageError:
    """The error for a link that was already used."""
    return PageError(
        410, "This link no longer works", detail, hint="Your cart is still in the shop if you signed in."
    )


def _signer(request: Request, company: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(request.app.state.key, salt=f"recovery:{company}")

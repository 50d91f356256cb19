"""Abandoned carts for admins: list them, send a recovery mail, and withdraw one that was refused."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query, Request, Response

from cartctl.cart.enums import CartStatus
from cartctl.cart.store import jobs
from cartctl.cart.store.jobs import RecoveryClaim
from cartctl.cart.store.repositories import CartFilter, Carts
from cartctl.cart.store.sql_engine import naive
from cartctl.sandbox.service.log import log
from cartctl.sandbox.service.routes.access import Database, Denied, RecoveryAdmin, admin_router
from cartctl.sandbox.service.routes.carts import After, CartId, Size
from cartctl.sandbox.service.routes.paging import read_cursor, say_next
from cartctl.sandbox.service.routes.responses import AbandonedLine, Failure, RecoveryResponse

CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": Failure, "description": "The cart is not due for a mail, or its status has changed"}
}
ABANDONED = CartFilter(status=CartStatus.ABANDONED)

router = admin_router("/api/admin/carts")


@router.get("/recovery", response_model=list[AbandonedLine])
def list_abandoned(
    request: Request,
    response: Response,
    bearer: RecoveryAdmin,
    data: Database,
    after: After = None,
    size: Size = 50,
) -> list[Mapping[str, Any]]:
    """The company's abandoned carts, newest activity first, and which of them are due for a mail."""
    key, now = read_cursor(after), request.app.state.clock.now()
    with data.session() as connection:
        carts = Carts(connection, bearer.company)
        rows = carts.page(ABANDONED, key, size=size)
        due = carts.candidates(now, [row["id"] for row in rows])
    say_next(request, response, rows, size)
    return [{**row, "candidate": row["id"] in due} for row in rows]


@router.post("/{cart_id}/recovery", responses=CONFLICT)
def send_mail(request: Request, cart_id: CartId, bearer: RecoveryAdmin, data: Database) -> RecoveryResponse:
    """Send a recovery mail, where one is due: claimed and written first, so that it is sent at most once."""
    now = request.app.state.clock.now()
    with data.session() as connection:
        Carts(connection, bearer.company).require(cart_id)
        claims = jobs.claim_recovery(connection, now, companies=[bearer.company], cart_id=cart_id)
    if not claims:
        raise Denied(409, "not_due")
    mail(claims[0])
    return RecoveryResponse(cart_id=cart_id, abandoned_at=claims[0].abandoned_at, sent_at=now)


@router.delete("/{cart_id}/recovery", status_code=204, responses=CONFLICT)
def take_mail_back(
    request: Request,
    cart_id: CartId,
    bearer: RecoveryAdmin,
    data: Database,
    abandoned_at: Annotated[datetime, Query(alias="abandonedAt", description="As in the claim's response.")],
) -> None:
    """Withdraw a mail that was definitely refused: the cart is due for one again."""
    try:
        left = naive(abandoned_at).replace(tzinfo=UTC)
    except (OverflowError, ValueError) as far:
        raise Denied(409, "not_claimed") from far
    claim = RecoveryClaim(cart_id, bearer.company, "", left)
    with data.session() as connection:
        Carts(connection, bearer.company).require(cart_id)
        done = jobs.reject_recovery(connection, claim, request.app.state.clock.now())
    if not done:
        raise Denied(409, "not_claimed")


def mail(claim: RecoveryClaim) -> None:
    """The stand-in for a mailer: one line in the log, with the mail's key."""
    log(
        "INFO",
        "recovery mail",
        cart=claim.cart_id,
        company=claim.company_id,
        abandonedAt=claim.abandoned_at.isoformat(),
    )

"""Abandoned carts: value, customer, last mail, sending one, and the outcome."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from cartctl.cart import CartFilter, Carts, CartStatus, Period
from cartctl.cart.store import cart_statistics, jobs
from cartctl.sandbox.service.data import Data
from cartctl.sandbox.service.pages import session
from cartctl.sandbox.service.pages.admin import trends
from cartctl.sandbox.service.pages.admin.access import Database, RecoveryAdmin, cached, stats_of
from cartctl.sandbox.service.pages.admin.carts import Cursor, page_key, position
from cartctl.sandbox.service.pages.admin.customers import customers_of
from cartctl.sandbox.service.pages.failures import PageError
from cartctl.sandbox.service.pages.forms import Form
from cartctl.sandbox.service.pages.rendering import page
from cartctl.sandbox.service.routes.carts import CartId
from cartctl.sandbox.service.routes.paging import encoded
from cartctl.sandbox.service.routes.recovery import mail

SIZE = 25
SEE_OTHER = 303
VIEWS = {
    "open": CartFilter(status=CartStatus.ABANDONED),
    "recovered": CartFilter(status=CartStatus.CONVERTED, was_abandoned=True),
    "expired": CartFilter(status=CartStatus.EXPIRED, was_abandoned=True),
}
_MONTH = timedelta(days=30)

router = APIRouter()


@router.get("/carts/abandoned")
def list_abandoned(
    request: Request,
    admin: RecoveryAdmin,
    data: Database,
    view: Annotated[str, Query(max_length=30)] = "open",
    after: Cursor = "",
) -> Response:
    """Abandoned carts: still open, converted later, or expired; and how many were recovered."""
    now = request.app.state.clock.now()
    chosen = view if view in VIEWS else "open"
    with data.session() as connection:
        carts = Carts(connection, admin.company)
        rows = carts.page(VIEWS[chosen], page_key(after), size=SIZE + 1)
        due = carts.candidates(now, [row["id"] for row in rows]) if chosen == "open" else set()
    stats = stats_of(request, data, admin.company)
    month = cached(request, (admin.company, "month"), lambda: _month(data, admin.company, now))
    shown = rows[:SIZE]
    return page(
        request,
        "abandoned.html",
        **admin.context,
        carts=shown,
        due=due,
        view=chosen,
        views=list(VIEWS),
        stats=stats.value,
        age=max(stats.age, month.age),
        tiles=month.value,
        customers=customers_of(data, admin.company, shown),
        following=encoded(*position(shown[-1])) if len(rows) > SIZE else "",
        paged=bool(after),
        now=now,
    )


@router.post("/carts/{cart_id}/recovery")
def send_mail(
    request: Request, cart_id: CartId, admin: RecoveryAdmin, data: Database, _form: Form
) -> Response:
    """Send a recovery mail where one is due: claimed and committed first, so that it is sent at most once."""
    with data.session() as connection:
        Carts(connection, admin.company).require(cart_id)
        now = request.app.state.clock.now()
        claims = jobs.claim_recovery(connection, now, companies=[admin.company], cart_id=cart_id)
    if not claims:
        detail = "It has been sent already, or the cart is not due for one."
        raise PageError(409, "No e-mail was sent", detail, code="not_due")
    mail(claims[0])
    session.say(request, "The recovery e-mail has been sent.")
    return RedirectResponse("/carts/abandoned", SEE_OTHER)


def _month(data: Data, company: str, now: datetime) -> list[dict[str, Any]]:
    """The share of the last month's abandoned carts that were recovered, by currency, against the month before."""
    begin = now - _MONTH
    with data.session() as connection:
        rows = cart_statistics.overviews(connection, company, Period(begin, now))
        before = cart_statistics.overviews(connection, company, Period(begin - _MONTH, begin))
    earlier = {row.currency: row.overview.recovery for row in before if row.site_type is None}
    return [
        {
            "currency": row.currency,
            "value": row.overview.recovery,
            "by_mail": row.overview.attributed_recovery,
            "change": trends.points(row.overview.recovery, earlier.get(row.currency), rises=True),
        }
        for row in rows
        if row.site_type is None
    ]

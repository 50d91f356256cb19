"""The list of carts: search, filters, sorting, pages, and total value by currency."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response

from cartctl.cart import CartFilter, CartOrder, Carts, CartStatus, PageKey, SiteType
from cartctl.cart.store.repositories import HIGHEST_OF
from cartctl.sandbox.service.data import Data
from cartctl.sandbox.service.pages.admin.access import CartAdmin, Database, stats_of
from cartctl.sandbox.service.pages.admin.customers import customer_named, customers_of
from cartctl.sandbox.service.pages.rendering import page
from cartctl.sandbox.service.routes.paging import decoded, encoded

SIZE = 25

router = APIRouter()

Choice = Annotated[str, Query(max_length=30)]
Search = Annotated[str, Query(max_length=200)]
Cursor = Annotated[str, Query(max_length=2000)]


def _chosen(
    q: Search = "", status: Choice = "", currency: Choice = "", site: Choice = "", sort: Choice = ""
) -> dict[str, str]:
    order = CartOrder(sort) if sort in set(CartOrder) else CartOrder.NEWEST
    given = {"q": q, "status": status, "currency": currency, "site": site}
    return {**{name: value.replace("\0", "").strip() for name, value in given.items()}, "sort": order.value}


@router.get("/carts")
def list_carts(
    request: Request,
    admin: CartAdmin,
    data: Database,
    chosen: Annotated[dict[str, str], Depends(_chosen)],
    after: Cursor = "",
) -> Response:
    """A page of the company's carts. An unknown filter is ignored; a search without a match gives an empty list."""
    order = CartOrder(chosen["sort"])
    filters = _filter(data, admin.company, chosen)
    with data.session() as connection:
        carts = Carts(connection, admin.company)
        rows = carts.page(filters, page_key(after), size=SIZE + 1, order=order) if filters else []
    stats = stats_of(request, data, admin.company)
    shown, more = rows[:SIZE], rows[SIZE:]
    following = {**chosen, "after": encoded(*position(shown[-1]))} if more else None
    return page(
        request,
        "carts.html",
        **admin.context,
        carts=shown,
        customers=customers_of(data, admin.company, shown),
        stats=stats.value,
        age=stats.age,
        chosen=chosen,
        paged=bool(after),
        statuses=list(CartStatus),
        sites=list(SiteType),
        orders=list(CartOrder),
        bound=HIGHEST_OF,
        recovery=admin.recovery,
        now=request.app.state.clock.now(),
        following=urlencode({k: v for k, v in following.items() if v}) if following else "",
    )


def _filter(data: Data, company: str, chosen: Mapping[str, str]) -> CartFilter | None:
    """The filter of a request; None when the search names an unknown customer."""
    known = CartFilter(
        status=CartStatus(chosen["status"]) if chosen["status"] in set(CartStatus) else None,
        currency=chosen["currency"] or None,
        site_type=SiteType(chosen["site"]) if chosen["site"] in set(SiteType) else None,
    )
    search = chosen["q"]
    if not search:
        return known
    if "@" not in search:
        return known.referring_to(search)
    customer = customer_named(data, company, search)
    return known.of_customer(customer) if customer else None


def position(row: Mapping[str, Any]) -> Sequence[str]:
    """The cursor of a page's last cart, for the next page's address."""
    return (row["lastActivityAt"].isoformat(), str(row["grandTotal"]), row["id"])


def page_key(cursor: str) -> PageKey | None:
    """The key at which the previous page ended; an invalid cursor starts at the first page."""
    parts = decoded(cursor)
    try:
        moment, total, cart_id = parts
        known = PageKey(datetime.fromisoformat(moment), cart_id, Decimal(total))
    except (ValueError, InvalidOperation):
        return None
    return known if known.last_activity_at.tzinfo is None and known.is_storable else None

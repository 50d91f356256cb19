"""The cart's admin routes, new in 2.0.0: list, stats and detail of one company's carts."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response

from cartctl.cart.enums import CartStatus
from cartctl.cart.store import cart_statistics
from cartctl.cart.store.repositories import CartFilter, Carts
from cartctl.sandbox.service.routes.access import CartAdmin, Database, Figures, admin_router
from cartctl.sandbox.service.routes.paging import CURSOR_CHARACTERS, read_cursor, say_next
from cartctl.sandbox.service.routes.responses import CartLine, CartResponse, StatsResponse, stats_response

_NO_NUL = "^[^\\x00]+$"  # which no text in the database can contain

Id = Annotated[str, Query(min_length=1, max_length=200, pattern=_NO_NUL)]
CartId = Annotated[str, Path(min_length=1, max_length=200, pattern=_NO_NUL)]
After = Annotated[
    str | None,
    Query(
        max_length=CURSOR_CHARACTERS,
        description="Where the page begins: from the Link header of the one before.",
    ),
]
Size = Annotated[int, Query(alias="limit", ge=1, le=100, description="Carts per page.")]

router = admin_router("/api/admin/carts")


def _filter(
    status: CartStatus | None = None,
    customer: Annotated[Id | None, Query(alias="customerId")] = None,
    site: Annotated[Id | None, Query(alias="siteId")] = None,
) -> CartFilter:
    return CartFilter(status, customer, site)


@router.get("", response_model=list[CartLine])
def list_carts(
    request: Request,
    response: Response,
    bearer: CartAdmin,
    data: Database,
    criteria: Annotated[CartFilter, Depends(_filter)],
    after: After = None,
    size: Size = 50,
) -> list[Mapping[str, Any]]:
    """The company's carts, newest activity first; the Link header names the next page."""
    key = read_cursor(after)
    with data.session() as connection:
        carts = Carts(connection, bearer.company).page(criteria, key, size=size)
    say_next(request, response, carts, size)
    return carts


@router.get("/stats")
def read_stats(bearer: CartAdmin, data: Database, figures: Figures) -> StatsResponse:
    """The number of carts by status and their value; the header Age says how old that is, in seconds."""

    def count() -> StatsResponse:
        with data.session() as connection:
            return stats_response(cart_statistics.stats(connection, bearer.company))

    return figures.read(bearer.company, "stats", count)


@router.get("/{cart_id}", response_model=CartResponse)
def show_cart(cart_id: CartId, bearer: CartAdmin, data: Database) -> dict[str, Any]:
    """One cart with its lines and the promotions applied to it."""
    with data.session() as connection:
        detail = Carts(connection, bearer.company).detail(cart_id)
    return {**detail.cart, "items": detail.items, "promotions": detail.promotions}

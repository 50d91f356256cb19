"""The cart's pages, new in 2.0.0: carts, one cart, abandoned carts, insights. One whose feature is off is not there."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from cartctl.cart.store import cart_statistics
from cartctl.cart.store.repositories import CartFilter, Carts
from cartctl.sandbox.service.data import Data
from cartctl.sandbox.service.flags import ANALYTICS, CARTS, RECOVERY, Flags
from cartctl.sandbox.service.middleware.tokens import Tokens
from cartctl.sandbox.service.routes import analytics
from cartctl.sandbox.service.routes.carts import CartId
from cartctl.sandbox.service.routes.pages import INTERNAL, NAVIGATION, page
from cartctl.sandbox.service.routes.platform import Authorization, unauthorized
from cartctl.sandbox.service.routes.recovery import ABANDONED
from cartctl.sandbox.service.routes.responses import CartAnswer, CartLine, stats_answer
from cartctl.sandbox.service.settings import Settings


def routes(settings: Settings, data: Data, tokens: Tokens, flags: Flags) -> APIRouter:
    """The cart's pages for the company of an admin's token; without any token, for the internal one."""
    router = APIRouter()

    def show(template: str, flag: str, authorization: str, read: Callable[[str], dict[str, Any]]) -> Response:
        bearer = tokens.bearer(authorization)
        if authorization and not (bearer and bearer.admin):
            return unauthorized()
        company = bearer.company if bearer else INTERNAL
        if not flags.on(flag, company):
            return JSONResponse({"error": "feature_disabled"}, status_code=404)
        links = [(label, path) for label, path, needed in NAVIGATION if flags.on(needed, company)]
        return page(template, version=settings.version, links=links, company=company, **read(company))

    @router.get("/carts")
    def carts(authorization: Authorization = "") -> Response:
        return show("carts.html", CARTS, authorization, lambda company: _carts(data, company))

    @router.get("/carts/abandoned")
    def abandoned(authorization: Authorization = "") -> Response:
        return show("abandoned.html", RECOVERY, authorization, lambda company: _abandoned(data, company))

    @router.get("/carts/{cart_id}")
    def cart(cart_id: CartId, authorization: Authorization = "") -> Response:
        return show("cart.html", CARTS, authorization, lambda company: _cart(data, company, cart_id))

    @router.get("/insights/ecommerce")
    def insights(authorization: Authorization = "") -> Response:
        return show("insights.html", ANALYTICS, authorization, lambda company: _insights(data, company))

    return router


def _carts(data: Data, company: str) -> dict[str, Any]:
    with data.session() as connection:
        carts = Carts(connection, company).page(CartFilter())
        stats = stats_answer(cart_statistics.stats(connection, company))
    return {"carts": _told(carts), "stats": _shown(stats)}


def _abandoned(data: Data, company: str) -> dict[str, Any]:
    with data.session() as connection:
        carts = Carts(connection, company)
        rows = carts.page(ABANDONED)
        due = carts.candidates(datetime.now(UTC), [row["id"] for row in rows])
    return {"carts": [{**row, "due": row["id"] in due} for row in _told(rows)]}


def _cart(data: Data, company: str, cart_id: str) -> dict[str, Any]:
    with data.session() as connection:
        detail = Carts(connection, company).detail(cart_id)
    whole = {**detail.cart, "items": detail.items, "promotions": detail.promotions}
    return {"cart": _shown(CartAnswer.model_validate(whole))}


def _insights(data: Data, company: str) -> dict[str, Any]:
    return {"overview": _shown(analytics.overview(data, company))}


def _told(rows: Any) -> list[dict[str, Any]]:
    return [_shown(CartLine.model_validate(row)) for row in rows]


def _shown(model: Any) -> dict[str, Any]:
    """What the API would tell, for a template."""
    fields: dict[str, Any] = model.model_dump(mode="json", by_alias=True)
    return fields

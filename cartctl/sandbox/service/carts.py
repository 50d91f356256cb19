"""The cart's admin routes, new in 2.0.0. The company is the token's; amounts are strings."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from cartctl.sandbox.service import queries
from cartctl.sandbox.service.access import Access
from cartctl.sandbox.service.data import Data
from cartctl.sandbox.service.flags import ANALYTICS, CARTS, Flags
from cartctl.sandbox.service.platform import Authorization
from cartctl.sandbox.service.tokens import Tokens


def routes(data: Data, tokens: Tokens, flags: Flags) -> APIRouter:
    """List, figures and analytics of one company's carts."""
    router = APIRouter(prefix="/api/admin")
    access = Access(tokens, flags)

    @router.get("/carts")
    def carts(authorization: Authorization = "") -> Response:
        return _answer(access, authorization, CARTS, lambda company: queries.newest(data, company))

    @router.get("/carts/stats")
    def stats(authorization: Authorization = "") -> Response:
        return _answer(access, authorization, CARTS, lambda company: queries.stats(data, company))

    @router.get("/ecommerce-analytics/overview")
    def overview(authorization: Authorization = "") -> Response:
        return _answer(access, authorization, ANALYTICS, lambda company: queries.overview(data, company))

    return router


def _answer(access: Access, authorization: str, flag: str, make: Any) -> Response:
    bearer = access.enter(authorization, flag)
    return bearer if isinstance(bearer, Response) else JSONResponse(make(bearer.company))

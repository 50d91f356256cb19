"""The cart's admin routes, new in 2.0.0. The company is the token's; amounts are strings."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from cartctl.sandbox.names import INTERNAL
from cartctl.sandbox.service import queries
from cartctl.sandbox.service.access import Access
from cartctl.sandbox.service.data import Data
from cartctl.sandbox.service.flags import ANALYTICS, CARTS, RECOVERY, Flags
from cartctl.sandbox.service.platform import Authorization, unauthorized
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

    @router.get("/features")
    def features(authorization: Authorization = "", company: str = "") -> Response:
        """Which flags a company has: its own admin may ask, and the internal company's."""
        bearer = tokens.bearer(authorization)
        asked = company or (bearer.company if bearer else "")
        if bearer is None or not bearer.admin or bearer.company not in {asked, INTERNAL[0]}:
            return unauthorized()
        told = {flag: flags.on(flag, asked) for flag in (CARTS, RECOVERY, ANALYTICS)}
        return JSONResponse({"company": asked, "flags": told})

    return router


def _answer(access: Access, authorization: str, flag: str, make: Any) -> Response:
    bearer = access.enter(authorization, flag)
    return bearer if isinstance(bearer, Response) else JSONResponse(make(bearer.company))

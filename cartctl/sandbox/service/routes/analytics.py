"""Analytics of a period's carts, and the features of a company."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import JSONResponse

from cartctl.cart.analytics import Period
from cartctl.cart.store import cart_statistics
from cartctl.rollout.flag_names import ANALYTICS, CARTS, RECOVERY
from cartctl.sandbox.names import INTERNAL
from cartctl.sandbox.service.data import Data
from cartctl.sandbox.service.flags import Flags
from cartctl.sandbox.service.middleware.tokens import Tokens
from cartctl.sandbox.service.routes.access import (
    UNAUTHORIZED,
    Analyst,
    Database,
    Denied,
    Figures,
    admin_router,
)
from cartctl.sandbox.service.routes.platform import Authorization, Text
from cartctl.sandbox.service.routes.responses import OverviewResponse, overview_response

DAYS = 30

router = admin_router("/api/admin")


@router.get("/ecommerce-analytics/overview")
def read_overview(
    request: Request,
    bearer: Analyst,
    data: Database,
    figures: Figures,
    days: Annotated[int, Query(ge=1, le=3660)] = DAYS,
) -> OverviewResponse:
    """Conversion, abandonment, recovery and order value of the last days, by currency and by type of site.

    The period ends when it was computed; the header Age says how long ago that was, in seconds.
    """
    now = request.app.state.clock.now()
    return figures.read(bearer.company, f"overview {days}", lambda: overview(data, bearer.company, now, days))


@router.get("/features")
def features(request: Request, authorization: Authorization = "", company: Text | None = None) -> Response:
    """The flags of a company, for its own admin and the internal company's."""
    tokens: Tokens = request.app.state.tokens
    flags: Flags = request.app.state.flags
    bearer = tokens.bearer(authorization)
    requested = company or (bearer.company if bearer else "")
    if bearer is None or not bearer.admin or bearer.company not in {requested, INTERNAL[0]}:
        raise Denied(UNAUTHORIZED, "unauthorized")
    states = {flag: flags.on(flag, requested) for flag in (CARTS, RECOVERY, ANALYTICS)}
    return JSONResponse({"company": requested, "flags": states})


def overview(data: Data, company: str, end: datetime, days: int = DAYS) -> OverviewResponse:
    """The figures of the `days` up to `end`."""
    period = Period(end - timedelta(days=days), end)
    with data.session() as connection:
        return overview_response(
            period.begin, period.end, cart_statistics.overviews(connection, company, period)
        )

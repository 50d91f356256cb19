"""Access to cart routes: for a known bearer whose company has the feature. The company is the token's, never the request's.

The database, the tokens and the flags are in the application's state.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header, Request, Response, Security
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer

from cartctl.rollout.flag_names import ANALYTICS, CARTS, RECOVERY
from cartctl.sandbox.service.aggregates import Aggregates
from cartctl.sandbox.service.data import Data
from cartctl.sandbox.service.flags import Flags
from cartctl.sandbox.service.middleware.tokens import Bearer, Tokens
from cartctl.sandbox.service.routes.platform import Authorization
from cartctl.sandbox.service.routes.responses import Failure

UNAUTHORIZED = 401
REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Failure, "description": "No admin token"},
    404: {"model": Failure, "description": "The feature is off, or the company has no such object"},
    503: {"model": Failure, "description": "The database does not respond"},
}


T = TypeVar("T")


class Denied(Exception):
    """A refused request: status and error."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error

    @property
    def response(self) -> JSONResponse:
        """The body of the response."""
        headers = {"WWW-Authenticate": "Bearer"} if self.status == UNAUTHORIZED else None
        return JSONResponse({"error": self.error}, status_code=self.status, headers=headers)


class Entry:
    """A dependency that admits admins of companies which have a feature, and returns the bearer."""

    def __init__(self, flag: str) -> None:
        self._flag = flag

    def __call__(self, request: Request, authorization: Authorization = "") -> Bearer:
        """The bearer. Raises Denied: 401 without a valid token, 404 where the feature is off."""
        tokens: Tokens = request.app.state.tokens
        flags: Flags = request.app.state.flags
        bearer = tokens.bearer(authorization)
        if bearer is None or not bearer.admin:
            raise Denied(UNAUTHORIZED, "unauthorized")
        if not flags.on(self._flag, bearer.company):
            raise Denied(404, "feature_disabled")
        return bearer


def _data(request: Request) -> Data:
    data: Data = request.app.state.data
    return data


class AgedFigures:
    """A dependency that computes a company's figures, or returns the last ones with the header Age."""

    def __init__(
        self, request: Request, response: Response, cache_control: Annotated[str, Header()] = ""
    ) -> None:
        self._aggregates: Aggregates = request.app.state.aggregates
        self._response = response
        self._anew = "no-cache" in cache_control.lower()

    def read(self, company: str, what: str, count: Callable[[], T]) -> T:
        """The figures named `what` of a company."""
        aged = self._aggregates.read((company, what), count, anew=self._anew)
        self._response.headers.update(aged.headers)
        return aged.value


Database = Annotated[Data, Depends(_data)]
CartAdmin = Annotated[Bearer, Depends(Entry(CARTS))]
RecoveryAdmin = Annotated[Bearer, Depends(Entry(RECOVERY))]
Analyst = Annotated[Bearer, Depends(Entry(ANALYTICS))]

Figures = Annotated[AgedFigures, Depends(AgedFigures)]


def admin_router(prefix: str) -> APIRouter:
    """A router whose routes all require a bearer's token, also in the OpenAPI document."""
    known = [
        Security(
            HTTPBearer(auto_error=False, description="Access token of an admin; it determines the company.")
        )
    ]
    return APIRouter(prefix=prefix, dependencies=known, responses=REFUSALS)

"""Access to admin pages: for admins of a company that has the feature, by header or by sign-in.

The company is always the token's. A sign-in stores the token's digest, so that revoking the token ends it.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from cartctl.cart.store import cart_statistics
from cartctl.cart.store.cart_statistics import Stats
from cartctl.rollout.flag_names import ANALYTICS, CARTS, RECOVERY
from cartctl.sandbox.service.aggregates import Aged, Aggregates
from cartctl.sandbox.service.data import Data
from cartctl.sandbox.service.flags import Flags
from cartctl.sandbox.service.middleware.tokens import Bearer, Tokens
from cartctl.sandbox.service.pages import session
from cartctl.sandbox.service.pages.failures import PageError, SignInRequired, feature_disabled

T = TypeVar("T")

NAVIGATION = (
    ("Carts", "/carts", CARTS),
    ("Abandoned", "/carts/abandoned", RECOVERY),
    ("Insights", "/insights/ecommerce", ANALYTICS),
)
SIGNED_IN = "admin"  # of the session: the token's digest


@dataclass(frozen=True, slots=True)
class Admin:
    """A signed-in admin and the features of their company."""

    bearer: Bearer
    links: tuple[tuple[str, str], ...]
    recovery: bool

    @property
    def company(self) -> str:
        """The company whose carts are shown."""
        return self.bearer.company

    @property
    def context(self) -> dict[str, Any]:
        """The values for every admin page's template."""
        return {"admin": self.bearer, "links": self.links}


class AdminOf:
    """A dependency that lets the admins of companies which have a feature in.

    Raises SignInRequired without a valid token, PageError 403 for one that is no admin's, 404 where the feature is off.
    """

    def __init__(self, flag: str) -> None:
        self._flag = flag

    def __call__(self, request: Request) -> Admin:
        """The admin of a request."""
        bearer = bearer_of(request)
        if bearer is None:
            raise SignInRequired
        if not bearer.admin:
            raise PageError(403, "No access", "These pages are for admins of your company.", code="forbidden")
        admin = admin_of(request, bearer)
        flags: Flags = request.app.state.flags
        if not flags.on(self._flag, bearer.company):
            raise feature_disabled()
        return admin


def bearer_of(request: Request) -> Bearer | None:
    """The bearer of a request, by its header or else by its session; None for an invalid header."""
    tokens: Tokens = request.app.state.tokens
    if header := request.headers.get("authorization", ""):
        return tokens.bearer(header)
    return tokens.of_digest(str(session.state(request).get(SIGNED_IN, "")))


def admin_of(request: Request, bearer: Bearer) -> Admin:
    """An admin with the navigation of their company."""
    flags: Flags = request.app.state.flags
    links = tuple((name, path) for name, path, flag in NAVIGATION if flags.on(flag, bearer.company))
    return Admin(bearer, links, flags.on(RECOVERY, bearer.company))


def stats_of(request: Request, data: Data, company: str) -> Aged[Stats]:
    """A company's statistics: recomputed while that is fast, else the last ones with their age."""

    def count() -> Stats:
        with data.session() as connection:
            return cart_statistics.stats(connection, company)

    return cached(request, (company, "page stats"), count)


def cached(
    request: Request, key: Hashable, count: Callable[[], T], *, worth: Callable[[T], Any] | None = None
) -> Aged[T]:
    """Figures that may be some minutes old, unless the browser requests new ones, as it does on reload.

    `worth` says whether cached figures are worth showing; others are recomputed.
    """
    known: Aggregates = request.app.state.aggregates
    anew = "no-cache" in request.headers.get("cache-control", "").lower()
    figures = known.read(key, count, anew=anew)
    stale = figures.age and worth is not None and not worth(figures.value)
    return known.read(key, count, anew=True) if stale else figures


def optional_context(request: Request) -> dict[str, Any]:
    """The navigation of a public page."""
    bearer = bearer_of(request)
    return admin_of(request, bearer).context if bearer and bearer.admin else {}


def data_of(request: Request) -> Data:
    """The service's database."""
    data: Data = request.app.state.data
    return data


Database = Annotated[Data, Depends(data_of)]
CartAdmin = Annotated[Admin, Depends(AdminOf(CARTS))]
RecoveryAdmin = Annotated[Admin, Depends(AdminOf(RECOVERY))]
Analyst = Annotated[Admin, Depends(AdminOf(ANALYTICS))]

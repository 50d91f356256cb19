"""Error pages: what is wrong, what to do, and the code for logs and probes."""

from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from cartctl.cart import CartError, InputError, NotFound, OutOfRange, TryAgain
from cartctl.sandbox.service.pages.rendering import page

CONFLICT = 409
FORBIDDEN = 403
NO_SHOP = "shop_not_found"
_UNREADABLE = {404: "Cart not found", 503: "Back in a moment"}
_TITLES = {404: "Page not found", 405: "This page cannot do that"}


class PageError(Exception):
    """A request that gets an error page: status, what is wrong, the detail, what to do, and a code."""

    def __init__(self, status: int, title: str, detail: str = "", *, hint: str = "", code: str = "") -> None:
        super().__init__(title)
        self.status, self.title, self.detail, self.hint, self.code = status, title, detail, hint, code


class SignInRequired(Exception):
    """A page that requires a signed-in admin."""


def feature_disabled() -> PageError:
    """The error for a feature that the company does not have."""
    return PageError(
        404, "Page not found", "This feature is not enabled for your company.", code="feature_disabled"
    )


def install(app: FastAPI) -> None:
    """Show every error as a page."""

    @app.exception_handler(PageError)
    async def refused(request: Request, error: PageError) -> Response:
        """Show a refused request."""
        return show(request, error)

    @app.exception_handler(SignInRequired)
    async def sign_in(request: Request, _: SignInRequired) -> Response:
        """Redirect to the sign-in page."""
        shown = page(request, "sign_in.html", status=401, target=request.url.path, error="")
        shown.headers["WWW-Authenticate"] = "Bearer"
        return shown

    @app.exception_handler(CartError)
    async def broken_rule(request: Request, error: CartError) -> Response:
        """Show a broken rule of the cart library."""
        return show(request, of_rule(error, reading=request.method == "GET"))

    @app.exception_handler(Exception)
    async def unexpected(request: Request, _: Exception) -> Response:
        """Show an unexpected error of this service, which the server logs."""
        return show(request, INTERNAL)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, _: RequestValidationError) -> Response:
        """A malformed address."""
        return show(
            request, PageError(422, "The address is not valid", "Part of it is malformed or too long.")
        )

    @app.exception_handler(HTTPException)
    async def missing(request: Request, error: HTTPException) -> Response:
        """Show an unknown address or method."""
        title = _TITLES.get(error.status_code, str(error.detail))
        shown = show(request, PageError(error.status_code, title))
        shown.headers.update(error.headers or {})
        return shown


def of_rule(error: CartError, *, reading: bool = False) -> PageError:
    """A broken rule of the cart library as a page: 404, 422 for what was typed, else 409.

    `reading`: the request would not have changed anything.
    """
    status = CONFLICT
    if isinstance(error, NotFound):
        status = 404
    elif isinstance(error, InputError | OutOfRange):
        status = 422
    elif isinstance(error, TryAgain):
        status = 503
    title = _UNREADABLE.get(status, "This cannot be shown") if reading else "Nothing was changed"
    return PageError(status, title, error.message, hint=error.hint, code=error.code)


def show(request: Request, error: PageError) -> Response:
    """The page of an error, with links to continue and the visitor's navigation."""
    known = _admin(request)
    shop = _shop_path(request) if error.code != NO_SHOP else ""
    ways = _ways(request, error, shop, signed_in=bool(known))
    shown = page(request, "error.html", status=error.status, error=error, shop_path=shop, ways=ways, **known)
    if error.status == UNAVAILABLE.status:
        shown.headers["Retry-After"] = "1"
    return shown


def _admin(request: Request) -> dict[str, Any]:
    """The navigation of an admin; nothing for others, and in versions without carts."""
    navigation = getattr(request.app.state, "navigation", None)
    return navigation(request) if navigation else {}


def _shop_path(request: Request) -> str:
    """The path of the address's shop, or empty."""
    _, first, *rest = request.url.path.split("/")
    return f"/shop/{quote(rest[0], safe='')}" if first == "shop" and rest and rest[0] else ""


def _ways(request: Request, error: PageError, shop: str, *, signed_in: bool) -> list[tuple[str, str]]:
    """The links of an error page: retry where that may help, then the nearest working page."""
    ways = []
    if error.status >= INTERNAL.status and request.method == "GET":
        ways.append(("Try again", str(request.url.replace(scheme="", netloc=""))))
    if shop:
        return [*ways, ("Back to your cart", f"{shop}/cart"), ("Browse products", shop)]
    if error.status == FORBIDDEN and not signed_in:
        ways.append(("Sign in with another token", "/sign-in"))
    return [*ways, ("Back to carts", "/carts") if signed_in else ("Back to the start", "/")]


UNAVAILABLE = PageError(
    503, "The database does not respond", hint="Try again in a moment.", code="database_unavailable"
)
INTERNAL = PageError(500, "Something went wrong", "It has been logged.", code="internal")

"""What a page says when something is wrong: what it is, what to do, and the code that logs and probes know."""

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from cartctl.cart import CartError, InputError, NotFound, OutOfRange, TryAgain
from cartctl.sandbox.service.pages.rendering import page

CONFLICT = 409
_TITLES = {404: "Page not found", 405: "This page cannot do that"}


class PageError(Exception):
    """A request that gets an error page: status, what is wrong, the detail, what to do, and a code."""

    def __init__(self, status: int, title: str, detail: str = "", *, hint: str = "", code: str = "") -> None:
        super().__init__(title)
        self.status, self.title, self.detail, self.hint, self.code = status, title, detail, hint, code


class SignInRequired(Exception):
    """A page that is shown to signed-in admins alone."""


def feature_disabled() -> PageError:
    """The page of a feature that the company does not have."""
    return PageError(
        404, "Page not found", "This feature is not enabled for your company.", code="feature_disabled"
    )


def install(app: FastAPI) -> None:
    """Show every failure as a page."""

    @app.exception_handler(PageError)
    async def refused(request: Request, error: PageError) -> Response:
        """A request that a page refuses."""
        return show(request, error)

    @app.exception_handler(SignInRequired)
    async def sign_in(request: Request, _: SignInRequired) -> Response:
        """A page that needs a sign-in."""
        shown = page(request, "sign_in.html", status=401, target=request.url.path, error="")
        shown.headers["WWW-Authenticate"] = "Bearer"
        return shown

    @app.exception_handler(CartError)
    async def broken_rule(request: Request, error: CartError) -> Response:
        """A rule of the cart library that was broken."""
        return show(request, of_rule(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, _: RequestValidationError) -> Response:
        """A malformed address."""
        return show(
            request, PageError(422, "The address is not valid", "A part of it is malformed or too long.")
        )

    @app.exception_handler(HTTPException)
    async def missing(request: Request, error: HTTPException) -> Response:
        """An unknown address or another method."""
        title = _TITLES.get(error.status_code, str(error.detail))
        shown = show(request, PageError(error.status_code, title))
        shown.headers.update(error.headers or {})
        return shown


def of_rule(error: CartError) -> PageError:
    """A broken rule of the cart library as a page: 404, 422 for what was typed, else 409."""
    status = CONFLICT
    if isinstance(error, NotFound):
        status = 404
    elif isinstance(error, InputError | OutOfRange):
        status = 422
    elif isinstance(error, TryAgain):
        status = 503
    return PageError(status, "Nothing was changed", error.message, hint=error.hint, code=error.code)


def show(request: Request, error: PageError) -> Response:
    """The page of an error."""
    shown = page(request, "error.html", status=error.status, error=error)
    if error.status == UNAVAILABLE.status:
        shown.headers["Retry-After"] = "1"
    return shown


UNAVAILABLE = PageError(
    503, "The database does not answer", hint="Try again in a moment.", code="database_unavailable"
)
INTERNAL = PageError(500, "Something went wrong", "It has been logged.", code="internal")

"""The dashboard's pages: its home, and from 2.0.0 on the cart's three, with the internal company's real figures."""

from functools import cache
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment, PackageLoader, select_autoescape

from cartctl.sandbox.service import queries
from cartctl.sandbox.service.data import Data
from cartctl.sandbox.service.flags import ANALYTICS, CARTS, RECOVERY, Flags
from cartctl.sandbox.service.platform import Authorization
from cartctl.sandbox.service.settings import Settings
from cartctl.sandbox.service.tokens import Tokens

INTERNAL = "avnz"  # whose figures a visitor without a token sees
NAVIGATION = (
    ("Carts", "/carts", CARTS),
    ("Abandoned", "/carts/abandoned", RECOVERY),
    ("Insights", "/insights/ecommerce", ANALYTICS),
)


@cache
def _templates() -> Environment:
    return Environment(loader=PackageLoader("cartctl.sandbox.service"), autoescape=select_autoescape())


def _page(template: str, **values: Any) -> HTMLResponse:
    return HTMLResponse(_templates().get_template(template).render(**values))


def home(settings: Settings) -> APIRouter:
    """The page every version has."""
    router = APIRouter()

    @router.get("/")
    def index() -> Response:
        links = [(label, path) for label, path, _ in NAVIGATION] if settings.carts else []
        return _page("home.html", version=settings.version, links=links, company=INTERNAL)

    return router


def routes(settings: Settings, data: Data, tokens: Tokens, flags: Flags) -> APIRouter:
    """The cart's pages; one whose feature is off is not there."""
    router = APIRouter()

    def show(template: str, flag: str, authorization: str, read: Any) -> Response:
        bearer = tokens.bearer(authorization)
        company = bearer.company if bearer else INTERNAL
        if not flags.on(flag, company):
            return JSONResponse({"error": "feature_disabled"}, status_code=404)
        links = [(label, path) for label, path, needed in NAVIGATION if flags.on(needed, company)]
        return _page(template, version=settings.version, links=links, company=company, **read(company))

    @router.get("/carts")
    def carts(authorization: Authorization = "") -> Response:
        return show("carts.html", CARTS, authorization, lambda company: _carts(data, company))

    @router.get("/carts/abandoned")
    def abandoned(authorization: Authorization = "") -> Response:
        return show("abandoned.html", RECOVERY, authorization, lambda company: _abandoned(data, company))

    @router.get("/insights/ecommerce")
    def insights(authorization: Authorization = "") -> Response:
        read = lambda company: {"overview": queries.overview(data, company)}  # noqa: E731 - one line reads better
        return show("insights.html", ANALYTICS, authorization, read)

    return router


def _carts(data: Data, company: str) -> dict[str, Any]:
    return {"carts": queries.newest(data, company), "stats": queries.stats(data, company)}


def _abandoned(data: Data, company: str) -> dict[str, Any]:
    return {"carts": queries.newest(data, company, status="ABANDONED")}

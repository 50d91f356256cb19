"""The dashboard's home, which every version has, and how a page is made."""

from functools import cache
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, select_autoescape

from cartctl.sandbox.service.flags import ANALYTICS, CARTS, RECOVERY
from cartctl.sandbox.service.settings import Settings

INTERNAL = "avnz"  # whose figures a visitor without a token sees
NAVIGATION = (
    ("Carts", "/carts", CARTS),
    ("Abandoned", "/carts/abandoned", RECOVERY),
    ("Insights", "/insights/ecommerce", ANALYTICS),
)


@cache
def templates() -> Environment:
    """The pages' templates, which escape what they are given."""
    return Environment(loader=PackageLoader("cartctl.sandbox.service"), autoescape=select_autoescape())


def page(template: str, **values: Any) -> HTMLResponse:
    """A page from its template; what the values hold is escaped."""
    return HTMLResponse(templates().get_template(template).render(**values))


def home(settings: Settings) -> APIRouter:
    """The page every version has."""
    router = APIRouter()

    @router.get("/")
    def index() -> Response:
        links = [(label, path) for label, path, _ in NAVIGATION] if settings.carts else []
        return page("home.html", version=settings.version, links=links, company=INTERNAL)

    return router

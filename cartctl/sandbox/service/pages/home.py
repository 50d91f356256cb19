"""The home page, which every version has, and the static files."""

from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Request, Response

from cartctl.sandbox.service.pages.rendering import page
from cartctl.sandbox.service.settings import Settings

_FILES = {
    "app.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_CACHED = {"Cache-Control": "public, max-age=3600", "Cross-Origin-Resource-Policy": "same-origin"}


def routes(settings: Settings) -> APIRouter:
    """The home page, with the cart's pages in its navigation from 2.0.0 on, and the static files."""
    router = APIRouter()
    contents = {name: (files("cartctl.sandbox.service") / "static" / name).read_bytes() for name in _FILES}

    @router.get("/")
    def index(request: Request) -> Response:
        known: dict[str, Any] = {}
        if settings.carts:
            from cartctl.sandbox.service.pages.admin.access import optional_context

            known = optional_context(request)
        return page(request, "home.html", carts=settings.carts, **known)

    @router.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in contents:
            return Response("not found", 404, media_type="text/plain")
        return Response(contents[name], media_type=_FILES[name], headers=_CACHED)

    return router

"""Pages from templates: escaped, with the visitor's navigation, CSRF token and last message."""

from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from cartctl.sandbox.service.pages import formats, session


@cache
def templates() -> Environment:
    """The pages' templates. Values are escaped; a missing one is an error, never empty."""
    made = Environment(
        loader=PackageLoader("cartctl.sandbox.service.pages"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(formats.FILTERS)
    return made


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page from its template and values; the visitor's session gives the CSRF token and the message to show once."""
    known = {
        "admin": None,
        "links": (),
        "shop": None,
        **values,
        "version": request.app.version,
        "path": request.url.path,
        "csrf": session.csrf_token(request),
        "message": session.take_message(request),
    }
    return HTMLResponse(templates().get_template(template).render(**known), status)

"""The pages of the reference service: rendering, access and error pages."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    from cartctl.sandbox.service.settings import Settings


def install(app: "FastAPI", settings: "Settings") -> None:
    """Add the pages of 2.0.0; their modules import the cart library, which 1.0.0 does not need."""
    from starlette.middleware.sessions import SessionMiddleware

    from cartctl.sandbox.service.log import complain
    from cartctl.sandbox.service.middleware.maintenance import Maintenance
    from cartctl.sandbox.service.pages import failures, session, shop
    from cartctl.sandbox.service.pages.admin import abandoned, access, cart, carts, insights, sign_in

    app.state.maintenance = Maintenance(settings.maintenance, complain)
    app.state.navigation = access.optional_context  # for error pages, which are below the admin pages
    app.state.key = session.signing_key(settings.key)
    for router in (sign_in.router, abandoned.router, carts.router, cart.router, insights.router):
        app.include_router(router)
    for router in shop.routers():
        app.include_router(router)
    failures.install(app)
    app.add_middleware(
        SessionMiddleware,
        secret_key=app.state.key,
        session_cookie=session.COOKIE,
        max_age=session.HOURS * 3600,
        same_site="lax",
    )

"""Puts a replica's application together from its role and version."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from cartctl.sandbox.service.data import Data, Unavailable
from cartctl.sandbox.service.figures import exposition
from cartctl.sandbox.service.log import complain, log
from cartctl.sandbox.service.middleware.maintenance import Maintenance
from cartctl.sandbox.service.middleware.security_headers import SecurityHeaders
from cartctl.sandbox.service.middleware.tokens import Tokens
from cartctl.sandbox.service.middleware.traffic import App, Traffic
from cartctl.sandbox.service.settings import Settings


def build(settings: Settings) -> App:
    """The ASGI application of one replica."""
    data = Data(settings.database, settings.pod)
    tokens = Tokens(settings.tokens, complain)
    app = FastAPI(
        title="payment-api",
        version=settings.version,
        lifespan=_lifespan(settings, data),
        docs_url=None,  # documentation pages that load other sites' scripts; the document itself is at /openapi.json
        redoc_url=None,
    )
    _probes(app, settings, data)
    _roles(app, settings, data, tokens)
    pages = settings.role == "web"
    _failures(app, pages=pages)
    shoppers = Maintenance(settings.maintenance, complain) if settings.role == "api" else None
    traffic = Traffic(app, tokens=tokens, maintenance=shoppers, variant=settings.variant)
    return SecurityHeaders(traffic, pages=pages)


def _lifespan(settings: Settings, data: Data):  # type: ignore[no-untyped-def]  # noqa: ANN202 - FastAPI's own type is private
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        data.open()
        worker = None
        if settings.role == "worker":
            from cartctl.sandbox.service.worker import Worker

            worker = Worker(data, settings.flags if settings.carts else None, settings.clock)
            worker.start()
        log("INFO", "started", role=settings.role, version=settings.version)
        yield
        if worker is not None:
            worker.stop()
        if (aggregates := getattr(app.state, "aggregates", None)) is not None:
            aggregates.close()
        data.close()
        log("INFO", "stopped", role=settings.role, version=settings.version)

    return lifespan


def _probes(app: FastAPI, settings: Settings, data: Data) -> None:
    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok", "version": settings.version, "database": "up" if data.up() else "down"}

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _roles(app: FastAPI, settings: Settings, data: Data, tokens: Tokens) -> None:
    if settings.role == "api":
        from cartctl.sandbox.service.routes import platform

        app.include_router(platform.routes(settings, data, tokens))
    if settings.role == "web":
        from cartctl.sandbox.service.pages import home

        app.include_router(home.routes(settings))
    if settings.carts and settings.role != "worker":
        _carts(app, settings, data, tokens)


def _carts(app: FastAPI, settings: Settings, data: Data, tokens: Tokens) -> None:
    """What 2.0.0 adds; its modules import the library, which 1.0.0 does not need."""
    from cartctl.sandbox.service.aggregates import Aggregates
    from cartctl.sandbox.service.clock import Clock
    from cartctl.sandbox.service.flags import Flags

    app.state.aggregates = Aggregates()
    app.state.data, app.state.tokens, app.state.flags = data, tokens, Flags(settings.flags, complain)
    app.state.clock = Clock(settings.clock, complain)
    if settings.role == "api":
        _api(app)
    else:
        from cartctl.sandbox.service import pages

        pages.install(app, settings)


def _api(app: FastAPI) -> None:
    from cartctl.cart.errors import NotFound
    from cartctl.sandbox.service.routes import analytics, carts, recovery
    from cartctl.sandbox.service.routes.access import Denied

    for router in (recovery.router, carts.router, analytics.router):  # /recovery before /{cartId}
        app.include_router(router)

    @app.exception_handler(Denied)
    async def denied(_: Request, error: Denied) -> JSONResponse:
        return error.response

    @app.exception_handler(NotFound)
    async def not_found(_: Request, _error: NotFound) -> JSONResponse:
        return JSONResponse({"error": "not_found"}, status_code=404)


def _failures(app: FastAPI, *, pages: bool) -> None:
    async def unavailable(request: Request, error: Exception) -> Response:
        log("WARNING", "database unavailable", path=request.url.path, error=type(error).__name__)
        if pages:
            return failures.show(request, failures.UNAVAILABLE)
        return JSONResponse({"error": "database_unavailable"}, status_code=503, headers={"Retry-After": "1"})

    async def refused(request: Request, error: Exception) -> Response:
        reason = str(error).partition("\n")[0]
        log("ERROR", "request failed", path=request.url.path, error=f"{type(error).__name__}: {reason}")
        if pages:
            return failures.show(request, failures.INTERNAL)
        return JSONResponse({"error": "internal"}, status_code=500)

    if pages:
        from cartctl.sandbox.service.pages import failures
    for kind in Unavailable:
        app.add_exception_handler(kind, unavailable)
    app.add_exception_handler(psycopg.Error, refused)

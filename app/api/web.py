"""The web framework, set up: how every surface of the bot answers, whichever routes it has."""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager

from fastapi import APIRouter, FastAPI

from app.api import errors

PREFIX = "/api/v1"
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def web_app(routers: Iterable[APIRouter], lifespan: Lifespan | None = None, *, documented: bool = True) -> FastAPI:
    """An app with these routes under PREFIX; refusals have one shape, and no bug becomes a 500."""
    app = FastAPI(
        title="TradingBot AI",
        description="TradingView alerts in, protected futures positions out, and a reason for every step.",
        openapi_url=f"{PREFIX}/openapi.json" if documented else None,
        docs_url="/docs" if documented else None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},  # bodies hold secrets
        lifespan=lifespan,
    )
    for router in routers:
        app.include_router(router, prefix=PREFIX)
    errors.install(app)
    return app

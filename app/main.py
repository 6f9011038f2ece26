"""The web application: routes joined to what they need. Building it connects to nothing."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI

from app.api import alerts, controls, errors, health, orders, positions, webhook
from app.api.deps import Api

PREFIX = "/api/v1"
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(api: Api, lifespan: Lifespan | None = None) -> FastAPI:
    """The ASGI app. `lifespan` starts and stops what runs beside it (worker, venue connections)."""
    app = FastAPI(
        title="TradingBot AI",
        description="TradingView alerts in, protected futures positions out, and a reason for every step.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url="/docs",
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},  # bodies hold secrets
        lifespan=lifespan,
    )
    for module in (webhook, alerts, orders, positions, controls, health):
        app.include_router(module.routes(api), prefix=PREFIX)
    app.include_router(health.routes(api), include_in_schema=False)
    errors.install(app)
    return app

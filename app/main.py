"""The web application: routes joined to what they need. Building it connects to nothing."""

from fastapi import FastAPI

from app.api import alerts, controls, health, orders, positions, webhook
from app.api.deps import Api
from app.api.requests import RequestMeter
from app.api.web import Lifespan, web_app


def create_app(api: Api, lifespan: Lifespan | None = None, *, answers: bool = True) -> FastAPI:
    """The ASGI app. `lifespan` starts and stops what runs beside it (worker, venue connections).

    Without `answers` it only says how the process is: health, readiness, metrics.
    """
    asked = (webhook, alerts, orders, positions, controls) if answers else ()
    app = web_app([module.routes(api) for module in (*asked, health)], lifespan)
    app.include_router(health.routes(api), include_in_schema=False)
    app.add_middleware(RequestMeter, api=api)  # outermost: it sees what the last resort answers
    return app

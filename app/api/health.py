"""/health (the process lives, and which build it is), /ready (it can work, check by check) and /metrics (Prometheus).

Open to whoever can connect: none of them shows a secret, a position or a price. A failing check says its kind; why is
in the log.
"""

import asyncio
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import structlog
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from app.api.deps import Api, Probe
from app.api.errors import declared

log = structlog.get_logger(__name__)
PROBE_TIMEOUT_S = 2.0


class HealthBody(BaseModel):
    status: str
    version: str
    """Of the package; empty where it runs from a copy of the source that was never installed."""
    release: str
    """RELEASE: which build this is. A deploy looks here whether it has arrived."""


class Check(BaseModel):
    ok: bool
    detail: str


class ReadyBody(BaseModel):
    ready: bool
    checks: dict[str, Check]


def liveness(release: str, status: str = "ok", fit: Callable[[], bool] = lambda: True) -> APIRouter:
    """/health alone, for where nothing else can be asked. 503 while not `fit`: others should be asked instead."""
    router = APIRouter(tags=["health"])
    body = HealthBody(status=status, version=_version(), release=release).model_dump()

    @router.get("/health", response_class=JSONResponse, responses={200: {"model": HealthBody}, **declared()})
    async def health() -> JSONResponse:
        """Answers as long as the process does."""
        return JSONResponse(body, 200 if fit() else 503)

    return router


def routes(api: Api) -> APIRouter:
    router = liveness(api.release)
    probes: dict[str, Probe] = {"database": lambda: _ping(api), **api.probes}

    @router.get(
        "/ready",
        response_class=JSONResponse,
        responses={200: {"model": ReadyBody}, 503: {"model": ReadyBody, "description": "not ready"}},
    )
    async def ready() -> JSONResponse:
        """200 when every check passes, else 503; alerts are taken in as long as the database check passes."""
        results = await asyncio.gather(*(_check(name, probe) for name, probe in probes.items()))
        checks = dict(zip(probes, results, strict=True))
        fine = all(check.ok for check in results)
        body = ReadyBody(ready=fine, checks=checks)
        return JSONResponse(body.model_dump(), 200 if fine else 503)

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, **declared()})
    async def metrics() -> Response:
        """For Prometheus."""
        return Response(generate_latest(api.metrics), media_type=CONTENT_TYPE_LATEST)

    return router


def _version() -> str:
    try:
        return version("tradingbot-ai")
    except PackageNotFoundError:
        return ""


async def _ping(api: Api) -> str:
    await api.queries.ping()
    return ""


async def _check(name: str, probe: Probe) -> Check:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            return Check(ok=True, detail=await probe())
    except TimeoutError:
        return Check(ok=False, detail=f"no answer within {PROBE_TIMEOUT_S:g} s")
    except Exception as error:  # noqa: BLE001 - whatever a probe raises means: not ready
        log.warning("not ready", check=name, error=type(error).__name__, why=str(error))
        return Check(ok=False, detail=type(error).__name__)

"""Request bodies, read with a limit on size and time while they arrive, so that nobody can make us hold more."""

import asyncio

from fastapi import Request
from starlette.requests import ClientDisconnect

from app.api.errors import CODES, ApiError


async def read_body(request: Request, *, limit: int, timeout_s: float) -> bytes:
    """The raw bytes. Raises ApiError: 413 above `limit` bytes, 408 when not complete in time, 400 when compressed."""
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise ApiError(400, CODES[400], "compressed bodies are not read", field="content-encoding", close=True)
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and (len(announced) > len(str(limit)) or int(announced) > limit):
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                chunks.append(chunk)
    except TimeoutError:
        detail = f"the message was not complete within {timeout_s:g} s"
        raise ApiError(408, CODES[408], detail, close=True) from None
    except ClientDisconnect:
        raise ApiError(400, CODES[400], "the sender hung up before the message was complete", close=True) from None
    return b"".join(chunks)


def _too_large(limit: int) -> ApiError:
    return ApiError(413, CODES[413], f"the message is longer than {limit} bytes", close=True)

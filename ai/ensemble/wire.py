"""What the three services have in common on the wire: a size limit, and errors that carry no secrets.

The SDKs' exceptions hold requests with their headers, and servers like to quote the key they refused. So only the
class of an error and its HTTP status leave this package (SeatFailed); what failed there is a missing vote.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ai.ensemble.schema import NotAVote

BODY_BYTES = 131_072  # an answer of 65,536 bytes in its envelope, with quotes escaped
CONNECT_S = 4.0  # a busy machine is not an unreachable service
BACKSTOP_S = 1.0  # a request ends by itself this long after the deadline, which strikes first: late is no error
PLAIN = {"Accept-Encoding": "identity"}  # a compressed body could grow without limit after it was counted


class SeatFailed(Exception):  # noqa: N818
    """The service did not give an answer. The message is safe to store and show."""


class BodyTooLarge(Exception):  # noqa: N818
    """More than BODY_BYTES, or compressed although nobody asked for it."""


@contextmanager
def safe_errors() -> Iterator[None]:
    """Turn any exception of an SDK into a SeatFailed without the original attached."""
    try:
        yield
    except NotAVote:
        raise
    except Exception as error:  # noqa: BLE001 - SDKs raise their own, httpx's and json's errors alike
        raise SeatFailed(_describe(error)) from None


def limited_body(stream_type: type[Any]) -> Callable[[Any], Awaitable[None]]:
    """A response hook for httpx and its twins that stops reading at BODY_BYTES. `stream_type`: its AsyncByteStream."""

    class Limited(stream_type):  # type: ignore[misc]
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = BODY_BYTES
            async for chunk in self._inner:
                left -= len(chunk)
                if left < 0:
                    raise BodyTooLarge
                yield chunk

        async def aclose(self) -> None:
            await self._inner.aclose()

    async def hook(response: Any) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise BodyTooLarge
        response.stream = Limited(response.stream)

    return hook


def _describe(error: BaseException) -> str:
    text, status, cause = type(error).__name__, getattr(error, "status_code", None), error.__cause__
    if isinstance(status, int) and status > 0:
        return f"{text}, HTTP {status}"
    return f"{text} after {type(cause).__name__}" if cause and type(cause).__name__ != text else text

"""Questions to a venue's public REST interface: paced, patient, and only ever GET.

A question that gets no answer (no connection, a timeout, 5xx, "too many requests") is asked again with growing,
jittered pauses, or after the pause the venue names. VenueUnavailable when that does not help, or when the answer cannot
be read; BadSettings when the venue does not know what was asked for. What was fetched before is the caller's to keep.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx

from app.domain.errors import BadSettings, VenueUnavailable
from app.ports import Clock
from app.tls import trusted

_TIMEOUT = httpx.Timeout(15.0, connect=5.0)  # seconds; a page of candles takes a fraction of one
_ATTEMPTS = 7  # with the pauses between them, about a minute
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_LONGEST_WAIT_S = 300.0  # a venue that asks for more has banned the address: better to come back later
_DEFAULT_WAIT_S = {418: 120.0, 429: 60.0}
_REGION = (403, 451)
_MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class Told:
    """What a venue's own words for an error mean."""

    text: str
    code: str = ""  # the venue's own
    again: bool = False  # it may work in a moment
    wait_s: float = 0.0  # at least this long


class Refused(BadSettings):
    """The venue will not answer this question, however often it is asked."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


class PublicApi:
    """`told` reads an answer's body (None: not JSON) and says what is wrong with it, or None when nothing is."""

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        told: Callable[[int, Any], Told | None],
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise BadSettings(f"{base_url!r} is no address of {name}: it begins with https://")
        self.name = name
        self._clock, self._jitter, self._told = clock, jitter, told
        self._http = httpx.AsyncClient(
            base_url=base_url.rstrip("/"), timeout=_TIMEOUT, verify=trusted(), trust_env=False
        )
        self._next: dict[str, float] = {}

    async def close(self) -> None:
        await self._http.aclose()

    async def get(self, path: str, params: Mapping[str, str | int], *, pace_s: float) -> tuple[Any, httpx.Headers]:
        """The answer's JSON and headers; questions to one path leave at least `pace_s` apart."""
        problem = ""
        for attempt in range(_ATTEMPTS):
            await self._turn(path, pace_s)
            try:
                response = await self._http.get(path, params=dict(params))
            except httpx.TransportError as error:
                problem, wait_s = f"no answer ({type(error).__name__})", 0.0
            else:
                body = _json(response)
                wrong = self._wrong(response, body)
                if wrong is None:
                    return body, response.headers
                if not wrong.again:
                    raise Refused(f"{self.name} refuses {path}: {wrong.text}", wrong.code)
                problem, wait_s = wrong.text, wrong.wait_s
            if wait_s > _LONGEST_WAIT_S:
                break
            if attempt + 1 < _ATTEMPTS:
                await self._clock.sleep(max(wait_s, self._pause_s(attempt)))
        raise VenueUnavailable(
            f"{self.name} did not answer {path}: {problem}; run it again later, it goes on from here"
        )

    async def _turn(self, path: str, pace_s: float) -> None:
        """Wait until this path may be asked again."""
        now = self._clock.monotonic()
        at = max(now, self._next.get(path, 0.0))
        self._next[path] = at + pace_s
        if at > now:
            await self._clock.sleep(at - now)

    def _pause_s(self, attempt: int) -> float:
        return float(min(_FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S) * (0.5 + self._jitter() / 2))

    def _wrong(self, response: httpx.Response, body: Any) -> Told | None:
        status = response.status_code
        if status in _DEFAULT_WAIT_S:
            wait_s = _seconds(response.headers.get("Retry-After")) or _DEFAULT_WAIT_S[status]
            return Told(f"HTTP {status}, it asks for a pause of {wait_s:.0f} s", again=True, wait_s=wait_s)
        words = self._told(status, body)
        if words is not None:
            return replace(words, text=_clean(words.text))
        if status in _REGION:
            return Told(f"HTTP {status}: it does not serve this address or region")
        if response.is_success and body is not None:
            return None
        # A page of HTML with status 200 is a proxy or a captive portal speaking: as good as no answer.
        again = status >= 500 or response.is_success  # noqa: PLR2004 - HTTP's own class
        return Told(f"HTTP {status} with {_clean(response.text) or 'nothing'!r}", again=again)


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def _seconds(header: str | None) -> float | None:
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def _clean(text: str) -> str:
    return "".join(ch if ch.isprintable() else " " for ch in text.strip())[:_MAX_TEXT]

"""The Claude seat, through the official anthropic SDK. Any failure raises NotAVote or SeatFailed; no retries."""

import anthropic
import httpx2

from ai.ensemble.schema import SCHEMA, NotAVote, read_vote
from ai.ensemble.wire import CONNECT_S, PLAIN, limited_body, safe_errors
from ai.prices import Meter, report
from app.domain.vote import Seat, Vote
from app.ports import Case
from app.tls import trusted

_MAX_TOKENS = 1_000


class ClaudeVoter:
    """Implements `app.ports.Voter` on a message constrained to SCHEMA (`output_config.format`)."""

    seat = Seat.CLAUDE

    def __init__(
        self, *, api_key: str, model: str, base_url: str | None, timeout_s: float, meter: Meter | None = None
    ) -> None:
        """`base_url` is without the version, e.g. http://127.0.0.1:4010; None is the official service."""
        self.name = model
        self._meter = meter
        timeout = httpx2.Timeout(timeout_s, connect=CONNECT_S)
        self._client = anthropic.AsyncAnthropic(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,
            timeout=timeout,
            http_client=anthropic.DefaultAsyncHttpxClient(
                headers=PLAIN,
                timeout=timeout,
                verify=trusted(),
                event_hooks={"response": [limited_body(httpx2.AsyncByteStream)]},
            ),
        )
        self._messages = self._client.messages  # loads its modules now, not inside the first deadline

    async def vote(self, case: Case) -> Vote:
        with safe_errors():
            message = await self._messages.create(
                model=self.name,
                max_tokens=_MAX_TOKENS,
                messages=[{"role": "user", "content": case.prompt}],
                output_config={"format": {"type": "json_schema", "schema": SCHEMA}},
            )
            report(self._meter, self.seat, self.name, message.usage.input_tokens, message.usage.output_tokens)
            text = "".join(block.text for block in message.content if block.type == "text")
            ending = message.stop_reason
        if ending != "end_turn":
            raise NotAVote(f"the answer ended early: {str(ending)[:40]}", text)
        return read_vote(self.seat, self.name, text)

    async def close(self) -> None:
        await self._client.close()

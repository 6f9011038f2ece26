"""The GPT seat, through the official openai SDK. Any failure raises NotAVote or SeatFailed; nothing is retried.

A retry would only turn an error into a late answer, and the deadline is the jury's, not this seat's.
"""

import httpx2
import openai

from ai.ensemble.schema import SCHEMA, NotAVote, read_vote
from ai.ensemble.wire import CONNECT_S, PLAIN, limited_body, safe_errors
from ai.prices import Meter, report
from app.domain.vote import Seat, Vote
from app.ports import Case
from app.tls import trusted

_MAX_TOKENS = 1_000  # an answer takes about 80; the rest is for models that think first


class GptVoter:
    """Implements `app.ports.Voter` on a chat completion constrained to SCHEMA."""

    seat = Seat.GPT

    def __init__(
        self, *, api_key: str, model: str, base_url: str | None, timeout_s: float, meter: Meter | None = None
    ) -> None:
        """`base_url` includes the version, e.g. http://127.0.0.1:4010/v1; None is the official service."""
        self.name = model
        self._meter = meter
        timeout = httpx2.Timeout(timeout_s, connect=CONNECT_S)
        self._client = openai.AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,
            timeout=timeout,
            http_client=openai.DefaultAsyncHttpxClient(
                headers=PLAIN,
                timeout=timeout,
                verify=trusted(),
                event_hooks={"response": [limited_body(httpx2.AsyncByteStream)]},
            ),
        )
        self._completions = self._client.chat.completions  # loads its modules now, not inside the first deadline

    async def vote(self, case: Case) -> Vote:
        with safe_errors():
            completion = await self._completions.create(
                model=self.name,
                messages=[{"role": "user", "content": case.prompt}],
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "vote", "strict": True, "schema": SCHEMA},
                },
                max_completion_tokens=_MAX_TOKENS,
            )
            if (used := completion.usage) is not None:
                report(self._meter, self.seat, self.name, used.prompt_tokens, used.completion_tokens)
            choice = completion.choices[0]
            text, ending = choice.message.content, choice.finish_reason
        if ending != "stop" or not isinstance(text, str):
            raise NotAVote(f"the answer ended early: {str(ending)[:40]}", str(text or ""))
        return read_vote(self.seat, self.name, text)

    async def close(self) -> None:
        await self._client.close()

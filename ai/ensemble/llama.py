"""The Llama seat, on an Ollama server. Any failure raises NotAVote or SeatFailed; nothing is retried."""

import httpx
import ollama

from ai.ensemble.schema import SCHEMA, NotAVote, read_vote
from ai.ensemble.wire import CONNECT_S, PLAIN, limited_body, safe_errors
from ai.prices import Meter, report
from app.domain.vote import Seat, Vote
from app.ports import Case
from app.tls import trusted

_OPTIONS = {"temperature": 0, "seed": 0, "num_predict": 400}  # as repeatable as the server can be


class LlamaVoter:
    """Implements `app.ports.Voter` on a chat constrained to SCHEMA (`format`)."""

    seat = Seat.LLAMA

    def __init__(self, *, host: str, model: str, timeout_s: float, meter: Meter | None = None) -> None:
        """`host`, e.g. http://127.0.0.1:11434. The client's own default is to wait for ever."""
        self.name = model
        self._meter = meter
        self._client = ollama.AsyncClient(
            host=host,
            timeout=httpx.Timeout(timeout_s, connect=CONNECT_S),
            headers=PLAIN,
            verify=trusted(),
            event_hooks={"response": [limited_body(httpx.AsyncByteStream)]},
        )

    async def vote(self, case: Case) -> Vote:
        with safe_errors():
            response = await self._client.chat(
                model=self.name,
                messages=[{"role": "user", "content": case.prompt}],
                format=SCHEMA,
                options=_OPTIONS,
                stream=False,
            )
            report(self._meter, self.seat, self.name, response.prompt_eval_count, response.eval_count)
            text, ending = response.message.content, response.done_reason
        if ending != "stop" or not isinstance(text, str):
            raise NotAVote(f"the answer ended early: {str(ending)[:40]}", str(text or ""))
        return read_vote(self.seat, self.name, text)

    async def close(self) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]

"""The three services' wire formats, just enough of them, on hand-written loopback servers.

A well-formed request is answered; one that does not ask for structured output, or carries another key, gets the status
the real service would give. So a vote that arrives proves that it was asked for properly.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ai.ensemble.claude import ClaudeVoter
from ai.ensemble.gpt import GptVoter
from ai.ensemble.llama import LlamaVoter
from ai.ensemble.schema import SCHEMA
from app.domain.vote import Seat
from tests.contract.loopback import Answer, Loopback, Request, as_json

KEY = "sk-canary-0123456789"
MODELS = {Seat.GPT: "gpt-test", Seat.CLAUDE: "claude-test", Seat.LLAMA: "llama-test"}


@dataclass(frozen=True)
class Wire:
    route: str
    envelope: Callable[[str, str], dict[str, Any]]  # text, ending -> what the service sends around it
    endings: tuple[str, str]  # complete, cut off
    schema_in: Callable[[dict[str, Any]], Any]  # where the request carries the schema


WIRES = {
    Seat.GPT: Wire(
        "POST /v1/chat/completions",
        lambda text, ending: {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-test",
            "choices": [{"index": 0, "finish_reason": ending, "message": {"role": "assistant", "content": text}}],
        },
        ("stop", "length"),
        lambda body: body["response_format"]["json_schema"]["schema"],
    ),
    Seat.CLAUDE: Wire(
        "POST /v1/messages",
        lambda text, ending: {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": "claude-test",
            "content": [{"type": "text", "text": text}],
            "stop_reason": ending,
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
        ("end_turn", "max_tokens"),
        lambda body: body["output_config"]["format"]["schema"],
    ),
    Seat.LLAMA: Wire(
        "POST /api/chat",
        lambda text, ending: {
            "model": "llama-test",
            "created_at": "2026-01-05T12:00:00Z",
            "message": {"role": "assistant", "content": text},
            "done": True,
            "done_reason": ending,
        },
        ("stop", "length"),
        lambda body: body["format"],
    ),
}


def says(opinion: str, confidence: int = 80, reason: str = "because") -> str:
    return json.dumps({"opinion": opinion, "confidence": confidence, "reason": reason})


def text_answer(seat: Seat, text: str, *, complete: bool = True) -> Callable[[Request], Answer]:
    """The service answers `text`, if it was asked in the right way."""
    wire = WIRES[seat]

    def reply(request: Request) -> Answer:
        body = json.loads(request.raw_query)
        key = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if seat is not Seat.LLAMA and key != KEY:
            return as_json({"error": {"type": "authentication_error", "message": f"bad key {key}"}}, 401)
        try:
            proper = wire.schema_in(body) == SCHEMA and body["model"] == MODELS[seat] and len(body["messages"]) == 1
        except (KeyError, TypeError):
            proper = False
        if not proper:
            return as_json({"error": {"type": "invalid_request_error", "message": "not structured"}}, 400)
        return as_json(wire.envelope(text, wire.endings[0] if complete else wire.endings[1]))

    return reply


@asynccontextmanager
async def three_seats(answers: dict[Seat, Any], *, timeout_s: float = 30.0) -> Iterator[list[Any]]:
    """A voter per seat in `answers`, each on a server of its own. A text is put into the service's envelope."""
    async with AsyncExitStack() as stack:
        voters = []
        for seat, given in answers.items():
            reply = text_answer(seat, given) if isinstance(given, str) else given
            server = await stack.enter_async_context(Loopback({WIRES[seat].route: reply}))
            voter = a_voter(seat, server.url, timeout_s=timeout_s)
            stack.push_async_callback(voter.close)
            voters.append(voter)
        yield voters


def a_voter(seat: Seat, url: str, *, timeout_s: float = 30.0, key: str = KEY) -> Any:
    if seat is Seat.GPT:
        return GptVoter(api_key=key, model=MODELS[seat], base_url=f"{url}/v1", timeout_s=timeout_s)
    if seat is Seat.CLAUDE:
        return ClaudeVoter(api_key=key, model=MODELS[seat], base_url=url, timeout_s=timeout_s)
    return LlamaVoter(host=url, model=MODELS[seat], timeout_s=timeout_s)

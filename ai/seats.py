"""Fills the seats from configuration: language models with a key, stand-ins where allowed, the LSTM with weights.

A seat that cannot be filled stays empty and `Seats.notes` says why; it then abstains. Weights that are there but
broken raise BadSettings. The model SDKs are loaded only for seats that use them: together they would cost a paper
market half a second of start-up and tens of megabytes.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ai.ensemble.prompt import MarketPrompter
from ai.ensemble.stand_in import STAND_INS
from ai.lstm.serve import WEIGHTS, open_lstm
from ai.prices import Meter
from app.domain.vote import Seat
from app.ports import Prompter, Voter


@dataclass(frozen=True, slots=True)
class SeatsConfig:
    """An empty key or host means the seat has no language model. None as a base URL is the official service."""

    openai_api_key: str = field(default="", repr=False)
    openai_base_url: str | None = None  # with the version: http://127.0.0.1:4010/v1
    gpt_model: str = "gpt-5.4-mini"
    anthropic_api_key: str = field(default="", repr=False)
    anthropic_base_url: str | None = None  # without the version: http://127.0.0.1:4010
    claude_model: str = "claude-haiku-4-5"
    ollama_host: str = ""  # http://127.0.0.1:11434
    llama_model: str = "llama3.1"
    stand_ins: bool = False  # seat rules where there is no language model: paper mode only
    lstm_weights: Path | None = WEIGHTS  # folder of model.onnx and model.json; None leaves the seat empty
    timeout_s: float = 5.0  # of one request: a backstop behind the jury's own deadline


class SeatedVoter(Voter, Protocol):
    """A voter that may hold connections."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Seats:
    """What a jury is made of. `notes` says in plain words who sits where."""

    prompter: Prompter
    voters: tuple[SeatedVoter, ...]
    notes: tuple[str, ...]

    async def close(self) -> None:
        for voter in self.voters:
            await voter.close()


def fill_seats(config: SeatsConfig, meter: Meter | None = None) -> Seats:
    """One voter at most for each seat; `meter` hears what their answers use.

    Raises BadSettings when the LSTM's weights are damaged.
    """
    voters: list[SeatedVoter] = []
    notes: list[str] = []
    models = {Seat.GPT: _gpt(config, meter), Seat.CLAUDE: _claude(config, meter), Seat.LLAMA: _llama(config, meter)}
    for seat, model in models.items():
        voter = model or (STAND_INS[seat] if config.stand_ins else None)
        if voter:
            voters.append(voter)
        notes.append(f"{seat}: {voter.name if voter else 'empty'}")
    lstm = open_lstm(config.lstm_weights) if config.lstm_weights else None
    if lstm:
        voters.append(lstm)
    notes.append(f"{Seat.LSTM}: {lstm.name if lstm else 'empty'}")
    return Seats(MarketPrompter(), tuple(voters), tuple(notes))


def _gpt(config: SeatsConfig, meter: Meter | None) -> SeatedVoter | None:
    if not config.openai_api_key:
        return None
    from ai.ensemble.gpt import GptVoter  # noqa: PLC0415 - a heavy SDK, loaded only for a seat that uses it

    return GptVoter(
        api_key=config.openai_api_key,
        model=config.gpt_model,
        base_url=config.openai_base_url,
        timeout_s=config.timeout_s,
        meter=meter,
    )


def _claude(config: SeatsConfig, meter: Meter | None) -> SeatedVoter | None:
    if not config.anthropic_api_key:
        return None
    from ai.ensemble.claude import ClaudeVoter  # noqa: PLC0415 - as above

    return ClaudeVoter(
        api_key=config.anthropic_api_key,
        model=config.claude_model,
        base_url=config.anthropic_base_url,
        timeout_s=config.timeout_s,
        meter=meter,
    )


def _llama(config: SeatsConfig, meter: Meter | None) -> SeatedVoter | None:
    if not config.ollama_host:
        return None
    from ai.ensemble.llama import LlamaVoter  # noqa: PLC0415 - as above

    return LlamaVoter(host=config.ollama_host, model=config.llama_model, timeout_s=config.timeout_s, meter=meter)

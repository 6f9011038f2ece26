"""What the documentation tells people to paste is what the bot reads."""

import re
from pathlib import Path

import pytest

from app.api.errors import CODES
from app.domain.alert import Preset
from app.pipeline.alert import Message, read_message
from app.pipeline.message.native import KEYS

PAGE = (Path(__file__).parents[3] / "docs/concepts/tradingview.md").read_text(encoding="utf-8")
EXAMPLES = [text for _, text in re.findall(r"```(json|)\n(.*?)```", PAGE, re.DOTALL)]
FILLED = {
    "ticker": "BTCUSDT.P",
    "exchange": "BINANCE",
    "interval": "60",
    "time": "2026-01-05T11:00:00Z",
    "timenow": "2026-01-05T12:00:00Z",
    "close": "43000.5",
    "strategy.order.action": "buy",
    "strategy.order.id": "Long",
    "strategy.order.contracts": "0.5",
    "strategy.market_position": "long",
    "strategy.prev_market_position": "flat",
    "strategy.market_position_size": "0.5",
    "strategy.prev_market_position_size": "0",
}


def fill(text: str) -> bytes:
    return re.sub(r"\{\{(.+?)\}\}", lambda match: FILLED[match[1]], text).encode()


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_is_read(text: str) -> None:
    found = read_message(fill(text))
    assert isinstance(found, Message), found
    assert found.symbol == "BTCUSDT"


def test_there_is_an_example_of_most_formats() -> None:
    found = [read_message(fill(text)) for text in EXAMPLES]
    presets = {message.preset for message in found if isinstance(message, Message)}
    assert presets >= set(Preset) - {Preset.OKX_SIGNAL_A}


@pytest.mark.parametrize("word", [*sorted(KEYS), *(preset.value for preset in Preset if preset is not Preset.NATIVE)])
def test_every_field_and_every_format_is_described(word: str) -> None:
    assert f"`{word}`" in PAGE


@pytest.mark.parametrize("status", sorted({202, *CODES} - {404, 405}))
def test_every_answer_is_described(status: int) -> None:
    assert f"\n| {status} |" in PAGE

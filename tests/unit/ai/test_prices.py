from decimal import Decimal
from typing import Any

import pytest

from ai.prices import AS_OF, PRICES, cost_usd, report
from ai.seats import SeatsConfig
from app.adapters.metrics import PrometheusMetrics
from app.domain.vote import Seat
from tests.unit.adapters.test_metrics import scraped


def test_an_answer_costs_what_its_tokens_cost() -> None:
    assert cost_usd("gpt-5.4-mini", 1_000_000, 0) == Decimal("0.75")
    assert cost_usd("claude-haiku-4-5", 800, 80) == Decimal("0.0012")
    assert cost_usd("gpt-5.4-mini-2026-03-17", 0, 1_000_000) == Decimal("4.50")
    assert cost_usd("claude-haiku-4-5-20251001", 0, 1_000_000) == Decimal(5)


def test_an_unknown_model_has_no_price_rather_than_none_to_pay() -> None:
    assert cost_usd("gpt-9", 1_000, 1_000) is None
    assert cost_usd("gpt-5.4-mini-special", 1, 1) is None


def test_the_models_that_sit_there_unless_told_otherwise_have_a_price() -> None:
    usual = SeatsConfig()
    assert usual.gpt_model in PRICES
    assert usual.claude_model in PRICES
    assert AS_OF.year >= 2026


def test_tokens_of_an_unknown_model_count_and_its_cost_is_unknown() -> None:
    metrics = PrometheusMetrics()
    report(metrics, Seat.GPT, "gpt-9", 700, 50)
    report(metrics, Seat.CLAUDE, "claude-haiku-4-5", 1000, 100)
    report(metrics, Seat.LLAMA, "llama3.1:8b", 600, 60)
    assert scraped(metrics, "tradingbot_ai_tokens_total", seat="gpt", kind="input") == 700
    assert scraped(metrics, "tradingbot_ai_answers_without_price_total", seat="gpt") == 1
    assert scraped(metrics, "tradingbot_ai_cost_usd_total", seat="gpt") == 0
    assert scraped(metrics, "tradingbot_ai_cost_usd_total", seat="claude") == 0.0015
    assert scraped(metrics, "tradingbot_ai_answers_without_price_total", seat="claude") == 0
    assert scraped(metrics, "tradingbot_ai_tokens_total", seat="llama", kind="output") == 60
    assert scraped(metrics, "tradingbot_ai_answers_without_price_total", seat="llama") == 0


@pytest.mark.parametrize("claimed", [None, "800", 1.5, -1, 10**9, True])
def test_what_a_service_claims_unreadably_is_not_counted(claimed: Any) -> None:
    metrics = PrometheusMetrics()
    report(metrics, Seat.GPT, "gpt-5.4-mini", claimed, 10)
    assert scraped(metrics, "tradingbot_ai_tokens_total", seat="gpt", kind="output") == 0
    report(None, Seat.GPT, "gpt-5.4-mini", 1, 1)

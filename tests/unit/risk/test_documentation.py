"""docs/concepts/risk.md names every setting and every reason, and its defaults are the code's."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from app.domain.decision import DenyReason
from app.domain.policy import RiskPolicy, StrategyProfile
from tests.unit.risk.test_entry_checks import ELSEWHERE

PAGE = (Path(__file__).parents[3] / "docs/concepts/risk.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(set(DenyReason) - ELSEWHERE))
def test_every_reason_is_explained(name):
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("name", [field.name for field in fields(RiskPolicy)])
def test_every_setting_is_explained(name):
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("name", sorted({f.name for f in fields(StrategyProfile)} - {"strategy", "account"}))
def test_every_setting_of_a_strategy_is_explained(name):
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize(
    ("name", "default"), re.findall(r"^\|[^|]*\| `(\w+)` \| ([\d.,]+)(?: s| USDT)? \|", PAGE, flags=re.MULTILINE)
)
def test_the_defaults_in_the_tables_are_the_codes(name, default):
    value = getattr(RiskPolicy(), name)
    assert float(default.replace(",", "")) == float(getattr(value, "value", value))


def test_the_tables_hold_defaults_to_compare():
    assert len(re.findall(r"^\|[^|]*\| `\w+` \| [\d.,]+", PAGE, flags=re.MULTILINE)) >= 13

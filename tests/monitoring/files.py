"""What monitoring/ holds, read: rules, their tests, and the panels of the dashboards."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.architecture.skeleton import ROOT

MONITORING = ROOT / "monitoring"
RULES = MONITORING / "prometheus" / "rules" / "tradingbot.yml"
RULE_TESTS = MONITORING / "prometheus" / "tests" / "tradingbot.yml"
DASHBOARDS = sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))
RUNBOOK = ROOT / "docs" / "runbooks" / "alerts.md"
NAME = re.compile(r"\b((?:tradingbot|process|python)_[a-z0-9_]+)\b")


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def rule_tests() -> list[dict[str, Any]]:
    tests: list[dict[str, Any]] = yaml.safe_load(RULE_TESTS.read_text())["tests"]
    return tests


def dashboard(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def panels(path: Path) -> list[dict[str, Any]]:
    """All but the rows, which are headings."""
    return [panel for panel in dashboard(path)["panels"] if panel["type"] != "row"]


@dataclass(frozen=True)
class Query:
    dashboard: str
    panel: str
    expression: str  # with Grafana's variables filled in


def queries() -> Iterator[Query]:
    for path in DASHBOARDS:
        for panel in panels(path):
            for target in panel["targets"]:
                expression = target["expr"].replace("$__rate_interval", "1m").replace("$__range", "1h")
                yield Query(path.stem, panel["title"], expression)

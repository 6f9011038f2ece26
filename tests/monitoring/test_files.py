"""Rules and dashboards, read as files: complete, consistent, and about series that the bot really has."""

import re
import shutil
import subprocess
from typing import Any

import pytest

from app.adapters.metrics import PrometheusMetrics
from app.api.webhook import PATH
from tests.architecture.test_documentation import headings
from tests.monitoring.files import (
    DASHBOARDS,
    MONITORING,
    NAME,
    RULES,
    RUNBOOK,
    dashboard,
    panels,
    queries,
    rule_tests,
    rules,
)

promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (apt: prometheus)")


def check(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@promtool
def test_the_rules_fire_when_they_should_and_only_then() -> None:
    check("test", "rules", *map(str, sorted((MONITORING / "prometheus" / "tests").glob("*.yml"))))


@promtool
def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    check("check", "config", str(MONITORING / "prometheus" / "prometheus.yml"))


@promtool
def test_a_rule_that_fires_at_the_wrong_time_is_noticed(tmp_path) -> None:
    (tmp_path / "rules.yml").write_text(
        RULES.read_text().replace("tradingbot_naked_seconds) > 5", "tradingbot_naked_seconds) > 7")
    )
    tests = (MONITORING / "prometheus" / "tests" / "tradingbot.yml").read_text()
    start = tests.index("  - name: PositionWithoutStop fires")
    one = tests[start : tests.index("  - name:", start + 1)]
    (tmp_path / "tests.yml").write_text(f"rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n{one}")
    with pytest.raises(AssertionError, match="PositionWithoutStop"):
        check("test", "rules", str(tmp_path / "tests.yml"))


def test_every_alert_is_tested_both_ways() -> None:
    asked: dict[str, set[bool]] = {}
    for case in rule_tests():
        for test in case["alert_rule_test"]:
            asked.setdefault(test["alertname"], set()).add(bool(test["exp_alerts"]))
    assert asked == {rule["alert"]: {True, False} for rule in rules()}
    assert len(asked) >= 14


def test_every_alert_says_what_it_means_and_leads_to_its_section() -> None:
    sections = headings(RUNBOOK.read_text())
    for rule in rules():
        notes = rule["annotations"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule["alert"]
        assert notes["summary"], rule["alert"]
        assert len(notes["description"]) > 40, rule["alert"]
        page, _, anchor = notes["runbook"].partition("#")
        assert page == "docs/runbooks/alerts.md"
        assert anchor in sections, f"{rule['alert']}: no section {anchor}"


def test_every_section_says_what_to_do() -> None:
    text = RUNBOOK.read_text()
    for rule in rules():
        anchor = rule["annotations"]["runbook"].partition("#")[2]
        title = next(line for line in text.splitlines() if line.startswith("## ") and anchor in headings(line))
        section = text.split(f"{title}\n", 1)[1].split("\n## ", 1)[0]
        for part in ("**Means**", "**Look at**", "**Do**"):
            assert part in section, f"{title}: {part}"


# --- names ---------------------------------------------------------------------------------------------


def series() -> set[str]:
    """Names of every series that a process of the bot can show."""
    metrics = PrometheusMetrics()
    metrics.requested("/x", 200, 1)
    metrics.probed("database", 1)
    families = list(metrics.registry.collect())
    names = {sample.name for family in families for sample in family.samples}
    gauges = {family.name for family in families if family.type == "gauge"}
    return names | gauges


def test_every_series_that_is_asked_for_exists() -> None:
    known = series()
    expressions = {rule["alert"]: rule["expr"] for rule in rules()} | {
        f"{query.dashboard}/{query.panel}": query.expression for query in queries()
    }
    unknown = {where: set(NAME.findall(text)) - known for where, text in expressions.items()}
    assert not {where: names for where, names in unknown.items() if names}


COUNTED = re.compile(r"(?:increase|rate)\((tradingbot_[a-z_]+)(?:\{(.*?)\})?\[")
MATCHER = re.compile(r'(\w+)(!?=~?)"(.*?)"')


def test_what_a_rule_counts_begins_at_zero() -> None:
    """A series that appears with its first event was never lower: the first outage would raise no alarm."""
    samples = list(PrometheusMetrics().samples())
    asked = {found for rule in rules() for found in COUNTED.findall(rule["expr"])}
    assert len(asked) >= 12
    missing = [
        f"{name}{{{label}={value}}}"
        for name, matchers in asked
        for label, kind, values in MATCHER.findall(matchers) or [("", "=~", "")]
        if not kind.startswith("!")
        for value in values.split("|")
        if not any(name == seen and re.fullmatch(value, labels.get(label, "")) for seen, labels, _ in samples)
    ]
    assert not missing


def test_the_door_is_the_route_of_the_webhook() -> None:
    fresh = {
        (labels["route"], labels["status"])
        for name, labels, _ in PrometheusMetrics().samples()
        if name == "tradingbot_http_seconds_count"
    }
    assert fresh == {(PATH, "500"), (PATH, "503")}


def test_every_series_of_ours_is_shown_or_watched() -> None:
    """A number nobody looks at is not worth its place."""
    asked = " ".join([*(rule["expr"] for rule in rules()), *(query.expression for query in queries())])
    families = {re.sub(r"_(bucket|count|sum|total)$", "", name) for name in series() if name.startswith("tradingbot_")}
    assert not {family for family in families if family not in asked}


# --- dashboards ----------------------------------------------------------------------------------------


def test_the_four_dashboards_are_there() -> None:
    assert [path.stem for path in DASHBOARDS] == ["ai", "alarms", "system", "trading"]
    uids = [dashboard(path)["uid"] for path in DASHBOARDS]
    assert len(set(uids)) == len(uids)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_can_be_understood(path) -> None:
    for panel in panels(path):
        where = f"{path.stem}/{panel['title']}"
        assert len(panel["description"]) > 20, where
        assert panel["datasource"] == {"type": "prometheus", "uid": "prometheus"}, where
        assert panel["fieldConfig"]["defaults"]["unit"], where
        assert panel["targets"], where
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None, where


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_stats_come_first_and_no_panels_overlap(path) -> None:
    every = dashboard(path)["panels"]
    assert every[0]["type"] == "row"
    assert every[1]["type"] == "stat"
    assert len({panel["id"] for panel in every}) == len(every)
    taken: set[tuple[int, int]] = set()
    for panel in every:
        at: dict[str, int] = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


def test_grafana_finds_what_is_provisioned() -> None:
    found: Any = (MONITORING / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text()
    assert "uid: prometheus\n" in found
    assert (
        "/var/lib/grafana/dashboards"
        in (MONITORING / "grafana" / "provisioning" / "dashboards" / "tradingbot.yml").read_text()
    )

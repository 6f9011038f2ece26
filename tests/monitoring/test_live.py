"""The dashboards show a running bot: every query, asked of a real Prometheus that scraped it."""

import math
import shutil
import time
from pathlib import Path

import httpx
import pytest
from prometheus_client import generate_latest

from tests.e2e.world import World, running_bot
from tests.monitoring.files import queries
from tests.monitoring.server import Prometheus, prometheus

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed (apt: prometheus)"),
]

# Nothing to show after a few healthy alerts, and rightly so.
NOTHING = {
    ("alarms", "Firing and pending"),
    ("alarms", "Alerts over time"),
    ("trading", "Why alerts were refused"),  # topk of what is above zero: shown below
}
UNKNOWN = {  # a value that is honestly not known here: shown as NaN, never as 0
    "tradingbot_spill_messages",  # no spill queue
    "tradingbot_feed_age_seconds",  # no strategy of the bot's own runs, so no candles are followed
}


async def trade(world: World) -> None:
    """One entry that is filled and left again, and one that the jury refuses."""
    await world.enters()
    assert (await world.story(world.exit()))["state"] == "closed"
    world.models_say("SHORT")
    assert (await world.story(world.alert()))["refusal"]["reason"] == "NO_QUORUM"


def missing(query: str, found: list[dict]) -> str:
    """Why a panel would show nothing; "" when it shows something."""
    if not found:
        return "no series"
    if not any(name in query for name in UNKNOWN) and "histogram_quantile" not in query:
        numbers = [float(one["value"][1]) for one in found]
        return "" if any(math.isfinite(number) for number in numbers) else "only NaN"
    return ""


async def seen(server: Prometheus) -> None:
    await server.until('tradingbot_up{what="database"}', 1)
    await server.until("sum(tradingbot_alert_seconds_count)", 0)


async def test_every_panel_shows_the_bot_at_work(sqlite_template: Path, tmp_path: Path) -> None:
    database = tmp_path / "bot.db"
    shutil.copy(sqlite_template, database)
    async with running_bot(f"sqlite:///{database}", tmp_path, env={"RELEASE": "r1", "DEPLOYMENT": "test"}) as world:
        target = httpx.URL(str(world.stage.bot.base_url)).netloc.decode()
        async with prometheus(tmp_path, target) as server:
            await seen(server)
            await trade(world)
            await server.until("sum(tradingbot_alert_seconds_count)", 3)
            empty = {}
            for query in queries():
                why = missing(query.expression, await server.query(query.expression))
                if why and (query.dashboard, query.panel) not in NOTHING:
                    empty[query.dashboard, query.panel] = why
            assert not empty
            await figures(server)
        quick(world)


async def figures(server: Prometheus) -> None:
    """What the panels say is what happened."""
    for expression, value in {
        'tradingbot_alerts_refused_total{reason="NO_QUORUM"}': 1,
        'tradingbot_alerts_accepted_total{outcome="accepted"}': 3,
        'sum(tradingbot_decisions_total{move="OPEN"})': 1,
        'sum(tradingbot_decisions_total{move="CLOSE"})': 1,
        'tradingbot_positions_closed_total{why="signal"}': 1,
        'sum(tradingbot_order_states_total{state="FILLED"}) >= bool 2': 1,
        'sum(tradingbot_vote_seconds_count{seat="gpt",outcome="LONG"})': 1,
        'sum(tradingbot_vote_seconds_count{seat="gpt",outcome="SHORT"})': 1,
        "sum(tradingbot_worker_heartbeat)": 1,
        'tradingbot_feed_age_seconds{feed="user_stream"}': 0,
        'tradingbot_build_info{release="r1",deployment="test"}': 1,
        'sum(tradingbot_http_seconds_count{route="/webhooks/tradingview",status="202"})': 3,
        "sum(tradingbot_lanes_taken_total) >= bool 3": 1,
        "sum(tradingbot_lanes_held) <= bool 1": 1,
        'sum(tradingbot_realised_usdt_total{kind="fees"}) > bool 0': 1,
        'count(ALERTS{alertstate="firing",severity="critical"}) or vector(0)': 0,
        'count(ALERTS{alertname="AiCostUnknown",alertstate="firing",seat="claude"})': 1,  # no price for "claude-test"
    }.items():
        assert await server.value(expression) == value, expression


def quick(world: World) -> None:
    """A scrape holds up the bot's own loop. The best of several, for the machine may be busy."""
    taken = []
    for _ in range(20):
        started = time.process_time()
        generate_latest(world.stage.application.api.metrics)
        taken.append(time.process_time() - started)
    assert min(taken) < 0.010

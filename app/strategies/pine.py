"""A strategy written as a Pine v6 script: the same expressions, TradingView's orders, and our alert messages.

The script says on every bar what `StrategyDefinition.signals` says (`enter_long` … `short_target`, by the same names
and behind the same warm-up) and trades it the way the backtest does: decided on the closed bar, filled at the next
open, stop and target fixed on the bar of the signal. The same definition gives the same text, byte for byte.

Every `ta.*` call stands on a line of its own: within `and`, `or` or `?:` Pine would skip it on some bars, and its
history would have holes. Nothing here raises: what Pine cannot express was refused when the strategy was defined.
"""

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.strategies.expressions import Condition, Number
from app.strategies.linear import Bars, Linear
from app.strategies.parameters import Parameter
from app.strategies.pine_orders import MESSAGE, orders, settings
from app.strategies.pine_text import Writer, number_text

_WIDTH = 110
_COLORS = ("blue", "orange", "teal", "purple", "maroon", "olive")
_ORIGIN = (
    "Written by tradingbot from its own definition: export it anew instead of editing it. In the alert's message box"
    " leave what the next line says."
)
# Fixed quantity, no pyramiding, orders at the next open, the venue's taker fee; margin is the bot's business.
_RULES = (
    "initial_capital=10000, pyramiding=0, calc_on_every_tick=false, process_orders_on_close=false,"
    " commission_type=strategy.commission.percent, commission_value=0.05, slippage=0, margin_long=0, margin_short=0"
)
_UPPER = {"adx", "atr", "cci", "ema", "macd", "rsi", "sma"}


@dataclass(frozen=True, slots=True)
class Script:
    """Everything a script is made of."""

    name: str
    title: str
    about: str
    parameters: tuple[Parameter, ...]
    values: Mapping[str, float]
    parts: Mapping[str, Condition | Number]  # the flags and levels that exist
    warm_up: Bars
    plots: Mapping[str, Number]
    oscillators: Mapping[str, Number]


def render(script: Script) -> str:
    """The script's text, ending in a newline."""
    drawn = [*script.plots.values(), *script.oscillators.values()]
    writer = Writer([*script.parts.values(), *drawn], [one.name for one in script.parameters])
    said = dict(zip(script.parts, writer.texts, strict=False))
    sections: tuple[Sequence[str], ...] = (
        _head(script),
        [*[_input(one, script.values, writer.inputs) for one in script.parameters], *settings(script.name)],
        writer.lines,
        _signals(script, said, writer.inputs),
        MESSAGE,
        orders(said),
        _plots(script, writer.texts[len(said) :]),
    )
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _head(script: Script) -> list[str]:
    known = json.dumps({"params": dict(script.values), "strategy": script.name}, sort_keys=True)
    told = (script.title, " ".join(script.about.split()), _ORIGIN)
    lines = [f"// {line}" for text in told for line in textwrap.wrap(text.strip(), _WIDTH - 3)]
    overlay = "false" if script.oscillators else "true"
    return [
        "//@version=6",
        *lines,
        "//@strategy_alert_message {{strategy.order.alert_message}}",
        f"// tradingbot: {known}",
        f"strategy({_quoted(script.title)}, overlay={overlay}, {_RULES})",
    ]


def _input(one: Parameter, values: Mapping[str, float], names: Mapping[str, str]) -> str:
    kind = "int" if one.integer else "float"
    number = number_text if one.integer else repr
    limits = [f"{word}={number(value)}" for word, value in zip(("minval", "maxval", "step"), _limits(one), strict=True)]
    words = [word.upper() if word in _UPPER else word for word in one.name.split("_")]
    words[0] = words[0][0].upper() + words[0][1:]
    about = f"{one.about[:1].upper()}{one.about[1:]}" + (f" ({one.unit})" if one.unit else "")
    given = [
        number(values[one.name]),
        _quoted(" ".join(words)),
        *limits,
        'group="Strategy"',
        f"tooltip={_quoted(about)}",
    ]
    return f"{kind} {names[one.name]} = input.{kind}({', '.join(given)})"


def _limits(one: Parameter) -> tuple[float, float, float]:
    return (one.low, one.high, one.step) if one.integer else (float(one.low), float(one.high), float(one.step))


def _signals(script: Script, said: Mapping[str, str], names: Mapping[str, str]) -> list[str]:
    sums = sorted(_sum_text(one, names) for one in script.warm_up)
    needed = f"math.max({', '.join(sums)})" if len(sums) > 1 else sums[0]
    lines = [
        "// Nothing is said before the indicators have forgotten where the history began.",
        f"int warm_up = {needed}",
        "bool ready = bar_index >= warm_up",
    ]
    for name, text in said.items():
        if isinstance(script.parts[name], Condition):
            lines.append(f"bool {name} = ready and {_grouped(text)}")
        else:
            lines.append(f"float {name} = {text}")
    return lines


def _grouped(text: str) -> str:
    return f"({text})" if " or " in text or "?" in text else text


def _sum_text(one: Linear, names: Mapping[str, str]) -> str:
    terms = [names[name] if factor == 1 else f"{factor} * {names[name]}" for name, factor in one.terms]
    if one.constant or not terms:
        terms.append(str(one.constant))
    return " + ".join(terms).replace("+ -", "- ")


def _plots(script: Script, texts: Sequence[str]) -> list[str]:
    lines = []
    for place, (title, text) in enumerate(zip([*script.plots, *script.oscillators], texts, strict=True)):
        above = ", force_overlay=true" if script.oscillators and title in script.plots else ""
        lines.append(f"plot({text}, {_quoted(title)}, color=color.{_COLORS[place % len(_COLORS)]}{above})")
    return lines


def _quoted(text: str) -> str:
    return '"' + " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"') + '"'

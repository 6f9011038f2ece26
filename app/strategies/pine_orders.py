"""The part of an exported script that is alike for every strategy: its settings, its orders, and what the alerts say.

The message is our native one (docs/concepts/tradingview.md), whole, in `alert_message`: TradingView fills placeholders
into the alert's own box, not into a script's text, so the script writes every value itself. What a bracket (stop or
target) says is written anew at each close and may be sent any time before the next one; it carries no firing time, and
the bot takes the time it arrives.
"""

from collections.abc import Collection

_QUANTITY = "Base units per entry in TradingView's own test. The bot sizes by its own risk rules, whatever stands here."
_NAME = "As in the bot's strategies.yaml."
_TIP = (
    "From 'tradingbot strategy add'. Whoever sees the settings of this script sees it:"
    " leave it empty in anything you publish."
)
_AT_CLOSE = (
    "Off: create the alert on order fills only. On: create it on alert() function calls only; entries and exits are"
    " then sent when their bar closes, and stops and targets are left to the bot. What is sent both ways counts once."
)


def settings(name: str) -> list[str]:
    """Inputs that are not parameters of the strategy."""
    return [
        f'float quantity = input.float(0.01, "Quantity", minval=0, group="Orders", tooltip="{_QUANTITY}")',
        f'string alert_name = input.string("{name}", "Strategy name", group="Alerts", tooltip="{_NAME}")',
        f'string secret = input.string("", "Webhook secret", group="Alerts", tooltip="{_TIP}")',
        f'bool alert_at_close = input.bool(false, "Alert at the close", group="Alerts", tooltip="{_AT_CLOSE}")',
    ]


def _joined(first: str, *fields: tuple[str, str]) -> str:
    """A Pine expression for JSON members: names as text, values as the Pine expressions given."""
    texts = [f'"{name}": "\' + {value} + \'"' for name, value in fields]
    return f"'{first}{', '.join(texts)}'"


MESSAGE = [
    "// What alerts say: the bot's native message. What is not there is empty, which the bot reads as absent.",
    "price_text(float price) =>",
    '    na(price) ? "" : str.tostring(price)',
    "",
    "message(string action, string target, string previous, string order_id, string fired, float stop, float limit) =>",
    "    string who = "
    + _joined(
        "{",
        ("secret", "secret"),
        ("strategy", "alert_name"),
        ("symbol", "syminfo.ticker"),
        ("exchange", "syminfo.prefix"),
        ("interval", "timeframe.period"),
    ),
    "    string when = "
    + _joined(
        ", ",
        ("bar_time", "str.tostring(time)"),
        ("fired_at", "fired"),
        ("confirmed", "str.tostring(barstate.isconfirmed)"),
        ("price", "price_text(close)"),
    ),
    "    string what = "
    + _joined(
        ", ",
        ("action", "action"),
        ("market_position", "target"),
        ("prev_market_position", "previous"),
        ("order_id", "order_id"),
    ),
    "    string levels = "
    + _joined(", ", ("stop_loss", "price_text(stop)"))[:-1]
    + ', "take_profits": [{"price": "\' + price_text(limit) + \'", "ratio": "1"}]\'',
    '    who + when + what + (target == "flat" ? "" : levels) + "}"',
    "",
    "string now = str.tostring(timenow)",
]


def orders(said: Collection[str]) -> list[str]:
    """Entries, exits and brackets of the sides that `said`, the names of flags and levels, has."""
    lines = ["// Orders are decided when a bar has closed and filled at the next open."]
    for side in ("long", "short"):
        if f"enter_{side}" in said:
            lines += _side(side, said)
    return lines


def _side(side: str, said: Collection[str]) -> list[str]:
    entry, is_long = side.capitalize(), side == "long"
    buy, sell = ("buy", "sell") if is_long else ("sell", "buy")
    not_held, held = ("<=", ">") if is_long else (">=", "<")
    levels = [level for level in ("stop", "target") if f"{side}_{level}" in said]
    stop, target = (f"{side}_{level}" if level in levels else "na" for level in ("stop", "target"))
    opening = f'message("{buy}", "{side}", "", "{entry}", now, {stop}, {target})'
    lines = [
        f"bool open_{side} = enter_{side} and strategy.position_size {not_held} 0",
        *[f"var float held_{side}_{level} = na" for level in levels],
        f"if open_{side}",
        *[f"    held_{side}_{level} := {side}_{level}" for level in levels],
        f'    strategy.entry("{entry}", strategy.{side}, qty=quantity, alert_message={opening})',
        *_alert(f"open_{side}", opening),
    ]
    if f"exit_{side}" in said:
        closing = f'message("{sell}", "flat", "{side}", "{entry} close", now, na, na)'
        lines += [
            f"bool close_{side} = exit_{side} and strategy.position_size {held} 0",
            f"if close_{side}",
            f'    strategy.close("{entry}", alert_message={closing})',
            *_alert(f"close_{side}", closing),
        ]
    if levels:
        words = {"stop": "stop", "target": "limit"}
        prices = ", ".join(f"{words[level]}=held_{side}_{level}" for level in levels)
        leaving = f'message("{sell}", "flat", "{side}", "{entry} exit", "", na, na)'
        lines.append(f'strategy.exit("{entry} exit", "{entry}", {prices}, alert_message={leaving})')
    return lines


def _alert(when: str, text: str) -> list[str]:
    return [f"if alert_at_close and {when}", f"    alert({text}, alert.freq_once_per_bar_close)"]

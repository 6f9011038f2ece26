"""`tradingbot strategy`: who may send alerts. Edits the registry file; a running bot follows within a second."""

import json as jsonlib
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands import shared
from app.domain.errors import OperatorError
from app.domain.policy import OwnRun, StrategyProfile
from app.live.definitions import why_not
from app.pine.script import parse_params
from app.registry import Registry, add_strategy, finish_rotation
from app.registry import rotate as rotate_secret
from app.settings import Settings

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

File = Annotated[Path | None, typer.Option("--file", help="The strategies file; STRATEGIES_FILE otherwise.")]
Name = Annotated[str, typer.Argument(help="The strategy's name, e.g. supertrend-btc-1h.")]
WEBHOOK_PATH = "/api/v1/webhooks/tradingview"


def amount(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"{text!r} is not a number") from None


def _limit(help_: str) -> Any:
    return typer.Option(parser=amount, metavar="NUMBER", help=help_)


@app.callback()
def strategy() -> None:
    """Strategies, their secrets and their limits."""


@app.command()
def add(  # noqa: PLR0917 - typer hands every option over by name
    name: Name,
    symbols: Annotated[str, typer.Option(help="What it may trade, e.g. BTCUSDT,ETHUSDT. Empty: everything.")] = "",
    sides: Annotated[str, typer.Option(help="LONG, SHORT or both. Empty: both.")] = "",
    account: Annotated[str, typer.Option(help="The venue account it trades on.")] = "main",
    max_notional: Annotated[Decimal | None, _limit("USDT per position.")] = None,
    max_leverage: Annotated[int | None, typer.Option(min=1, help="At most the account's own limit.")] = None,
    risk_per_trade: Annotated[Decimal | None, _limit("Share of equity lost when the stop is hit, e.g. 0.005.")] = None,
    runs: Annotated[str, typer.Option(help="Run it here, on live candles: one of `tradingbot strategies`.")] = "",
    interval: Annotated[str, typer.Option(help="With --runs: length of a candle.")] = "1h",
    params: Annotated[
        list[str] | None, typer.Option("--params", metavar="NAME=VALUE", help="With --runs: parameters; repeatable.")
    ] = None,
    file: File = None,
    json: shared.Json = False,
) -> None:
    """Add a strategy. Shows its secret, this once, and the message to paste into TradingView.

    With --runs the bot runs the strategy itself, and it needs no secret.
    """
    found = shared.settings()
    path = file or found.intake.strategies_file
    own = _own_run(found, runs, interval, params or []) if runs else None
    secret = add_strategy(
        path,
        name,
        _words(symbols),
        account=account,
        sides=_words(sides),
        max_notional=max_notional,
        max_leverage=max_leverage,
        risk_per_trade=risk_per_trade,
        runs=own,
    )
    if own is None:
        _show_secret(found, path, name, secret, json=json)
    elif json:
        shared.print_json({"strategy": name, "file": str(path), "runs": runs})
    else:
        typer.echo(f"{name} is in {path}: a running bot starts it within seconds, on {interval} candles")
        typer.echo(
            f"After {found.risk.win_rate_min_trades} trades it enters only while it has won more than"
            f" {found.risk.min_win_rate:.0%} of them. Trend followers win fewer: set RISK_MIN_WIN_RATE lower for them."
        )


@app.command("list")
def list_(file: File = None, json: shared.Json = False) -> None:
    """The strategies and what they may do."""
    profiles = _registry(shared.settings(), file).profiles()
    if json:
        shared.print_json([_data(profile) for profile in profiles])
        return
    for profile in profiles:
        what = {name: value for name, value in _data(profile).items() if name != "strategy" and value is not None}
        typer.echo(f"{profile.strategy}: " + ", ".join(f"{name} {_shown(value)}" for name, value in what.items()))
    if not profiles:
        typer.echo("there are no strategies yet: tradingbot strategy add NAME")


@app.command()
def rotate(
    name: Name,
    finish: Annotated[bool, typer.Option("--finish", help="The new secret is in place: forget the old one.")] = False,
    file: File = None,
    json: shared.Json = False,
) -> None:
    """Give a strategy a new secret. Both count until `rotate NAME --finish`.

    Where the registry is the setting STRATEGIES (on AWS), put the file's new text there after each of the two.
    """
    found = shared.settings()
    path = file or found.intake.strategies_file
    if finish:
        finish_rotation(path, name)
        typer.echo(f"from now on only the new secret of {name} counts, where {path} is read")
        return
    _show_secret(found, path, name, rotate_secret(path, name), json=json)
    if not json:
        typer.echo(f"\nThe old secret counts until: tradingbot strategy rotate {name} --finish")


@app.command()
def check(file: File = None, json: shared.Json = False) -> None:
    """Say what is wrong with the strategies file."""
    found = shared.settings()
    profiles = _registry(found, file).profiles()
    for profile in profiles:
        why = why_not(profile.runs, found.intake.strategies_dir) if profile.runs else None
        if why is not None:
            raise OperatorError(f"{file or found.intake.strategies_file}: {profile.strategy} cannot run: {why}")
    if json:
        shared.print_json({"ok": True, "strategies": len(profiles)})
    else:
        typer.echo(f"{file or found.intake.strategies_file} is in order; strategies: {len(profiles)}")


def tradingview_message(name: str, secret: str) -> str:
    """What to paste into the alert's message field: our native message, filled in by TradingView."""
    message = {
        "secret": secret,
        "strategy": name,
        "symbol": "{{ticker}}",
        "exchange": "{{exchange}}",
        "interval": "{{interval}}",
        "bar_time": "{{time}}",
        "fired_at": "{{timenow}}",
        "action": "{{strategy.order.action}}",
        "order_id": "{{strategy.order.id}}",
        "market_position": "{{strategy.market_position}}",
        "market_position_size": "{{strategy.market_position_size}}",
        "prev_market_position": "{{strategy.prev_market_position}}",
        "prev_market_position_size": "{{strategy.prev_market_position_size}}",
        "price": "{{close}}",
        "comment": "{{strategy.order.comment}}",
    }
    return jsonlib.dumps(message, indent=1)


def _registry(found: Settings, file: Path | None) -> Registry:
    """Read as the bot would. Raises BadRegistry."""
    secret = found.intake.webhook_secret
    return Registry(
        file or found.intake.strategies_file,
        paper=found.paper,
        webhook_secret=secret.get_secret_value() if secret else "",
        monotonic=time.monotonic,
        alarm=lambda text: typer.echo(text, err=True),
    )


def _show_secret(found: Settings, path: Path, name: str, secret: str, *, json: bool) -> None:
    message = tradingview_message(name, secret)
    if json:
        shared.print_json({"strategy": name, "file": str(path), "secret": secret, "message": jsonlib.loads(message)})
        return
    typer.echo(f"{name} is in {path}. Its secret is shown this once:\n\n{secret}\n")
    typer.echo(f"In TradingView, set the alert's webhook to https://YOUR-HOST{WEBHOOK_PATH}")
    typer.echo(f"(here it is http://{found.server.host}:{found.server.port}{WEBHOOK_PATH}) and its message to:\n")
    typer.echo(message)


def _own_run(found: Settings, name: str, interval: str, params: list[str]) -> OwnRun:
    """Raises OperatorError when it could not run."""
    given = parse_params(params)
    runs = OwnRun(name, interval, tuple((key, Decimal(str(value))) for key, value in given.items()))
    why = why_not(runs, found.intake.strategies_dir)
    if why is not None:
        raise OperatorError(why)
    return runs


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _data(profile: StrategyProfile) -> dict[str, Any]:
    return {
        "strategy": profile.strategy,
        "account": profile.account,
        "symbols": sorted(profile.symbols),
        "sides": sorted(profile.sides),
        "max_notional": str(profile.max_notional) if profile.max_notional else None,
        "max_leverage": profile.max_leverage,
        "risk_per_trade": str(profile.risk_per_trade) if profile.risk_per_trade else None,
        "max_entries": profile.max_entries,
        "take_profits": None
        if profile.take_profits is None
        else [{"reward_risk": str(rule.reward_risk), "ratio": str(rule.ratio)} for rule in profile.take_profits],
        "min_win_rate": str(profile.min_win_rate) if profile.min_win_rate is not None else None,
        "enabled": profile.enabled,
        "runs": profile.runs.definition if profile.runs else None,
        "interval": profile.runs.interval if profile.runs else None,
        "parameters": {name: str(value) for name, value in profile.runs.parameters} if profile.runs else None,
    }


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "/".join(f"{name}={number}" for name, number in value.items()) or "defaults"
    if isinstance(value, list):
        return "/".join(jsonlib.dumps(item) if isinstance(item, dict) else item for item in value) or "any"
    return str(value).lower() if isinstance(value, bool) else str(value)

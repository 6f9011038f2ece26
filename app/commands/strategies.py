"""`tradingbot strategies`: which strategies there are, and what each can be set to."""

from typing import Annotated, Any

import typer
from rich.table import Table

from app.commands import options, shared
from app.strategies.definition import StrategyDefinition
from app.strategies.parameters import Parameter
from app.strategies.registry import Catalogue, catalogue, definition

app = typer.Typer(rich_markup_mode=None)


@app.command()
def strategies(
    name: Annotated[str, typer.Argument(help="One strategy: show its parameters.")] = "",
    strategies_dir: options.StrategiesDir = None,
    json: shared.Json = False,
) -> None:
    """List the strategies, or show what one of them can be set to."""
    if name:
        _show(definition(name, strategies_dir), json=json)
    else:
        _list(catalogue(strategies_dir), json=json)


def _list(found: Catalogue, *, json: bool) -> None:
    if json:
        rows = [_data(one) for one in found.definitions.values()]
        shared.print_json({"strategies": rows, "not_loaded": dict(found.broken)})
        return
    table = Table(box=None, pad_edge=False)
    for column in ("strategy", "title", "what it does", "warm-up"):
        table.add_column(column, justify="right" if column == "warm-up" else "left", no_wrap=column == "strategy")
    for one in found.definitions.values():
        table.add_row(one.name, one.title, _first_sentence(one.about), f"{one.warm_up()} bars")
    shared.console().print(table)
    for why in found.broken.values():
        typer.echo(f"not loaded: {why}", err=True)


def _show(one: StrategyDefinition, *, json: bool) -> None:
    if json:
        shared.print_json(_data(one))
        return
    typer.echo(f"{one.title} ({one.name})\n\n{' '.join(one.about.split())}\n")
    table = Table(box=None, pad_edge=False)
    for column in ("parameter", "default", "range", "step", "unit", "meaning"):
        table.add_column(column, justify="right" if column in ("default", "step") else "left")
    for each in one.parameters:
        limits = f"{each.low:g} to {each.high:g}"
        table.add_row(each.name, f"{each.default:g}", limits, f"{each.step:g}", each.unit, each.about)
    shared.console().print(table)
    typer.echo(f"\nWith these values it says nothing on the first {one.warm_up()} bars.")


def _data(one: StrategyDefinition) -> dict[str, Any]:
    return {
        "name": one.name,
        "title": one.title,
        "about": " ".join(one.about.split()),
        "warm_up_bars": one.warm_up(),
        "parameters": [_parameter(each) for each in one.parameters],
    }


def _parameter(each: Parameter) -> dict[str, Any]:
    return {
        "name": each.name,
        "default": each.default,
        "low": each.low,
        "high": each.high,
        "step": each.step,
        "unit": each.unit,
        "about": each.about,
        "type": "int" if each.integer else "float",
    }


def _first_sentence(text: str) -> str:
    return " ".join(text.split()).split(". ")[0].rstrip(".") + "."

"""`tradingbot aws cost`: what a month of the stack costs, from its plan or from what the examples build.

Reads files only; asks nothing of AWS.
"""

import json as jsonlib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from app.cloud import prices
from app.cloud.cost import Bill, Usage, cents, design_bill, shipped_stacks, stack_bill, usage_data
from app.cloud.cost_count import count
from app.commands import shared
from app.domain.errors import OperatorError

COMPARED = ("dev", "staging", "prod")
CAVEAT = (
    "An estimate, not an offer: prices change and differ by region. Without taxes, discounts, the free tier, support,"
    " what autoscaling adds, and traffic beyond what is assumed here."
)
DESIGN_DEFAULTS = Usage()


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"{text} is no number") from None
    if not amount.is_finite() or amount < 0:
        raise typer.BadParameter("must be a number of 0 or more")
    return amount


def _option(about: str) -> Any:
    return typer.Option(parser=_amount, metavar="NUMBER", help=about)


def _refresh(text: str) -> Decimal:
    if not (seconds := _amount(text)):
        raise typer.BadParameter("must be more than 0")
    return seconds


def cost(
    *,
    plan: Annotated[
        Path | None, typer.Option(help="What terraform show -json says of your plan or state. - reads stdin.")
    ] = None,
    price_file: Annotated[
        Path | None, typer.Option("--prices", help="A JSON file with prices of your own; the rest stays as it is.")
    ] = None,
    logs_gb: Annotated[Decimal, _option("Logs taken in a month.")] = DESIGN_DEFAULTS.logs_gb,
    nat_gb: Annotated[Decimal, _option("Through the NAT gateways.")] = DESIGN_DEFAULTS.nat_gb,
    transfer_gb: Annotated[Decimal, _option("Out to the internet.")] = DESIGN_DEFAULTS.transfer_gb,
    flow_logs_gb: Annotated[Decimal, _option("Flow logs written.")] = DESIGN_DEFAULTS.flow_logs_gb,
    image_gb: Annotated[Decimal, _option("Images kept in the registry.")] = DESIGN_DEFAULTS.image_gb,
    storage_gb: Annotated[Decimal, _option("Backups and logs kept in S3.")] = DESIGN_DEFAULTS.storage_gb,
    lcu_hours: Annotated[Decimal, _option("Capacity units of the load balancer.")] = DESIGN_DEFAULTS.lcu_hours,
    metrics: Annotated[Decimal, _option("Custom metrics.")] = DESIGN_DEFAULTS.metrics,
    secrets_refresh_s: Annotated[
        Decimal | None,
        typer.Option(
            parser=_refresh,
            metavar="SECONDS",
            help="SECRETS_REFRESH_S of the tasks: each look is a call.",
            show_default="the stack's",
        ),
    ] = None,
    json: shared.Json = False,
) -> None:
    """What a month of the stack costs, in USD.

    Without --plan: the cost table of the design, then dev, staging and prod as their examples build them. With --plan:
    your own stack, item by item. Traffic is assumed; the options change it.
    """
    usage = Usage(
        logs_gb=logs_gb,
        nat_gb=nat_gb,
        transfer_gb=transfer_gb,
        flow_logs_gb=flow_logs_gb,
        image_gb=image_gb,
        storage_gb=storage_gb,
        lcu_hours=lcu_hours,
        metrics=metrics,
        secrets_refresh_s=secrets_refresh_s,
    )
    table = prices.load(price_file) if price_file else prices.DESIGN
    if plan is not None:
        bills = {"plan": stack_bill(count(_read(plan)), usage, table)}
    else:
        stacks = shipped_stacks()
        bills = {"design": design_bill(table)}
        bills |= {name: stack_bill(stacks[name], usage, table) for name in COMPARED}
    if json:
        shared.print_json(_data(bills, usage, table))
    else:
        _print(bills, table)


def _read(path: Path) -> Mapping[str, Any]:
    name = "stdin" if str(path) == "-" else str(path)
    try:
        text = typer.get_text_stream("stdin").read() if name == "stdin" else path.read_text()
        found = jsonlib.loads(text)
    except OSError as error:
        raise OperatorError(f"--plan {name}: {error.strerror}") from None
    except ValueError:
        raise OperatorError(
            f"--plan {name} is not JSON: write it with terraform show -json PLANFILE, not with terraform plan -out"
        ) from None
    if not isinstance(found, dict):
        raise OperatorError(f"--plan {name} is not what terraform show -json writes")
    return found


def _print(bills: Mapping[str, Bill], table: prices.PriceTable) -> None:
    typer.echo(f"USD a month in {table.region}, estimated with table {table.name} of {table.dated:%Y-%m-%d}\n")
    if "design" in bills:
        shared.console().print(_single("Design", bills["design"]))
        typer.echo()
        shared.console().print(_side_by_side({name: bills[name] for name in COMPARED}))
    else:
        shared.console().print(_itemised(bills["plan"]))
    for name, bill in bills.items():
        if bill.unpriced:
            typer.echo(f"\nNot priced in {name}: {', '.join(bill.unpriced)}. Add prices with --prices.")
    typer.echo()
    shared.console().print(CAVEAT)


def _single(title: str, bill: Bill) -> Table:
    table = _table(title, "USD")
    for line in bill.lines:
        table.add_row(line.title, f"{line.usd:,.2f}")
    table.add_section()
    table.add_row("Total", f"{bill.total:,.2f}")
    return table


def _side_by_side(bills: Mapping[str, Bill]) -> Table:
    table = _table("Stacks as their examples build them", *bills)
    titles = dict.fromkeys(line.title for bill in bills.values() for line in bill.lines)
    for title in titles:
        amounts = [bill.of(title) for bill in bills.values()]
        table.add_row(title, *("–" if usd is None else f"{usd:,.2f}" for usd in amounts))
    table.add_section()
    table.add_row("Total", *(f"{bill.total:,.2f}" for bill in bills.values()))
    return table


def _itemised(bill: Bill) -> Table:
    table = _table("Item", "quantity", "unit", "USD")
    for line in bill.lines:
        table.add_row(line.title, "", "", f"{line.usd:,.2f}")
        for item in line.items:
            unit = f"for {prices.HOURS} h" if item.unit == "hour" else item.unit
            table.add_row(f"  {item.key}", f"{item.quantity.normalize():,f}", unit, f"{cents(item.usd):,}")
    table.add_section()
    table.add_row("Total", "", "", f"{bill.total:,.2f}")
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(title)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _data(bills: Mapping[str, Bill], usage: Usage, table: prices.PriceTable) -> dict[str, Any]:
    """Amounts are strings of USD, so that no reader rounds them."""
    return {
        "currency": "USD",
        "period": "month",
        "prices": {"name": table.name, "region": table.region, "dated": table.dated.isoformat()},
        "usage": usage_data(usage),
        "bills": {name: _bill(bill) for name, bill in bills.items()},
        "note": CAVEAT,
    }


def _bill(bill: Bill) -> dict[str, Any]:
    lines = [
        {
            "title": line.title,
            "usd": str(line.usd),
            "items": [
                {
                    "key": item.key,
                    "quantity": f"{item.quantity.normalize():f}",
                    "per": item.unit,
                    "usd": f"{item.usd:f}",
                }
                for item in line.items
            ],
        }
        for line in bill.lines
    ]
    return {"total": str(bill.total), "lines": lines, "unpriced": list(bill.unpriced)}

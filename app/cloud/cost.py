"""From quantities and prices to a monthly bill, in Decimal and to the cent.

An estimate: without taxes, discounts and the free tier, and with traffic as assumed. What has no price in the table is
named in the bill, never left out in silence.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from importlib import resources
from typing import Any

from app.cloud.prices import PriceTable

CENT = Decimal("0.01")
SECONDS = Decimal(730 * 3600)  # of a month
REFRESH_S = Decimal(60)  # between looks for rotated secrets, unless SECRETS_REFRESH_S says otherwise

SECRETS_A_CALL = Decimal(20)

Quantities = Mapping[str, Decimal]  # how many, by key of the price table


@dataclass(frozen=True, slots=True)
class Usage:
    """What no plan can know: a month's traffic. The defaults are the design's."""

    logs_gb: Decimal = Decimal("7.5")
    nat_gb: Decimal = Decimal(140)
    transfer_gb: Decimal = Decimal("17.5")
    flow_logs_gb: Decimal = Decimal(8)
    image_gb: Decimal = Decimal(5)
    storage_gb: Decimal = Decimal(5)
    lcu_hours: Decimal = Decimal(575)
    metrics: Decimal = Decimal(30)  # custom ones: Container Insights, the bot's own
    secrets_refresh_s: Decimal | None = None  # as the stack's settings say


@dataclass(frozen=True, slots=True)
class Stack:
    """What stands there all month, as counted in a plan or a state."""

    quantities: Quantities
    unpriced: tuple[str, ...] = ()  # resource types that nobody has said a price of
    secrets_refresh_s: Decimal = REFRESH_S  # SECRETS_REFRESH_S of its tasks


@dataclass(frozen=True, slots=True)
class Item:
    key: str
    quantity: Decimal
    unit: str
    usd: Decimal  # exact


@dataclass(frozen=True, slots=True)
class Line:
    title: str
    usd: Decimal  # rounded to the cent
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Bill:
    """USD a month. The total is the sum of the rounded lines, as on an invoice."""

    lines: tuple[Line, ...]
    unpriced: tuple[str, ...] = ()

    @property
    def total(self) -> Decimal:
        return sum((line.usd for line in self.lines), Decimal(0))

    def of(self, title: str) -> Decimal | None:
        return next((line.usd for line in self.lines if line.title == title), None)


# What the design's cost table counts, its traffic included. Its database has a standby, its cache has none.
DESIGN_QUANTITIES: Quantities = {
    "nat.gateway": Decimal(2),
    "nat.gb": Decimal(140),
    "fargate.vcpu": Decimal(2),
    "fargate.gb": Decimal(4),
    "rds.db.t4g.micro": Decimal(2),
    "alb": Decimal(1),
    "alb.lcu_hours": Decimal(575),
    "redis.cache.t4g.micro": Decimal(1),
    "ecr.gb": Decimal(5),
    "logs.gb": Decimal("7.5"),
    "secret": Decimal(8),
    "flow_logs.gb": Decimal(8),
    "transfer.gb": Decimal("17.5"),
}


def used(stack: Quantities, usage: Usage) -> Quantities:
    """The stack with its traffic: what flows through something that is not there costs nothing."""
    traffic = {
        "nat.gb": usage.nat_gb if stack.get("nat.gateway") else Decimal(0),
        "alb.lcu_hours": usage.lcu_hours if stack.get("alb") else Decimal(0),
        "ecr.gb": usage.image_gb,
        "logs.gb": usage.logs_gb,
        "flow_logs.gb": usage.flow_logs_gb if stack.get("flow_log") else Decimal(0),
        "transfer.gb": usage.transfer_gb,
        "s3.gb": usage.storage_gb,
        "metric": stack.get("metric", Decimal(0)) + usage.metrics,
        **_looks(stack, usage.secrets_refresh_s or REFRESH_S),
    }
    return {key: quantity for key, quantity in {**stack, **traffic}.items() if key not in COUNTED_ONLY}


# Told by a plan because traffic depends on them; they have no price of their own.
COUNTED_ONLY = ("task", "flow_log")


def _looks(stack: Quantities, refresh_s: Decimal) -> Quantities:
    """Every task reads every secret once in `refresh_s` seconds: a batch a call, and one decryption each."""
    secrets, tasks = stack.get("secret", Decimal(0)), stack.get("task", Decimal(0))
    looks = tasks * SECONDS / refresh_s
    return {
        "secret.calls": looks * (secrets / SECRETS_A_CALL).to_integral_value(ROUND_CEILING),
        "kms.calls": looks * secrets,
    }


def price(quantities: Quantities, table: PriceTable, unpriced: Iterable[str] = ()) -> Bill:
    """The bill, its lines in the table's order. Keys that the table lacks are told as unpriced."""
    lines: dict[str, list[Item]] = {}
    for key, one in table.prices.items():
        if quantity := quantities.get(key):
            item = Item(key, quantity, one.unit, quantity * one.usd_a_month)
            lines.setdefault(one.line, []).append(item)
    missing = {key for key, quantity in quantities.items() if quantity and key not in table.prices}
    return Bill(
        tuple(
            Line(title, cents(sum((item.usd for item in items), Decimal(0))), tuple(items))
            for title, items in lines.items()
        ),
        tuple(sorted({*unpriced, *missing})),
    )


def design_bill(table: PriceTable) -> Bill:
    """The design's cost table."""
    return price(DESIGN_QUANTITIES, table)


def stack_bill(stack: Stack, usage: Usage, table: PriceTable) -> Bill:
    usage = replace(usage, secrets_refresh_s=usage.secrets_refresh_s or stack.secrets_refresh_s)
    return price(used(stack.quantities, usage), table, stack.unpriced)


def shipped_stacks() -> dict[str, Stack]:
    """What the example settings of dev, staging and prod build, counted in their real plans by `make tf-e2e`."""
    told = json.loads((resources.files("app.cloud") / "stacks.json").read_text())
    return {name: stack_from(one) for name, one in told.items()}


def stack_from(told: Mapping[str, Any]) -> Stack:
    """The reverse of `stack_data`."""
    quantities = {key: Decimal(quantity) for key, quantity in told["quantities"].items()}
    return Stack(quantities, tuple(told["unpriced"]), Decimal(told["secrets_refresh_s"]))


def stack_data(stack: Stack) -> dict[str, Any]:
    """A stack as JSON data, in one order whatever the plan's was."""
    quantities = {key: format(stack.quantities[key].normalize(), "f") for key in sorted(stack.quantities)}
    refresh_s = format(stack.secrets_refresh_s.normalize(), "f")
    return {"quantities": quantities, "unpriced": list(stack.unpriced), "secrets_refresh_s": refresh_s}


def usage_data(usage: Usage) -> dict[str, str]:
    told = {one.name: getattr(usage, one.name) for one in fields(usage)}
    return {name: str(value) for name, value in told.items() if value is not None}


def cents(usd: Decimal) -> Decimal:
    """Half a cent is rounded up, as on an invoice."""
    return usd.quantize(CENT, ROUND_HALF_UP)

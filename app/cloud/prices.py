"""What AWS charges a unit: one dated table, as data.

Prices change, differ by region and are rounded here: a bill computed from them is an estimate. The first block is
worked back from the monthly figures of the design's cost table, which gives no unit prices: round figures near the
public on-demand prices of ap-southeast-2. The second block is what that table leaves out of the stack, at the same
level. Nothing here is an offer, and nothing was asked of AWS; `load` reads a table of your own.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from app.domain.errors import OperatorError

HOURS = Decimal(730)  # of a month, as AWS counts
ARM_SHARE = Decimal("0.8")  # of the price on x86
SPOT_SHARE = Decimal("0.3")

# Line of the bill, unit that is counted, USD a unit. What is counted by the hour is multiplied by HOURS.
Row = tuple[str, str, str]

IN_THE_DESIGN: dict[str, Row] = {
    "nat.gateway": ("NAT gateways", "hour", "0.06"),
    "nat.gb": ("NAT gateways", "GB", "0.06"),
    "fargate.vcpu": ("Fargate tasks", "hour", "0.0413"),
    "fargate.gb": ("Fargate tasks", "hour", "0.0045"),
    "rds.db.t4g.micro": ("RDS PostgreSQL", "hour", "0.021"),
    "alb": ("Load balancer", "hour", "0.0252"),
    "alb.lcu_hours": ("Load balancer", "LCU-hour", "0.008"),
    "redis.cache.t4g.micro": ("ElastiCache Redis", "hour", "0.022"),
    "ecr.gb": ("Image registry", "GB", "0.10"),
    "logs.gb": ("Logs", "GB", "0.67"),
    "secret": ("Secrets", "secret", "0.40"),
    "flow_logs.gb": ("Flow logs", "GB", "0.25"),
    "transfer.gb": ("Data transfer", "GB", "0.114"),
}

BESIDE_THE_DESIGN: dict[str, Row] = {
    "rds.db.t4g.small": ("RDS PostgreSQL", "hour", "0.042"),
    "rds.db.t4g.medium": ("RDS PostgreSQL", "hour", "0.084"),
    "rds.db.t4g.large": ("RDS PostgreSQL", "hour", "0.168"),
    "rds.db.m7g.large": ("RDS PostgreSQL", "hour", "0.218"),
    "rds.storage_gb": ("RDS PostgreSQL", "GB", "0.138"),
    "redis.cache.t4g.small": ("ElastiCache Redis", "hour", "0.044"),
    "redis.cache.t4g.medium": ("ElastiCache Redis", "hour", "0.088"),
    "redis.cache.m7g.large": ("ElastiCache Redis", "hour", "0.197"),
    "secret.calls": ("Secrets", "call", "0.000005"),
    "kms.key": ("Encryption keys", "key", "1.00"),
    "kms.calls": ("Encryption keys", "call", "0.000003"),
    "public_ip": ("Public addresses", "hour", "0.005"),
    "waf.acl": ("Firewall", "list", "5.00"),
    "waf.rule": ("Firewall", "rule", "1.00"),
    "alarm": ("Alarms, metrics, dashboards", "alarm", "0.10"),
    "alarm.composite": ("Alarms, metrics, dashboards", "alarm", "0.50"),
    "dashboard": ("Alarms, metrics, dashboards", "dashboard", "3.00"),
    "metric": ("Alarms, metrics, dashboards", "metric", "0.30"),
    "endpoint": ("Interface endpoints", "hour", "0.013"),
    "s3.gb": ("Storage", "GB", "0.025"),
    "dns.zone": ("DNS zones", "zone", "0.50"),
}


@dataclass(frozen=True, slots=True)
class Price:
    line: str  # of the bill
    unit: str
    usd: Decimal

    @property
    def usd_a_month(self) -> Decimal:
        """For one, all month long; or for one of what is counted by use."""
        return self.usd * HOURS if self.unit == "hour" else self.usd


def _price(row: Row) -> Price:
    line, unit, usd = row
    return Price(line, unit, Decimal(usd))


def _with_variants(prices: dict[str, Price]) -> dict[str, Price]:
    """Fargate on ARM and on spare capacity, as shares of the plain price."""
    for what in ("vcpu", "gb"):
        plain = prices[f"fargate.{what}"]
        for kind, share in (("arm", ARM_SHARE), ("spot", SPOT_SHARE), ("arm_spot", ARM_SHARE * SPOT_SHARE)):
            prices[f"fargate.{kind}.{what}"] = Price(plain.line, plain.unit, plain.usd * share)
    return prices


@dataclass(frozen=True)
class PriceTable:
    name: str
    region: str
    dated: date  # the day it was written down
    prices: Mapping[str, Price] = field(repr=False)


DESIGN = PriceTable(
    name="design",
    region="ap-southeast-2",
    dated=date(2026, 11, 21),
    prices=_with_variants({key: _price(row) for key, row in (IN_THE_DESIGN | BESIDE_THE_DESIGN).items()}),
)


_SHAPE = '{"name": "mine", "region": "eu-west-1", "dated": "2026-01-31", "usd": {"nat.gateway": "0.048"}}'


def load(path: Path, base: PriceTable = DESIGN) -> PriceTable:
    """`base` with the prices of a file: {"name", "region", "dated", "usd": {key: "price"}}.

    A key that `base` lacks must be an instance class, such as rds.db.r7g.large. Raises OperatorError.
    """
    try:
        told = json.loads(path.read_text())
        changed = {key: _changed(key, str(usd), base) for key, usd in told["usd"].items()}
        dated = date.fromisoformat(told["dated"])
        prices = {**_with_variants({**base.prices, **changed}), **changed}
        return PriceTable(str(told["name"]), str(told["region"]), dated, prices)
    except OSError as error:
        raise OperatorError(f"--prices {path}: {error.strerror}") from None
    except KeyError as error:
        raise OperatorError(f"--prices {path} must look like {_SHAPE}; it lacks {error}") from None
    except (TypeError, AttributeError):
        raise OperatorError(f"--prices {path} must look like {_SHAPE}; it has another form") from None
    except ValueError as error:
        raise OperatorError(f"--prices {path} must look like {_SHAPE}; it does not: {error}") from None


def _changed(key: str, text: str, base: PriceTable) -> Price:
    try:
        usd = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{key}: {text} is no price") from None
    if not usd.is_finite() or usd < 0:
        raise ValueError(f"{key}: {text} is no price")
    if known := base.prices.get(key):
        return Price(known.line, known.unit, usd)
    for family in ("rds.db.", "redis.cache."):
        if key.startswith(family):
            like = base.prices[f"{family}t4g.micro"]
            return Price(like.line, like.unit, usd)
    raise ValueError(f"there is no {key}")

"""From `terraform show -json` of a plan or a state to quantities that have a price.

Every resource type is either counted here, or known to cost nothing by itself, or named as unpriced.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from app.cloud.cost import REFRESH_S, Stack
from app.domain.errors import OperatorError

Counted = Iterator[tuple[str, Decimal]]  # key of the price table, how many
MB_A_GB = Decimal(1024)
CPU_UNITS = Decimal(1024)  # of one vCPU


@dataclass(frozen=True, slots=True)
class Resource:
    address: str
    type: str
    name: str
    index: str
    values: Mapping[str, Any]  # what a plan does not know yet is absent

    @property
    def module(self) -> str:
        return self.address.rpartition(f"{self.type}.")[0]


def managed(document: Mapping[str, Any]) -> list[Resource]:
    """The resources of a plan's outcome or of a state, modules included. Raises OperatorError when it is neither."""
    root = (document.get("planned_values") or document.get("values") or {}).get("root_module")
    if not isinstance(root, Mapping):
        raise OperatorError("this is neither a plan nor a state: write it with terraform show -json PLANFILE")
    return list(_walk(root))


def _walk(module: Mapping[str, Any]) -> Iterator[Resource]:
    for one in module.get("resources", ()):
        if one["mode"] == "managed":
            index = str(one.get("index", ""))
            yield Resource(one["address"], one["type"], one["name"], index, one.get("values") or {})
    for child in module.get("child_modules", ()):
        yield from _walk(child)


def count(document: Mapping[str, Any]) -> Stack:
    """What stands there, in the price table's keys. Raises OperatorError for a document of another kind."""
    resources = managed(document)
    quantities: dict[str, Decimal] = defaultdict(Decimal)
    unpriced: set[str] = set()
    for one in resources:
        if one.type == "aws_ecs_service":
            counted = _service(one, _definition(one, resources))
        elif one.type in COUNTERS:
            counted = COUNTERS[one.type](one.values)
        else:
            if not one.type.startswith(FREE):
                unpriced.add(one.type)
            continue
        for key, quantity in counted:
            quantities[key] += quantity
    counted_ones = {key: quantity for key, quantity in quantities.items() if quantity}
    return Stack(counted_ones, tuple(sorted(unpriced)), _refresh_s(document, resources))


def _refresh_s(document: Mapping[str, Any], resources: Sequence[Resource]) -> Decimal:
    """SECRETS_REFRESH_S: what a plan was given, or what the tasks of a state are told."""
    settings = (document.get("variables") or {}).get("settings") or {}
    told = dict(settings.get("value") or {})
    for one in resources:
        for container in json.loads(one.values.get("container_definitions") or "[]"):
            told |= {each["name"]: each.get("value") for each in container.get("environment") or ()}
    try:
        return Decimal(told["SECRETS_REFRESH_S"])
    except (KeyError, InvalidOperation):
        return REFRESH_S


# --- what is counted ---------------------------------------------------------------------------------------


def _number(values: Mapping[str, Any], name: str, default: int) -> Decimal:
    found = values.get(name)
    return Decimal(str(found if found is not None else default))


def _each(key: str) -> Callable[[Mapping[str, Any]], Counted]:
    def counted(_: Mapping[str, Any]) -> Counted:
        yield key, Decimal(1)

    return counted


def _database(values: Mapping[str, Any]) -> Counted:
    copies = Decimal(2 if values.get("multi_az") else 1)
    yield f"rds.{values['instance_class']}", copies
    yield "rds.storage_gb", copies * _number(values, "allocated_storage", 20)
    if values.get("manage_master_user_password"):
        yield "secret", Decimal(1)


def _cache(values: Mapping[str, Any]) -> Counted:
    yield f"redis.{values['node_type']}", _number(values, "num_cache_clusters", 1)


def _balancer(values: Mapping[str, Any]) -> Counted:
    yield "alb", Decimal(1)
    if not values.get("internal"):
        yield "public_ip", Decimal(len(values.get("subnets") or ()) or 2)


def _firewall(values: Mapping[str, Any]) -> Counted:
    yield "waf.acl", Decimal(1)
    yield "waf.rule", Decimal(len(values.get("rule") or ()))


def _endpoint(values: Mapping[str, Any]) -> Counted:
    if values.get("vpc_endpoint_type") == "Interface":
        yield "endpoint", Decimal(len(values.get("subnet_ids") or ()) or 2)


def _scaling(values: Mapping[str, Any]) -> Counted:
    """Target tracking makes two alarms of its own: one to scale out, one to scale in."""
    if values.get("policy_type") == "TargetTrackingScaling":
        yield "alarm", Decimal(2)


COUNTERS: Mapping[str, Callable[[Mapping[str, Any]], Counted]] = {
    "aws_nat_gateway": _each("nat.gateway"),
    "aws_eip": _each("public_ip"),
    "aws_flow_log": _each("flow_log"),
    "aws_db_instance": _database,
    "aws_elasticache_replication_group": _cache,
    "aws_lb": _balancer,
    "aws_wafv2_web_acl": _firewall,
    "aws_vpc_endpoint": _endpoint,
    "aws_secretsmanager_secret": _each("secret"),
    "aws_kms_key": _each("kms.key"),
    "aws_cloudwatch_metric_alarm": _each("alarm"),
    "aws_cloudwatch_composite_alarm": _each("alarm.composite"),
    "aws_cloudwatch_dashboard": _each("dashboard"),
    "aws_cloudwatch_log_metric_filter": _each("metric"),
    "aws_appautoscaling_policy": _scaling,
    "aws_service_discovery_private_dns_namespace": _each("dns.zone"),
}

# No charge by themselves, or by use, a few cents a month at hundreds of alerts a day (queue, functions, topic, API).
FREE = (
    "terraform_data",
    "aws_acm_",
    "aws_apigatewayv2_",
    "aws_appautoscaling_",
    "aws_budgets_",
    "aws_cloudwatch_event_",
    "aws_cloudwatch_log_group",
    "aws_cloudwatch_log_resource_policy",
    "aws_cloudwatch_query_definition",
    "aws_db_parameter_group",
    "aws_db_subnet_group",
    "aws_default_",
    "aws_ecr_",
    "aws_ecs_",
    "aws_elasticache_parameter_group",
    "aws_elasticache_subnet_group",
    "aws_elasticache_user",
    "aws_iam_",
    "aws_internet_gateway",
    "aws_kms_alias",
    "aws_lambda_",
    "aws_lb_",
    "aws_route",
    "aws_s3_",
    "aws_scheduler_",
    "aws_secretsmanager_secret_",
    "aws_security_group",
    "aws_service_discovery_",
    "aws_sns_",
    "aws_sqs_",
    "aws_ssm_parameter",
    "aws_subnet",
    "aws_vpc",
    "aws_wafv2_",
)


# --- tasks ---------------------------------------------------------------------------------------------------


def _definition(service: Resource, resources: list[Resource]) -> Mapping[str, Any]:
    """The task definition a service runs: by its family once known, before that by its name in the same module."""
    definitions = [one for one in resources if one.type == "aws_ecs_task_definition"]
    named = str(service.values.get("task_definition") or "").rpartition("/")[2].partition(":")[0]
    for one in definitions:
        if named and named == one.values.get("family"):
            return one.values
    for one in definitions:
        if one.module == service.module and (one.index, one.name) in (
            (service.index, service.name),
            (service.name, one.name),
            (service.index, "this"),
        ):
            return one.values
    raise OperatorError(f"{service.address}: the plan has no task definition of that name, so its price is unknown")


def _service(service: Resource, definition: Mapping[str, Any]) -> Counted:
    tasks = _number(service.values, "desired_count", 1)
    platform = definition.get("runtime_platform") or [{}]
    arm = "arm" if platform[0].get("cpu_architecture") == "ARM64" else ""
    spare = _on_spare_capacity(tasks, service.values.get("capacity_provider_strategy") or [])
    for kind, running in (("", tasks - spare), ("spot", spare)):
        family = "_".join(word for word in (arm, kind) if word)
        prefix = f"fargate.{family}." if family else "fargate."
        yield f"{prefix}vcpu", running * _number(definition, "cpu", 256) / CPU_UNITS
        yield f"{prefix}gb", running * _number(definition, "memory", 512) / MB_A_GB
    yield "task", tasks


def _on_spare_capacity(tasks: Decimal, strategy: list[Mapping[str, Any]]) -> Decimal:
    """How many tasks run on Fargate Spot: the base first goes where it is set, the rest by weight."""
    spot = [one for one in strategy if one["capacity_provider"] == "FARGATE_SPOT"]
    bases = sum((_number(one, "base", 0) for one in strategy), Decimal(0))
    weights = sum((_number(one, "weight", 0) for one in strategy), Decimal(0))
    based = min(tasks, sum((_number(one, "base", 0) for one in spot), Decimal(0)))
    rest = max(tasks - bases, Decimal(0))
    weight = sum((_number(one, "weight", 0) for one in spot), Decimal(0))
    return based + (rest * weight / weights if weights else Decimal(0))

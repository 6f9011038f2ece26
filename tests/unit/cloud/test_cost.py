import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cloud import prices
from app.cloud.cost import DESIGN_QUANTITIES, Stack, Usage, design_bill, price, stack_bill, stack_data, stack_from, used
from app.cloud.cost_count import count
from app.cloud.prices import DESIGN
from app.commands.aws import app
from app.domain.errors import OperatorError

# The cost table of the design, to the cent.
DESIGN_TABLE = {
    "NAT gateways": "96.00",
    "Fargate tasks": "73.44",
    "RDS PostgreSQL": "30.66",
    "Load balancer": "23.00",
    "ElastiCache Redis": "16.06",
    "Image registry": "0.50",
    "Logs": "5.03",
    "Secrets": "3.20",
    "Flow logs": "2.00",
    "Data transfer": "2.00",
}


def resource(kind: str, name: str = "this", index: str | None = None, module: str = "module.ecs.", **values) -> dict:
    key = f'["{index}"]' if index else ""
    told = {"address": f"{module}{kind}.{name}{key}", "mode": "managed", "type": kind, "name": name, "values": values}
    return told | ({"index": index} if index else {})


def plan(*resources: dict) -> dict:
    """As terraform show -json writes it: half of them in a module."""
    middle = len(resources) // 2
    child = {"address": "module.ecs", "resources": list(resources[middle:])}
    return {"planned_values": {"root_module": {"resources": list(resources[:middle]), "child_modules": [child]}}}


def counted(*resources: dict) -> dict[str, Decimal]:
    return dict(count(plan(*resources)).quantities)


# --- the design's table -------------------------------------------------------------------------------------


def test_the_design_s_prices_give_the_design_s_table() -> None:
    bill = design_bill(DESIGN)
    assert {line.title: str(line.usd) for line in bill.lines} == DESIGN_TABLE
    assert bill.total == Decimal("251.89")
    assert not bill.unpriced


def test_a_line_is_rounded_once_and_half_a_cent_up() -> None:
    """7.5 GB of logs at 0.67 are 5.025; banker's rounding would say 5.02."""
    assert price({"logs.gb": Decimal("7.5")}, DESIGN).total == Decimal("5.03")
    assert price({"logs.gb": Decimal("0.01")}, DESIGN).total == Decimal("0.01")


def test_what_has_no_price_is_named() -> None:
    bill = price({"rds.db.r9.huge": Decimal(1), "alarm": Decimal(0)}, DESIGN, ["aws_new_thing"])
    assert bill.total == 0
    assert bill.unpriced == ("aws_new_thing", "rds.db.r9.huge")


# --- traffic ------------------------------------------------------------------------------------------------


def test_traffic_through_what_is_not_there_costs_nothing() -> None:
    quantities = used({"secret": Decimal(2)}, Usage())
    assert quantities["nat.gb"] == quantities["alb.lcu_hours"] == quantities["flow_logs.gb"] == 0
    assert quantities["logs.gb"] == Decimal("7.5")


def test_every_task_reads_every_secret_all_month() -> None:
    """730 hours have 43,800 minutes; up to 20 secrets come with one call, and each is decrypted."""
    stack = {"secret": Decimal(15), "task": Decimal(2)}
    quantities = used(stack, Usage(secrets_refresh_s=Decimal(60)))
    assert quantities["secret.calls"] == 2 * 43_800
    assert quantities["kms.calls"] == 15 * 2 * 43_800
    assert used(stack, Usage(secrets_refresh_s=Decimal(600)))["kms.calls"] == 15 * 2 * 4_380
    assert used({"secret": Decimal(21), "task": Decimal(1)}, Usage())["secret.calls"] == 2 * 43_800


def test_more_traffic_costs_more_and_changes_no_other_line() -> None:
    stack = Stack({"nat.gateway": Decimal(1)})
    before = stack_bill(stack, Usage(), DESIGN)
    after = stack_bill(stack, replace(Usage(), nat_gb=Decimal(240)), DESIGN)
    assert after.total - before.total == Decimal(100) * Decimal("0.06")
    assert after.of("NAT gateways") == Decimal("58.20")  # 43.80 for the gateway, 240 GB


# --- counting -----------------------------------------------------------------------------------------------


def test_a_plan_is_counted() -> None:
    found = counted(
        resource("aws_nat_gateway", index="a"),
        resource("aws_nat_gateway", index="b"),
        resource("aws_eip", index="a"),
        resource("aws_lb", internal=False, subnets=["subnet-a", "subnet-b"]),
        resource("aws_db_instance", instance_class="db.t4g.micro", multi_az=True, allocated_storage=20),
        resource("aws_elasticache_replication_group", node_type="cache.t4g.micro", num_cache_clusters=2),
        resource("aws_wafv2_web_acl", rule=[{}, {}, {}]),
        resource("aws_vpc_endpoint", vpc_endpoint_type="Gateway"),
        resource("aws_vpc_endpoint", index="logs", vpc_endpoint_type="Interface", subnet_ids=["a", "b"]),
        resource("aws_appautoscaling_policy", policy_type="TargetTrackingScaling"),
        resource("aws_cloudwatch_metric_alarm"),
        resource("aws_iam_role"),
    )
    assert found == {
        "nat.gateway": 2,
        "public_ip": 3,
        "alb": 1,
        "rds.db.t4g.micro": 2,
        "rds.storage_gb": 40,
        "redis.cache.t4g.micro": 2,
        "waf.acl": 1,
        "waf.rule": 3,
        "endpoint": 2,
        "alarm": 3,
    }


def test_the_managed_master_password_is_a_secret_too() -> None:
    found = counted(
        resource("aws_db_instance", instance_class="db.t4g.micro", manage_master_user_password=True),
        resource("aws_secretsmanager_secret"),
    )
    assert found["secret"] == 2


def test_tasks_are_counted_by_their_definition() -> None:
    definitions = [
        resource("aws_ecs_task_definition", index="api", cpu="512", memory="1024"),
        resource("aws_ecs_task_definition", index="worker", cpu="1024", memory="2048"),
    ]
    services = [
        resource("aws_ecs_service", index="api", desired_count=2),
        resource("aws_ecs_service", index="worker", desired_count=2),
    ]
    assert counted(*definitions, *services) == {"fargate.vcpu": 3, "fargate.gb": 6, "task": 4}


def test_a_known_definition_is_found_by_its_family() -> None:
    """A state knows the ARN; the resource's own name may be another."""
    arn = "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/bot-api:7"
    found = counted(
        resource("aws_ecs_task_definition", "other", family="bot-other", cpu="4096", memory="8192"),
        resource("aws_ecs_task_definition", "web", family="bot-api", cpu="256", memory="512"),
        resource("aws_ecs_service", "other", desired_count=1, task_definition=arn),
    )
    assert found["fargate.gb"] == Decimal("0.5")


def test_a_service_without_a_definition_is_refused() -> None:
    with pytest.raises(OperatorError, match=r"aws_ecs_service\.api"):
        counted(resource("aws_ecs_task_definition", "web"), resource("aws_ecs_service", "api", desired_count=1))


def test_arm_and_spare_capacity_are_cheaper() -> None:
    strategy = [
        {"capacity_provider": "FARGATE_SPOT", "weight": 3, "base": 0},
        {"capacity_provider": "FARGATE", "weight": 1, "base": 0},
    ]
    found = counted(
        resource(
            "aws_ecs_task_definition", cpu="1024", memory="2048", runtime_platform=[{"cpu_architecture": "ARM64"}]
        ),
        resource("aws_ecs_service", desired_count=4, capacity_provider_strategy=strategy),
    )
    assert found == {
        "fargate.arm_spot.vcpu": 3,
        "fargate.arm_spot.gb": 6,
        "fargate.arm.vcpu": 1,
        "fargate.arm.gb": 2,
        "task": 4,
    }
    assert DESIGN.prices["fargate.arm_spot.vcpu"].usd < DESIGN.prices["fargate.arm.vcpu"].usd
    assert DESIGN.prices["fargate.arm.vcpu"].usd < DESIGN.prices["fargate.vcpu"].usd


def test_a_state_is_counted_like_a_plan() -> None:
    told = plan(resource("aws_nat_gateway"), resource("aws_kms_key"))
    assert count({"values": told["planned_values"]}) == count(told)


def test_the_base_of_a_service_stays_on_full_price() -> None:
    strategy = [
        {"capacity_provider": "FARGATE", "base": 2, "weight": 1},
        {"capacity_provider": "FARGATE_SPOT", "base": None, "weight": 3},
    ]
    definition = resource("aws_ecs_task_definition", cpu="1024", memory="1024")

    def on_spare(tasks: int) -> Decimal:
        found = counted(
            definition, resource("aws_ecs_service", desired_count=tasks, capacity_provider_strategy=strategy)
        )
        return found.get("fargate.spot.vcpu", Decimal(0))

    assert [on_spare(1), on_spare(2), on_spare(6)] == [0, 0, 3]


def test_data_sources_cost_nothing_and_unknown_types_are_named() -> None:
    data = resource("aws_nat_gateway") | {"mode": "data"}
    found = count(plan(data, resource("aws_quantum_computer"), resource("aws_sqs_queue")))
    assert found == Stack({}, ("aws_quantum_computer",))


@pytest.mark.parametrize("document", [{}, {"planned_values": {}}, {"format_version": "1.2"}])
def test_another_document_is_refused(document: dict) -> None:
    with pytest.raises(OperatorError, match="terraform show -json"):
        count(document)


def test_how_often_secrets_are_looked_for_is_read_from_a_plan_and_from_a_state() -> None:
    assert count(plan(resource("aws_sqs_queue"))).secrets_refresh_s == 60
    given = plan(resource("aws_sqs_queue")) | {"variables": {"settings": {"value": {"SECRETS_REFRESH_S": "300"}}}}
    told = json.dumps([{"environment": [{"name": "SECRETS_REFRESH_S", "value": "300"}]}])
    for document in (given, plan(resource("aws_ecs_task_definition", container_definitions=told))):
        assert count(document).secrets_refresh_s == 300
    stack = Stack({"task": Decimal(1), "secret": Decimal(1)}, secrets_refresh_s=Decimal(300))
    slow, asked = stack_bill(stack, Usage(), DESIGN), stack_bill(stack, Usage(secrets_refresh_s=Decimal(60)), DESIGN)
    assert slow.total < asked.total


def test_a_stack_survives_json() -> None:
    stack = Stack({"nat.gateway": Decimal(2), "fargate.gb": Decimal("4.50")}, ("aws_x",))
    assert stack_from(json.loads(json.dumps(stack_data(stack)))) == stack


# --- prices of one's own --------------------------------------------------------------------------------------


def own_prices(folder: Path, **usd: str) -> Path:
    path = folder / "prices.json"
    path.write_text(json.dumps({"name": "mine", "region": "eu-west-1", "dated": "2026-01-31", "usd": usd}))
    return path


def test_prices_of_one_s_own_replace_those_of_the_table(tmp_path: Path) -> None:
    changed = {"nat.gateway": "0.048", "rds.db.r7g.large": "0.3", "fargate.vcpu": "0.04", "fargate.arm.gb": "0.001"}
    table = prices.load(own_prices(tmp_path, **changed))
    assert price({"nat.gateway": Decimal(1)}, table).total == Decimal("35.04")
    assert price({"rds.db.r7g.large": Decimal(1)}, table).of("RDS PostgreSQL") == Decimal("219.00")
    assert table.prices["fargate.arm.vcpu"].usd == Decimal("0.032")  # a share of the new price
    assert table.prices["fargate.arm.gb"].usd == Decimal("0.001")  # but what is given stays
    assert table.prices["secret"] == DESIGN.prices["secret"]
    assert (table.name, table.region) == ("mine", "eu-west-1")


@pytest.mark.parametrize("usd", [{"nat.gatewya": "1"}, {"alb": "-1"}, {"alb": "NaN"}, {"alb": "much"}])
def test_a_wrong_price_is_refused(tmp_path: Path, usd: dict[str, str]) -> None:
    with pytest.raises(OperatorError, match="must look like"):
        prices.load(own_prices(tmp_path, **usd))


@pytest.mark.parametrize(
    "text", ["", "[]", '{"usd": {}}', '{"usd": 3, "name": "x", "region": "x", "dated": "2026-01-31"}']
)
def test_a_malformed_price_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "prices.json").write_text(text)
    with pytest.raises(OperatorError, match="must look like"):
        prices.load(tmp_path / "prices.json")


# --- the command ----------------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["cost", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_prints_the_design_s_table_and_the_three_stacks() -> None:
    said = run()
    for title, usd in DESIGN_TABLE.items():
        assert f"{title} {usd}" in " ".join(said.split())
    assert "251.89" in said
    assert ["dev", "staging", "prod"] in [line.split()[-3:] for line in said.splitlines()]
    assert "An estimate" in said


def test_json_carries_exact_amounts_and_what_they_are_made_of() -> None:
    told = json.loads(run("--json", "--logs-gb", "10"))
    assert set(told["bills"]) == {"design", "dev", "staging", "prod"}
    assert told["bills"]["design"]["total"] == "251.89"
    assert told["usage"]["logs_gb"] == "10"
    for bill in told["bills"].values():
        assert Decimal(bill["total"]) == sum(Decimal(line["usd"]) for line in bill["lines"])
        assert bill["unpriced"] == []


def test_the_stacks_cost_more_from_dev_to_prod() -> None:
    """Dev, with everything that the design's table leaves out, is still below it; prod with its standbys is above."""
    bills = json.loads(run("--json"))["bills"]
    dev, staging, prod = (Decimal(bills[name]["total"]) for name in ("dev", "staging", "prod"))
    assert dev < Decimal("0.85") * Decimal("251.89")
    assert dev < staging < prod
    assert prod > 2 * dev


def test_a_plan_of_one_s_own_is_priced_item_by_item(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan(resource("aws_nat_gateway"), resource("aws_quantum_computer"))))
    said = run("--plan", str(path), "--nat-gb", "0")
    assert "43.80" in said
    assert "Not priced in plan: aws_quantum_computer" in said
    assert "251.89" not in said


@pytest.mark.parametrize(
    ("text", "why"), [("not json", "not JSON"), ("[]", "terraform show"), ("{}", "terraform show")]
)
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(OperatorError, match=why):
        run("--plan", str(path))
    with pytest.raises(OperatorError, match="No such file"):
        run("--plan", str(tmp_path / "absent.json"))


@pytest.mark.parametrize("options", [["--logs-gb", "much"], ["--nat-gb", "-1"], ["--secrets-refresh-s", "0"]])
def test_a_wrong_amount_is_refused(options: list[str]) -> None:
    assert CliRunner().invoke(app, ["cost", *options]).exit_code == 2


def test_the_design_counts_what_its_prices_know() -> None:
    assert set(DESIGN_QUANTITIES) == set(prices.IN_THE_DESIGN)

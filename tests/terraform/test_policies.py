"""Each policy notices what it is for, and leaves alone what may be."""

import json
from pathlib import Path

import pytest

from app.cloud.cost_count import Resource
from tests.terraform import permissions, policies
from tests.terraform.policies import POLICIES, Policy, violations


def made(kind: str, *, index: str = "", **values) -> Resource:
    return Resource(f"module.m.{kind}.this", kind, "this", index, values)


def role_policy(*statements: dict) -> Resource:
    return made("aws_iam_role_policy", policy=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


def allow(action, target, **more) -> dict:
    return {"Effect": "Allow", "Action": action, "Resource": target, **more}


def ingress(port: int, group: str = "sg-alb", net: str = "0.0.0.0/0", last: int | None = None) -> Resource:
    ports = {"from_port": port, "to_port": last or port, "ip_protocol": "tcp"}
    return made("aws_vpc_security_group_ingress_rule", cidr_ipv4=net, security_group_id=group, **ports)


def task(**container) -> Resource:
    one = {"name": "app", "image": IMAGE, "user": "10001:10001", "readonlyRootFilesystem": True, **container}
    return made("aws_ecs_task_definition", container_definitions=json.dumps([one]))


def environment(name: str, value: str) -> Resource:
    return task(environment=[{"name": name, "value": value}])


def trust(subject: str, **values) -> Resource:
    condition = {"StringLike": {"token.actions.githubusercontent.com:sub": subject}}
    statement = {"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition}
    return made("aws_iam_role", assume_role_policy=json.dumps({"Statement": statement}), **values)


def schedule(name: str, value: str) -> Resource:
    started = {"containerOverrides": [{"name": "backup", "environment": [{"name": name, "value": value}]}]}
    return made("aws_scheduler_schedule", target=[{"input": json.dumps(started)}])


IMAGE = f"registry.example/bot@sha256:{'a' * 64}"
ALB = made("aws_lb", security_groups=["sg-alb"])
ROLE = "arn:aws:iam::123456789012:role/bot-task"
TO_ECS = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
KEY_POLICY = {"Statement": [allow("kms:*", "*", Principal={"AWS": "arn:aws:iam::123456789012:root"})]}
ENDPOINT = made("aws_vpc_endpoint", policy=json.dumps({"Statement": [allow("*", "*", Principal="*")]}))
BLOCKED = dict.fromkeys(
    ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"), True
)
BUCKET = made("aws_s3_bucket", bucket="logs")
SEALED = made("aws_s3_bucket_server_side_encryption_configuration", bucket="logs")

# policy, resources that break it, resources that do not
SEEDS: list[tuple[Policy, list[Resource], list[Resource]]] = [
    (policies.only_the_balancer_is_open, [ALB, ingress(22)], [ALB, ingress(443), ingress(80)]),
    (policies.only_the_balancer_is_open, [ALB, ingress(443, group="sg-db")], [ALB, ingress(5432, net="10.0.0.0/16")]),
    (policies.only_the_balancer_is_open, [ALB, ingress(80, last=443)], [ALB]),
    (
        policies.only_the_balancer_is_open,
        [made("aws_vpc_security_group_ingress_rule", cidr_ipv6="::/0", ip_protocol="-1")],
        [made("aws_vpc_security_group_ingress_rule", cidr_ipv6="::/0", from_port=443, to_port=443, ip_protocol="tcp")],
    ),
    (
        policies.only_the_balancer_is_open,
        [made("aws_security_group", id="sg-1", ingress=[{"cidr_blocks": ["0.0.0.0/0"], "from_port": 1, "to_port": 2}])],
        [made("aws_security_group", id="sg-1", egress=[{"cidr_blocks": ["0.0.0.0/0"]}])],
    ),
    (
        policies.only_the_balancer_is_open,
        [
            made(
                "aws_security_group_rule",
                type="ingress",
                cidr_blocks=["0.0.0.0/0"],
                from_port=0,
                to_port=0,
                protocol="-1",
            )
        ],
        [
            made(
                "aws_security_group_rule",
                type="egress",
                cidr_blocks=["0.0.0.0/0"],
                from_port=0,
                to_port=0,
                protocol="-1",
            )
        ],
    ),
    (
        policies.default_groups_are_closed,
        [made("aws_default_security_group", ingress=[{"self": True}])],
        [made("aws_default_security_group", ingress=[], egress=[])],
    ),
    (
        policies.the_database_is_private,
        [made("aws_db_instance", publicly_accessible=True)],
        [made("aws_db_instance", publicly_accessible=False)],
    ),
    (
        policies.encrypted_listeners_are_modern,
        [made("aws_lb_listener", protocol="HTTPS", ssl_policy="ELBSecurityPolicy-2016-08")],
        [made("aws_lb_listener", protocol="HTTPS", ssl_policy="ELBSecurityPolicy-TLS13-1-2-2021-06")],
    ),
    (permissions.no_action_is_a_star, [role_policy(allow("*", ROLE))], [role_policy(allow("s3:GetObject", "*"))]),
    (permissions.no_action_is_a_star, [role_policy(allow(["s3:*"], "arn:aws:s3:::logs/*"))], [BUCKET]),
    (
        permissions.no_action_is_a_star,
        [role_policy({"Effect": "Allow", "NotAction": "iam:*", "Resource": ROLE})],
        [role_policy({"Effect": "Deny", "Action": "*", "Resource": "*"}), ENDPOINT],
    ),
    (
        permissions.no_action_is_a_star,
        [made("aws_kms_key", policy=json.dumps({"Statement": [allow("kms:*", "*", Principal="*")]}))],
        [made("aws_kms_key", policy=json.dumps(KEY_POLICY))],
    ),
    (
        permissions.writes_name_their_resource,
        [role_policy(allow("sqs:SendMessage", "*"))],
        [role_policy(allow(["ecr:GetAuthorizationToken", "ecs:DescribeTasks", "ecs:RegisterTaskDefinition"], "*"))],
    ),
    (
        permissions.writes_name_their_resource,
        [role_policy(allow("secretsmanager:GetSecretValue", "x"), allow("s3:Put*", ["x", "*"]))],
        [role_policy(allow("s3:PutObject", "arn:aws:s3:::backups/*"))],
    ),
    (
        permissions.passed_roles_are_named,
        [role_policy(allow("iam:PassRole", "*", Condition=TO_ECS))],
        [role_policy(allow("iam:PassRole", [ROLE], Condition=TO_ECS))],
    ),
    (
        permissions.passed_roles_are_named,
        [role_policy(allow("iam:PassRole", ROLE))],
        [role_policy(allow("iam:GetRole", "*"))],
    ),
    (
        permissions.passed_roles_are_named,
        [role_policy(allow(["iam:PassRole"], "arn:aws:iam::123456789012:role/bot-*", Condition=TO_ECS))],
        [],
    ),
    (
        permissions.trust_from_outside_is_bound,
        [trust("repo:owner/*"), trust("repo:owner/bot:*"), trust("*")],
        [trust("repo:owner/bot:environment:prod"), trust("repo:owner/bot:ref:refs/heads/main")],
    ),
    (
        permissions.sessions_outlast_the_jobs,
        [trust("repo:owner/bot:environment:prod", max_session_duration=60)],
        [trust("repo:owner/bot:environment:prod", max_session_duration=43200), made("aws_iam_role")],
    ),
    (
        policies.all_storage_is_encrypted,
        [made("aws_db_instance", storage_encrypted=False)],
        [made("aws_db_instance", storage_encrypted=True)],
    ),
    (
        policies.all_storage_is_encrypted,
        [made("aws_elasticache_replication_group", at_rest_encryption_enabled=True, transit_encryption_enabled=False)],
        [made("aws_elasticache_replication_group", at_rest_encryption_enabled="true", transit_encryption_enabled=True)],
    ),
    (
        policies.all_storage_is_encrypted,
        [made("aws_sqs_queue", kms_master_key_id=None, sqs_managed_sse_enabled=False)],
        [made("aws_sqs_queue", kms_master_key_id=None, sqs_managed_sse_enabled=True), made("aws_sns_topic")],
    ),
    (
        policies.all_storage_is_encrypted,
        [made("aws_cloudwatch_log_group", kms_key_id=None), made("aws_sns_topic", kms_master_key_id="")],
        [made("aws_cloudwatch_log_group", kms_key_id="arn:aws:kms:x")],
    ),
    (
        policies.all_storage_is_encrypted,
        [BUCKET, made("aws_s3_bucket", index="b", bucket="b"), SEALED],
        [BUCKET, SEALED],
    ),
    (
        policies.buckets_are_private,
        [BUCKET, made("aws_s3_bucket_public_access_block", bucket="logs", **{**BLOCKED, "ignore_public_acls": False})],
        [BUCKET, made("aws_s3_bucket_public_access_block", bucket="logs", **BLOCKED)],
    ),
    (policies.buckets_are_private, [BUCKET], []),
    (
        policies.every_alarm_acts,
        [made("aws_cloudwatch_metric_alarm", alarm_actions=[])],
        [made("aws_cloudwatch_metric_alarm", alarm_actions=["arn:topic"]), made("aws_cloudwatch_metric_alarm")],
    ),
    (
        policies.every_alarm_acts,
        [made("aws_cloudwatch_composite_alarm", alarm_actions=["arn:topic"], actions_enabled=False)],
        [made("aws_cloudwatch_composite_alarm", alarm_actions=["arn:topic"], actions_enabled=True)],
    ),
    (policies.no_secret_is_plain, [environment("OPENAI_API_KEY", "sk-1")], [environment("OPENAI_API_KEY", "")]),
    (
        policies.no_secret_is_plain,
        [environment("DATABASE_URL", "postgresql://bot:hunter2@db:5432/bot")],
        [environment("DATABASE_URL", "postgresql://bot@db:5432/bot?sslmode=require")],
    ),
    (
        policies.no_secret_is_plain,
        [environment("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic YTpi")],
        [environment("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otlp.example.com")],
    ),
    (
        policies.no_secret_is_plain,
        [environment("REDIS_URL", "rediss://:hunter2@cache:6379/0")],
        [environment("REDIS_URL", "rediss://cache:6379/0"), environment("X", "http://venue:8002/a?b=c:d@e")],
    ),
    (policies.no_secret_is_plain, [schedule("API_TOKEN", "x")], [schedule("LOG_LEVEL", "INFO")]),
    (
        policies.no_secret_is_plain,
        [made("aws_ssm_parameter", type="SecureString", value="x")],
        [made("aws_ssm_parameter", type="String", value="x")],
    ),
    (policies.no_secret_is_plain, [made("random_password")], [made("random_id")]),
    (
        policies.no_secret_is_plain,
        [made("aws_lambda_function", environment=[{"variables": {"WEBHOOK_SECRET": "x"}}])],
        [made("aws_lambda_function", environment=[{"variables": {"SECRETS_FROM_AWS": "WEBHOOK_SECRET=arn:x"}}])],
    ),
    (
        policies.no_secret_is_plain,
        [made("aws_secretsmanager_secret_version", secret_string="x"), made("aws_db_instance", password="x")],
        [made("aws_secretsmanager_secret_version", secret_string=None, secret_string_wo=None)],
    ),
    (policies.images_are_pinned, [task(image="registry.example/bot:latest")], [task()]),
    (
        policies.images_are_pinned,
        [made("aws_lambda_function", package_type="Image", image_uri="registry.example/bot:1")],
        [made("aws_lambda_function", package_type="Image", image_uri=IMAGE), made("aws_lambda_function")],
    ),
    (policies.containers_are_locked_down, [task(user="0:0"), task(readonlyRootFilesystem=False)], [task()]),
    (policies.containers_are_locked_down, [task(user=None)], []),
    (policies.containers_are_locked_down, [task(privileged=True)], []),
]


@pytest.mark.parametrize(("policy", "bad", "good"), SEEDS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_policy_notices_a_breach_and_nothing_else(policy: Policy, bad: list[Resource], good: list[Resource]) -> None:
    assert list(policy(bad))
    assert not list(policy(good))


def test_each_of_several_breaches_is_told() -> None:
    assert len(list(policies.containers_are_locked_down([task(user="root", readonlyRootFilesystem=False)]))) == 2
    assert len(list(permissions.trust_from_outside_is_bound(SEEDS_OF_TRUST))) == 3


SEEDS_OF_TRUST = next(bad for policy, bad, _ in SEEDS if policy is permissions.trust_from_outside_is_bound)


def test_every_secret_of_the_bot_is_noticed_in_plain() -> None:
    told = {name: list(policies.no_secret_is_plain([environment(name, "x")])) for name in policies.SECRET_SETTINGS}
    assert {"API_TOKEN", "DATABASE_PASSWORD", "OTEL_EXPORTER_OTLP_HEADERS"} <= told.keys()
    assert [name for name, found in told.items() if not found] == []


def test_the_longest_session_of_all_workflows_counts(tmp_path: Path) -> None:
    short, long = tmp_path / "short.yml", tmp_path / "long.yml"
    short.write_text("role-duration-seconds: 900\n")
    long.write_text('role-duration-seconds: 1200\n      role-duration-seconds: "5400" # two\n')
    assert permissions.longest_session([short, long]) == 5400
    short.write_text("on: push\n")
    assert permissions.longest_session([short]) == permissions.HOUR
    assert list(permissions.WORKFLOWS.glob("release.yml"))


def test_every_policy_is_run_and_has_a_seed() -> None:
    assert {policy for policy, _, _ in SEEDS} == set(POLICIES)
    told = violations([made("aws_db_instance", publicly_accessible=True, storage_encrypted=True)])
    assert told == ["the_database_is_private: module.m.aws_db_instance.this: has a public address"]

"""What must hold for every resource of a plan or a state, as small functions from resources to what breaks them.

A plan knows less than a state: what is not known yet is absent, and is judged after the apply. Run by the full cycle
(tests/terraform/e2e.py) on real plans and states; tested with planted violations.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import SecretStr

from app.cloud.cost_count import Resource
from app.settings.environment import Environment
from tests.terraform import permissions

Resources = Sequence[Resource]
Policy = Callable[[Resources], Iterator[str]]


def secret_fields() -> set[str]:
    """The settings of the bot that are kept as secrets."""
    return {
        name
        for name, one in Environment.model_fields.items()
        if SecretStr in (one.annotation, *get_args(one.annotation))
    }


ANYWHERE = {"0.0.0.0/0", "::/0"}
OPEN_PORTS = {80, 443}

# What looks like a secret by its name, and what the bot keeps as one.
SECRET_NAMES = re.compile(
    r"(?:SECRET_KEY|WEBHOOK_SECRET|ENCRYPTION_KEY|TOKEN|API_KEY|API_SECRET|PASSPHRASE|PASSWORD|PRIVATE_KEY|SENTRY_DSN)$"
)
# Secret for the password that may stand in them alone: PASSWORD_IN_URL judges them.
URLS = {"DATABASE_URL", "REDIS_URL"}
SECRET_SETTINGS = secret_fields() - URLS
PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
# Resource types whose secret is in the state however they are used.
KEPT_IN_STATE = {"random_password", "tls_private_key", "aws_iam_access_key", "aws_iam_user_login_profile"}
SECRET_ATTRIBUTES = ("secret_string", "password", "auth_token", "master_password", "passwords", "secret_binary")


# --- network -----------------------------------------------------------------------------------------------


def only_the_balancer_is_open(resources: Resources) -> Iterator[str]:
    """From anywhere, only 80 and 443, and only at the load balancer. A plan may not know a rule's group yet."""
    doors = {group for one in resources if one.type == "aws_lb" for group in one.values.get("security_groups") or ()}
    for one in resources:
        for rule in _ingress(one):
            wrong_door = rule.group is not None and rule.group not in doors
            if ANYWHERE & {*rule.networks} and (wrong_door or not rule.ports <= OPEN_PORTS):
                yield f"{one.address}: ports {min(rule.ports)} to {max(rule.ports)} are open to everybody"


@dataclass(frozen=True)
class _Ingress:
    group: str | None
    ports: frozenset[int]
    networks: tuple[str, ...]


def _ingress(one: Resource) -> Iterator[_Ingress]:
    values = one.values
    if one.type == "aws_vpc_security_group_ingress_rule":
        networks = tuple(net for net in (values.get("cidr_ipv4"), values.get("cidr_ipv6")) if net)
        yield _Ingress(values.get("security_group_id"), _ports(values), networks)
    elif one.type == "aws_security_group_rule" and values.get("type") == "ingress":
        yield _Ingress(values.get("security_group_id"), _ports(values), _networks(values))
    elif one.type in ("aws_security_group", "aws_default_security_group"):
        for rule in values.get("ingress") or ():
            yield _Ingress(values.get("id"), _ports(rule), _networks(rule))


def _networks(rule: Mapping[str, Any]) -> tuple[str, ...]:
    return (*(rule.get("cidr_blocks") or ()), *(rule.get("ipv6_cidr_blocks") or ()))


def _ports(rule: Mapping[str, Any]) -> frozenset[int]:
    first, last = rule.get("from_port"), rule.get("to_port")
    if str(rule.get("ip_protocol", rule.get("protocol"))) == "-1" or first is None or last is None:
        return frozenset({0, 65535})  # all of them, by their ends
    return frozenset(range(int(first), int(last) + 1))


def default_groups_are_closed(resources: Resources) -> Iterator[str]:
    for one in resources:
        if one.type == "aws_default_security_group" and (one.values.get("ingress") or one.values.get("egress")):
            yield f"{one.address}: the VPC's default security group lets traffic through"


def the_database_is_private(resources: Resources) -> Iterator[str]:
    for one in resources:
        if one.type == "aws_db_instance" and one.values.get("publicly_accessible"):
            yield f"{one.address}: has a public address"


def encrypted_listeners_are_modern(resources: Resources) -> Iterator[str]:
    for one in resources:
        policy = str(one.values.get("ssl_policy"))
        if one.type == "aws_lb_listener" and one.values.get("protocol") == "HTTPS" and "TLS13" not in policy:
            yield f"{one.address}: {policy} is not a TLS 1.3 policy"


# --- storage -------------------------------------------------------------------------------------------------

# Type, attribute that must be set, what is meant.
ENCRYPTED_BY = (
    ("aws_db_instance", ("storage_encrypted",), "storage"),
    ("aws_elasticache_replication_group", ("at_rest_encryption_enabled",), "storage"),
    ("aws_elasticache_replication_group", ("transit_encryption_enabled",), "traffic"),
    ("aws_sqs_queue", ("kms_master_key_id", "sqs_managed_sse_enabled"), "messages"),
    ("aws_ebs_volume", ("encrypted",), "storage"),
    ("aws_efs_file_system", ("encrypted",), "storage"),
)
# Encrypted by a key that is known only after the apply: in a plan the attribute is absent, in a state it is not empty.
ENCRYPTED_BY_KEY = {
    "aws_sns_topic": "kms_master_key_id",
    "aws_cloudwatch_log_group": "kms_key_id",
    "aws_secretsmanager_secret": "kms_key_id",
}


def all_storage_is_encrypted(resources: Resources) -> Iterator[str]:
    for one in resources:
        for kind, attributes, what in ENCRYPTED_BY:
            if one.type == kind and not any(_on(one, name) for name in attributes):
                yield f"{one.address}: {what} is not encrypted"
        key = ENCRYPTED_BY_KEY.get(one.type)
        if key and not _on(one, key):
            yield f"{one.address}: has no {key}"
    yield from _buckets_without(resources, "aws_s3_bucket_server_side_encryption_configuration", "encryption")


def _on(one: Resource, name: str) -> bool:
    """Set, or to be known later; False and null are neither."""
    return str(one.values.get(name, "known later")).lower() not in ("none", "false", "")


def buckets_are_private(resources: Resources) -> Iterator[str]:
    blocks = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    for one in resources:
        if one.type == "aws_s3_bucket_public_access_block":
            for name in blocks:
                if not one.values.get(name):
                    yield f"{one.address}: {name} is off"
    yield from _buckets_without(resources, "aws_s3_bucket_public_access_block", "public access block")


def _buckets_without(resources: Resources, kind: str, what: str) -> Iterator[str]:
    """By the bucket's name once it is known, before that by module and key."""
    names = {one.values["bucket"] for one in resources if one.type == kind and one.values.get("bucket")}
    places = {(one.module, one.index or one.name) for one in resources if one.type == kind}
    for one in resources:
        if one.type == "aws_s3_bucket":
            name = one.values.get("bucket")
            if name not in names and (one.module, one.index or one.name) not in places:
                yield f"{one.address}: has no {what}"


# --- alarms, secrets, images -----------------------------------------------------------------------------------


def every_alarm_acts(resources: Resources) -> Iterator[str]:
    for one in resources:
        if one.type in ("aws_cloudwatch_metric_alarm", "aws_cloudwatch_composite_alarm"):
            deaf = one.values.get("alarm_actions", ["known later"]) in (None, [])
            if deaf or one.values.get("actions_enabled") is False:
                yield f"{one.address}: tells nobody"


def no_secret_is_plain(resources: Resources) -> Iterator[str]:
    for one in resources:
        for name, value in _settings(one):
            named = name in SECRET_SETTINGS or SECRET_NAMES.search(name)
            if value and (named or PASSWORD_IN_URL.search(value)):
                yield f"{one.address}: {name} is told in plain"
        for name in SECRET_ATTRIBUTES:
            if one.values.get(name):
                yield f"{one.address}: {name} is in the state"
        if one.type in KEPT_IN_STATE or (one.type == "aws_ssm_parameter" and one.values.get("type") == "SecureString"):
            yield f"{one.address}: keeps a secret in the state"


def _settings(one: Resource) -> Iterator[tuple[str, str]]:
    """What containers and functions are told, also by whom starts a task: name and value."""
    for container in (*_containers(one), *_overrides(one)):
        for setting in container.get("environment") or ():
            yield setting["name"], str(setting.get("value") or "")
    if one.type == "aws_lambda_function":
        for block in one.values.get("environment") or ():
            for name, value in (block.get("variables") or {}).items():
                yield name, str(value or "")


def _overrides(one: Resource) -> list[Mapping[str, Any]]:
    """What a schedule or a rule changes in the containers of a task that it starts."""
    if one.type not in ("aws_scheduler_schedule", "aws_cloudwatch_event_target"):
        return []
    told = [one.values.get("input"), *(target.get("input") for target in one.values.get("target") or ())]
    return [each for text in told if text for each in json.loads(text).get("containerOverrides") or ()]


def images_are_pinned(resources: Resources) -> Iterator[str]:
    for one in resources:
        images = [container.get("image") for container in _containers(one)]
        if one.type == "aws_lambda_function" and one.values.get("package_type") == "Image":
            images.append(one.values.get("image_uri"))
        for image in images:
            if image and not re.search(r"@sha256:[0-9a-f]{64}$", image):
                yield f"{one.address}: {image} is not named by its digest"


def containers_are_locked_down(resources: Resources) -> Iterator[str]:
    """No root inside, nothing to write outside the volumes, no debugging port."""
    for one in resources:
        for container in _containers(one):
            if str(container.get("user") or "0").split(":")[0] in ("0", "root"):
                yield f"{one.address}: {container.get('name')} runs as root"
            if not container.get("readonlyRootFilesystem"):
                yield f"{one.address}: {container.get('name')} can write its root filesystem"
            if container.get("privileged"):
                yield f"{one.address}: {container.get('name')} is privileged"


def _containers(one: Resource) -> list[Mapping[str, Any]]:
    text = one.values.get("container_definitions") if one.type == "aws_ecs_task_definition" else None
    return json.loads(text) if text else []


POLICIES: tuple[Policy, ...] = (
    only_the_balancer_is_open,
    default_groups_are_closed,
    the_database_is_private,
    encrypted_listeners_are_modern,
    permissions.no_action_is_a_star,
    permissions.writes_name_their_resource,
    permissions.passed_roles_are_named,
    permissions.trust_from_outside_is_bound,
    permissions.sessions_outlast_the_jobs,
    all_storage_is_encrypted,
    buckets_are_private,
    every_alarm_acts,
    no_secret_is_plain,
    images_are_pinned,
    containers_are_locked_down,
)


def violations(resources: Resources) -> list[str]:
    """What breaks any policy, each with the policy's name."""
    return [f"{policy.__name__}: {what}" for policy in POLICIES for what in policy(resources)]

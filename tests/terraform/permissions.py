"""Policies over IAM: nobody may do everything, nobody writes everywhere, and roles are passed by name."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.cloud.cost_count import Resource
from tests.terraform.toolchain import ROOT

Resources = Sequence[Resource]

# Attributes that hold a policy document as JSON.
DOCUMENTS = ("policy", "assume_role_policy", "access_policies")
IDENTITY_POLICIES = ("aws_iam_policy", "aws_iam_role_policy", "aws_iam_user_policy", "aws_iam_group_policy")
READS = re.compile(r"^[\w-]+:(Describe|List|Get|BatchGet|BatchCheck)\w*$")

# Actions that change something and that AWS cannot, or not usefully, bind to one resource. Each with the reason.
UNBOUND_ACTIONS = {
    "ecs:RegisterTaskDefinition": "a revision has no ARN before it exists",
    "ecs:DeregisterTaskDefinition": "takes no resource in IAM",
    "ssmmessages:CreateControlChannel": "ECS exec; takes no resource in IAM",
    "ssmmessages:CreateDataChannel": "ECS exec; takes no resource in IAM",
    "ssmmessages:OpenControlChannel": "ECS exec; takes no resource in IAM",
    "ssmmessages:OpenDataChannel": "ECS exec; takes no resource in IAM",
    "ec2:CreateNetworkInterface": "a function's interface in the VPC has no ARN before it exists",
    "ec2:DeleteNetworkInterface": "the same interface, made by the service, named by nobody",
    "ec2:AssignPrivateIpAddresses": "the same interface",
    "ec2:UnassignPrivateIpAddresses": "the same interface",
    "cloudwatch:PutMetricData": "takes no resource in IAM",
    "xray:PutTraceSegments": "takes no resource in IAM",
    "xray:PutTelemetryRecords": "takes no resource in IAM",
}


@dataclass(frozen=True)
class _Statement:
    address: str
    identity: bool  # of a role; else of the resource it lies on
    actions: tuple[str, ...]
    targets: tuple[str, ...]
    condition: Mapping[str, Any]
    principal: Any


def _allowed(resources: Resources) -> Iterator[_Statement]:
    for one in resources:
        documents = [one.values.get(name) for name in DOCUMENTS]
        documents += [inline.get("policy") for inline in one.values.get("inline_policy") or ()]
        identity = one.type in IDENTITY_POLICIES
        if one.type == "aws_vpc_endpoint":
            continue  # its policy grants nothing: it narrows what IAM has granted, and AWS's default narrows nothing
        for text in documents:
            if not isinstance(text, str) or not text.startswith("{"):
                continue
            for statement in _listed(json.loads(text).get("Statement")):
                if statement.get("Effect") == "Allow":
                    yield _Statement(
                        one.address,
                        identity,
                        tuple(_listed(statement.get("Action"))) + _exclusions(statement, "NotAction"),
                        tuple(_listed(statement.get("Resource"))) + _exclusions(statement, "NotResource"),
                        statement.get("Condition") or {},
                        statement.get("Principal"),
                    )


def _listed(found: Any) -> list[Any]:
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


def _exclusions(statement: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """An allowance of everything but something is an allowance of everything."""
    return ("*",) if key in statement else ()


def no_action_is_a_star(resources: Resources) -> Iterator[str]:
    """`*` never; `service:*` only in a KMS key's policy, where it lets the account's own IAM decide."""
    for statement in _allowed(resources):
        for action in statement.actions:
            own_key = action == "kms:*" and not statement.identity and _is_account_root(statement.principal)
            if action == "*" or (action.endswith(":*") and not own_key):
                yield f"{statement.address}: allows {action}"


def _is_account_root(principal: Any) -> bool:
    users = _listed(principal.get("AWS")) if isinstance(principal, Mapping) else []
    return bool(users) and all(str(user).endswith(":root") for user in users)


def writes_name_their_resource(resources: Resources) -> Iterator[str]:
    for statement in _allowed(resources):
        if statement.identity and "*" in statement.targets:
            for action in statement.actions:
                if not READS.match(action) and action not in UNBOUND_ACTIONS:
                    yield f"{statement.address}: allows {action} on every resource"


def passed_roles_are_named(resources: Resources) -> Iterator[str]:
    """PassRole is how a small permission becomes a large one: it names roles, and the service that gets them."""
    for statement in _allowed(resources):
        if not any(action in ("iam:PassRole", "iam:*", "*") for action in statement.actions):
            continue
        unnamed = [target for target in statement.targets if "*" in target or ":role/" not in target]
        if unnamed or not statement.targets:
            yield f"{statement.address}: may pass {', '.join(unnamed) or 'any role'}"
        if "iam:PassedToService" not in json.dumps(statement.condition):
            yield f"{statement.address}: may pass a role to any service"


def trust_from_outside_is_bound(resources: Resources) -> Iterator[str]:
    """Who comes with a token from outside is bound to a repository and to an environment or a branch of it."""
    for statement in _allowed(resources):
        if "sts:AssumeRoleWithWebIdentity" not in statement.actions:
            continue
        subjects = re.findall(r'"(repo:[^"]*)"', json.dumps(statement.condition))
        if not subjects or any(re.match(r"repo:[^:]*\*|repo:[^:]+:?\*?$", subject) for subject in subjects):
            yield f"{statement.address}: is bound to {', '.join(subjects) or 'no repository'}"


WORKFLOWS = ROOT / ".github" / "workflows"
HOUR = 3600  # what aws-actions/configure-aws-credentials asks for when it is told nothing


def sessions_outlast_the_jobs(resources: Resources) -> Iterator[str]:
    """AWS refuses a job that asks for a longer session than its role allows: nothing is deployed by anybody."""
    asked = longest_session(sorted(WORKFLOWS.glob("*.y*ml")))
    for one in resources:
        by_token = "sts:AssumeRoleWithWebIdentity" in str(one.values.get("assume_role_policy"))
        allowed = int(one.values.get("max_session_duration") or HOUR)
        if one.type == "aws_iam_role" and by_token and allowed < asked:
            yield f"{one.address}: allows sessions of {allowed} s, and a workflow asks for {asked} s"


def longest_session(workflows: Iterable[Path]) -> int:
    """Seconds, the longest of all jobs that sign in."""
    texts = [path.read_text() for path in workflows]
    asked = [int(each) for text in texts for each in re.findall(r"role-duration-seconds:\s*[\"']?(\d+)", text)]
    return max(asked, default=HOUR)

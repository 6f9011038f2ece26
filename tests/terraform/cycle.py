"""One stack's life against a moto server: apply, nothing to do, a new image, drift, no secret left behind, destroy.

Each step is a method that returns what it found, or raises Failed. The order is that of e2e.py.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3

from app.cloud.cost import shipped_stacks, stack_data
from app.cloud.cost_count import Resource, count, managed
from tests.aws.server import CREDENTIALS, REGION
from tests.terraform import plans, policies
from tests.terraform.toolchain import CHANGES, NO_CHANGES, Failed, Terraform, Toolchain, copy_of_terraform
from tests.terraform.variants import DOMAIN, NEXT_IMAGE, PROTECTED, Variant, canaries

# Beside the root's own files: the stand-in instead of AWS, and the state in a file instead of a bucket.
PROVIDER_OVERRIDE = """provider "aws" {
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  s3_use_path_style           = true
  max_retries                 = 2
}
"""
BACKEND_OVERRIDE = """terraform {
  backend "local" {}
}
"""
SETTINGS = "e2e.tfvars.json"
DRIFT = "aws_cloudwatch_log_group"


@dataclass
class Cycle:
    variant: Variant
    tools: Toolchain
    home: Path
    url: str  # of the moto server
    zone: str = ""  # id of the domain's hosted zone
    secrets: dict[str, str] = field(default_factory=canaries)
    plan: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    terraform: Terraform = field(init=False)
    left_behind: Path = field(init=False)  # everything that Terraform printed or wrote

    def __post_init__(self) -> None:
        self.left_behind = self.home / "left-behind"
        self.left_behind.mkdir()
        self.terraform = Terraform(self.tools, copy_of_terraform(self.home), self.home, self._environment(self.secrets))

    def prepare(self) -> str:
        zone = self._client("route53").create_hosted_zone(Name=DOMAIN, CallerReference="e2e")["HostedZone"]["Id"]
        self.zone = zone.rpartition("/")[2]
        self._write_settings(self.variant.settings(self.zone))
        (self.terraform.folder / "e2e_override.tf").write_text(BACKEND_OVERRIDE + PROVIDER_OVERRIDE)
        self.terraform.init()
        return ""

    def plan_everything(self) -> str:
        self.plan = self._plan("first", CHANGES)
        return f"{len(plans.changes(self.plan))} to create"

    def judge_plan(self) -> str:
        return _judge(managed(self.plan))

    def apply(self) -> str:
        self._apply("first")
        self.state = self._show("state")
        return f"{len(managed(self.state))} resources"

    def judge_state(self) -> str:
        return _judge(managed(self.state))

    def compare_bill(self) -> str:
        """The quantities in the plan are those in the state, and of an example those that the package carries."""
        counted = stack_data(count(self.state))
        if counted != stack_data(count(self.plan)):
            raise Failed(
                f"the plan would be billed otherwise than the state:\n{_difference(count(self.plan), counted)}"
            )
        shipped = shipped_stacks().get(self.variant.name)
        if self.variant.shipped and (shipped is None or stack_data(shipped) != counted):
            raise Failed(f"app/cloud/stacks.json says otherwise; --write renews it. Counted:\n{json.dumps(counted)}")
        return f"{len(counted['quantities'])} quantities"

    def counted(self) -> dict[str, Any]:
        """The plan's quantities, as app/cloud/stacks.json has them."""
        return stack_data(count(self.plan))

    def plan_again(self) -> str:
        self._plan("again", NO_CHANGES)
        return "no changes"

    def resize(self) -> str:
        """More tasks, and spare capacity on or off: a service that is replaced would be away meanwhile."""
        options = [f"-var={name}={json.dumps(value)}" for name, value in plans.resize(self.plan).items()]
        return plans.in_place(self._plan("resize", CHANGES, *options))

    def update_image(self) -> str:
        plan = self._plan("image", CHANGES, f"-var=image={NEXT_IMAGE}")
        kinds = [one.type for one in managed(self.state)]
        found = plans.image_update(plan, kinds.count("aws_ecs_task_definition"), kinds.count("aws_ecs_service"))
        self._apply("image")
        plans.untouched(managed(plan["prior_state"]), managed(self._show("image-state")))  # as the plan read it back
        self._plan("image-again", NO_CHANGES, f"-var=image={NEXT_IMAGE}")
        return found

    def put_by_hand(self) -> str:
        """A newer secret, and an operator who has exported none: the next plan writes nothing."""
        name, newer = next(iter(canaries().items()))
        secret = next(one.values for one in managed(self.state) if one.values.get("name", "").endswith(f"/{name}"))
        self._client("secretsmanager").put_secret_value(SecretId=secret["arn"], SecretString=newer)
        exported, self.terraform = self.terraform, replace(self.terraform, variables=self._environment(secrets={}))
        self._plan("by-hand", NO_CHANGES, f"-var=image={NEXT_IMAGE}")
        self.terraform, self.secrets = exported, {**self.secrets, name: newer}
        return f"{name} stays"

    def drift(self) -> str:
        """Somebody shortens a log group's retention by hand; the next plan names it and nothing else."""
        group = next(one for one in managed(self.state) if one.type == DRIFT)
        days = 1 if group.values["retention_in_days"] != 1 else 3
        self._client("logs").put_retention_policy(logGroupName=group.values["name"], retentionInDays=days)
        return plans.one_change(self._plan("drift", CHANGES, f"-var=image={NEXT_IMAGE}"), DRIFT)

    def look_for_secrets(self) -> str:
        """Every secret has arrived in Secrets Manager, and can be read nowhere else."""
        arrived = self._stored_secrets()
        if missing := [name for name, value in self.secrets.items() if value not in arrived]:
            raise Failed(f"not in Secrets Manager: {', '.join(missing)}")
        (self.left_behind / "outputs.json").write_text(self.terraform.run("output", "-json").stdout)
        files = [path for path in self.left_behind.iterdir() if path.is_file()]
        files += [path for path in self.terraform.folder.rglob("*") if path.is_file() and not path.is_symlink()]
        if found := plans.leaks(files, self.secrets):
            raise Failed("\n".join(found))
        return f"{len(self.secrets)} stored, 0 hits in {len(files)} files"

    def destroy(self) -> str:
        if self.variant.name in PROTECTED:
            self._write_settings(self.variant.settings(self.zone, locked=False))
            self._plan("unlock", CHANGES, f"-var=image={NEXT_IMAGE}")
            self._apply("unlock")
        self.terraform.run("destroy", "-auto-approve", "-input=false", "-no-color", *self._files())
        if rest := self.terraform.run("state", "list").stdout.strip():
            raise Failed(f"still in the state:\n{rest}")
        return "state is empty"

    # --- how ---------------------------------------------------------------------------------------------------

    def _environment(self, secrets: Mapping[str, str]) -> dict[str, str]:
        exported = {f"TF_VAR_{name.lower()}": value for name, value in secrets.items()}
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url, **exported}

    def _files(self) -> list[str]:
        return [f"-var-file=envs/{self.variant.environment}.tfvars.example", f"-var-file={SETTINGS}"]

    def _write_settings(self, told: Mapping[str, Any]) -> None:
        (self.terraform.folder / SETTINGS).write_text(json.dumps(told, indent=2))

    def _plan(self, name: str, expected: int, *options: str) -> dict[str, Any]:
        """The plan as JSON. Raises Failed when it is not of the expected kind: NO_CHANGES or CHANGES."""
        arguments = ("-input=false", "-no-color", "-detailed-exitcode", f"-out={self.left_behind / name}.tfplan")
        done = self.terraform.run("plan", *arguments, *self._files(), *options, allowed=(NO_CHANGES, CHANGES))
        (self.left_behind / f"{name}.plan.txt").write_text(done.stdout + done.stderr)
        if done.returncode != expected:
            wanted = "no changes" if expected == NO_CHANGES else "changes"
            told = done.stdout.partition("Terraform will perform the following actions:")[2] or done.stdout
            raise Failed(f"the plan was to have {wanted}:\n{told[-12000:]}")
        return self._show(name, f"{self.left_behind / name}.tfplan")

    def _apply(self, name: str) -> None:
        plan = f"{self.left_behind / name}.tfplan"
        done = self.terraform.run("apply", "-input=false", "-no-color", "-parallelism=20", plan)
        (self.left_behind / f"{name}.apply.txt").write_text(done.stdout + done.stderr)

    def _show(self, name: str, *path: str) -> dict[str, Any]:
        found = self.terraform.show(*path)
        (self.left_behind / f"{name}.json").write_text(json.dumps(found))
        return found

    def _stored_secrets(self) -> set[str]:
        client = self._client("secretsmanager")
        listed = [one for page in client.get_paginator("list_secrets").paginate() for one in page["SecretList"]]
        return {client.get_secret_value(SecretId=one["ARN"])["SecretString"] for one in listed}

    def _client(self, service: str) -> Any:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        return boto3.client(service, region_name=REGION, endpoint_url=self.url, **keys)


def _judge(resources: list[Resource]) -> str:
    if found := policies.violations(resources):
        raise Failed("\n".join(found))
    return f"{len(policies.POLICIES)} policies over {len(resources)} resources"


def _difference(planned: Any, counted: dict[str, Any]) -> str:
    return f"plan  {json.dumps(stack_data(planned))}\nstate {json.dumps(counted)}"

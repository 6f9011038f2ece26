"""The root that makes a place for Terraform's state, and the main root using that place: all against a moto server.

Proves what the deploy guide says in its first steps: apply bootstrap/, init the main root with its output, make the
registry alone. The state then lies in the bucket, encrypted, and no lock is left.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from app.cloud.cost_count import managed
from tests.aws.server import CREDENTIALS, REGION
from tests.terraform import policies
from tests.terraform.cycle import PROVIDER_OVERRIDE
from tests.terraform.toolchain import NO_CHANGES, Failed, Terraform, Toolchain, copy_of_terraform

# What the stand-in needs beside the lines that bootstrap prints.
BACKEND = {
    "use_path_style": "true",
    "skip_credentials_validation": "true",
    "skip_metadata_api_check": "true",
    "skip_region_validation": "true",
    "skip_requesting_account_id": "true",
}


@dataclass
class Bootstrap:
    tools: Toolchain
    home: Path
    url: str
    copy: Path = field(init=False)

    def __post_init__(self) -> None:
        self.copy = copy_of_terraform(self.home)
        for folder in (self.copy, self.copy / "bootstrap"):
            (folder / "e2e_override.tf").write_text(PROVIDER_OVERRIDE)

    def _in(self, folder: Path) -> Terraform:
        return Terraform(self.tools, folder, self.home, {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url})

    def apply(self) -> str:
        terraform = self._in(self.copy / "bootstrap")
        terraform.init()
        terraform.run("apply", "-auto-approve", "-input=false", "-no-color")
        terraform.run("plan", "-input=false", "-detailed-exitcode", allowed=(NO_CHANGES,))
        resources = managed(terraform.show())
        if found := policies.violations(resources):
            raise Failed("\n".join(found))
        return f"{len(resources)} resources, second plan empty"

    def refuses_to_go(self) -> str:
        """Losing the state is losing the connection to everything that runs."""
        done = self._in(self.copy / "bootstrap").run("destroy", "-auto-approve", "-no-color", allowed=(0, 1))
        if done.returncode == 0 or "prevent_destroy" not in done.stderr + done.stdout:
            raise Failed(f"destroy was not refused:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return "prevent_destroy"

    def carries_the_state(self) -> str:
        outputs = json.loads(self._in(self.copy / "bootstrap").run("output", "-json").stdout)
        (self.copy / "backend.hcl").write_text(outputs["backend_config"]["value"]["dev"])
        terraform = self._in(self.copy)
        terraform.init("-backend-config=backend.hcl", *(f"-backend-config={key}={on}" for key, on in BACKEND.items()))
        settings = ("-var-file=envs/dev.tfvars.example", "-target=module.ecr")
        terraform.run("apply", "-auto-approve", "-input=false", "-no-color", *settings)
        stored = self._stored(outputs["state_bucket"]["value"])
        if stored != ["tradingbot/dev/terraform.tfstate"]:
            raise Failed(f"in the bucket: {stored}")
        if not terraform.run("output", "-raw", "ecr_repository_url").stdout.strip():
            raise Failed("the registry has no URL")
        return f"{stored[0]}, no lock left"

    def _stored(self, bucket: str) -> list[str]:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        client: Any = boto3.client("s3", region_name=REGION, endpoint_url=self.url, **keys)
        return [one["Key"] for one in client.list_objects_v2(Bucket=bucket).get("Contents", ())]

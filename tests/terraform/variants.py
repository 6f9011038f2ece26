"""The stacks that the full cycle builds: the three example environments, and the intake as a function."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.terraform import sources
from tests.terraform.toolchain import TERRAFORM

REPOSITORY = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/tradingbot"
FUNCTION_IMAGE = f"{REPOSITORY}@sha256:{'3' * 64}"
FIRST_IMAGE = f"{REPOSITORY}@sha256:{'1' * 64}"
NEXT_IMAGE = f"{REPOSITORY}@sha256:{'2' * 64}"
DOMAIN = "example.com"
GITHUB_REPOSITORY = "example/tradingbot"

# The names that the root takes in ephemeral variables.
SECRETS = tuple(name.upper() for name in sources.ephemeral_variables(TERRAFORM))


@dataclass(frozen=True)
class Variant:
    name: str
    environment: str  # whose example settings it takes
    budget_usd: int  # the example's: `features` below replaces all of the example's features
    intake: str = "alb"
    domain: bool = True  # HTTPS under DOMAIN, whose zone exists in the account
    features: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shipped(self) -> bool:
        """Whether it is an example as it stands, whose quantities the package carries (app/cloud/stacks.json)."""
        return self.name == self.environment

    def settings(self, zone: str, *, locked: bool = True) -> dict[str, Any]:
        """What the example leaves to the operator. `zone`: id of DOMAIN's zone; not `locked`: to leave nothing."""
        features = {"budget_usd": self.budget_usd, "github_repository": GITHUB_REPOSITORY, **self.features}
        told: dict[str, Any] = {
            "image": FIRST_IMAGE,
            "alarm_email": "operator@example.com",
            "intake": self.intake,
            "features": features,
        }
        if not locked:  # as docs/deploy/aws.md says
            told["trading_mode"] = "testnet"
            told["features"] = {**features, "deletion_protection": False, "discard_data": True}
        if self.domain:
            told |= {"domain_name": f"{self.name}.{DOMAIN}", "hosted_zone_id": zone}
        if self.intake == "lambda":
            told["lambda_image"] = FUNCTION_IMAGE
        return told


VARIANTS = {
    one.name: one
    for one in (
        Variant("dev", "dev", 260, domain=False),
        Variant("staging", "staging", 380),
        Variant("prod", "prod", 600),
        # Everything that no example switches on.
        Variant(
            "lambda",
            "dev",
            200,
            intake="lambda",
            features={
                "interface_endpoints": True,
                "exec": True,
                "arm64": True,
                "spot": True,
                "mtls": {"mode": "passthrough"},
            },
        ),
    )
}
PROTECTED = ("staging", "prod")  # what keeps its data until told otherwise


def canaries() -> dict[str, str]:
    """A value for each secret that nothing else can contain, in a form that the root accepts."""
    return {name: f"{'' if name == 'ENCRYPTION_KEY' else 'canary-'}{secrets.token_hex(32)}" for name in SECRETS}

"""A site to deploy to: a cluster in moto, a page that answers, and the command as a person types it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app import cli
from tests.delivery.cluster import NAME, PARAMETER, Play, bot, build, client, proxy

WORKER, API, VENUE = f"{NAME}-worker", f"{NAME}-api", f"{NAME}-venue"


@dataclass
class Site:
    url: str  # of moto itself
    play: Play
    new: str  # the image that is to be deployed
    health: str  # where the bot answers
    answers: list[dict[str, Any]]

    def deploy(self, *options: str, image: str | None = None) -> Result:
        words = ["aws", "deploy", "--cluster", NAME, "--image", image or self.new, "--poll-seconds", "0.05", *options]
        return CliRunner().invoke(cli.app, words)

    def deploy_and_verify(self, *options: str) -> Result:
        return self.deploy("--url", self.health, "--release", "r2", "--parameter", PARAMETER, *options)

    def running(self) -> dict[str, str]:
        """The image each service wants."""
        ecs = client("ecs", self.url)
        told = ecs.describe_services(cluster=NAME, services=ecs.list_services(cluster=NAME)["serviceArns"])["services"]
        definitions = {
            service["serviceName"]: ecs.describe_task_definition(taskDefinition=service["taskDefinition"])
            for service in told
        }
        return {
            name: found["taskDefinition"]["containerDefinitions"][0]["image"] for name, found in definitions.items()
        }

    def newest(self) -> dict[str, str]:
        """The image of each family's newest active revision: what a task started without a revision runs."""
        ecs, found = client("ecs", self.url), {}
        for role in ("worker", "api", "venue", "migrate", "backup"):
            arns = ecs.list_task_definitions(familyPrefix=f"{NAME}-{role}", status="ACTIVE")["taskDefinitionArns"]
            newest = max(arns, key=lambda arn: int(arn.rpartition(":")[2]))
            told = ecs.describe_task_definition(taskDefinition=newest)["taskDefinition"]
            found[role] = told["containerDefinitions"][0]["image"]
        return found

    def noted(self) -> str:
        value: str = client("ssm", self.url).get_parameter(Name=PARAMETER)["Parameter"]["Value"]
        return value


@pytest.fixture(name="site")
def a_site(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    play, answers = Play(), [{"status": "ok", "version": "0.1.0", "release": "r2"}]
    with proxy(moto, play) as url, bot(answers) as health:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        yield Site(moto, play, build(moto), health, answers)

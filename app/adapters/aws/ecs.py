"""One ECS cluster as a rollout sees it: services, task definitions, one-off tasks, and the note of its image.

Everything here asks or changes one thing and returns. What AWS refuses raises OperatorError with the service's word for
it; what it does not answer raises Retryable. Nothing is tried again here beyond boto3's own tries.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

from app.adapters.aws.session import FAILURES, client, code_of
from app.domain.errors import OperatorError, Retryable

_READ_S = 30.0
_TRIES = 8  # ECS throttles a cluster's descriptions together, and a rollout asks often
_TRANSIENT = frozenset(
    {
        "ConnectTimeoutError",
        "ConnectionClosedError",
        "EndpointConnectionError",
        "InternalFailure",
        "ReadTimeoutError",
        "ServerException",
        "ServiceUnavailable",
        "ThrottlingException",
        "TooManyUpdates",
    }
)


@dataclass(frozen=True, slots=True)
class Service:
    """A service as it runs now."""

    name: str
    task_definition: str  # ARN, with its revision
    state: str  # IN_PROGRESS while any deployment is under way, FAILED when the last one failed, else COMPLETED
    network: Mapping[str, Any]  # networkConfiguration, for tasks beside it


@dataclass(frozen=True, slots=True)
class Rollout:
    """How far a service's change to one task definition is."""

    state: str  # IN_PROGRESS, COMPLETED, FAILED; REPLACED when the service no longer wants that task definition
    running: int  # tasks of that task definition
    desired: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a task ended. `exit_code` is None when its container never ran."""

    exit_code: int | None
    reason: str


class Cluster:
    def __init__(self, name: str, ecs: Any, ecr: Any, ssm: Any) -> None:
        self.name = name
        self._ecs, self._ecr, self._ssm = ecs, ecr, ssm

    @classmethod
    def named(cls, name: str) -> Self:
        """With boto3's own region and credentials. Raises OperatorError when there is no region."""
        with _asking("which region"):
            return cls(name, *(client(kind, read_s=_READ_S, tries=_TRIES) for kind in ("ecs", "ecr", "ssm")))

    # --- asked -----------------------------------------------------------------------------------------

    def image_exists(self, account: str, repository: str, digest: str) -> bool:
        with _asking(f"for the image in {repository}"):
            found = self._ecr.batch_get_image(
                registryId=account, repositoryName=repository, imageIds=[{"imageDigest": digest}]
            )
        return bool(found["images"])

    def services(self) -> list[Service]:
        """Every active service of the cluster."""
        with _asking(f"for the services of the cluster {self.name}"):
            pages = self._ecs.get_paginator("list_services").paginate(cluster=self.name)
            arns = [arn for page in pages for arn in page["serviceArns"]]
            told = [
                service
                for start in range(0, len(arns), 10)  # as many as one question may name
                for service in self._ecs.describe_services(cluster=self.name, services=arns[start : start + 10])[
                    "services"
                ]
            ]
        return [
            Service(
                name=service["serviceName"],
                task_definition=service["taskDefinition"],
                state=_state(service["deployments"]),
                network=service.get("networkConfiguration", {}),
            )
            for service in told
            if service["status"] == "ACTIVE"
        ]

    def newest(self, family: str) -> str | None:
        """ARN of a family's newest active revision; None when there is no such family."""
        try:
            return str(self._described(family)[0]["taskDefinitionArn"])
        except OperatorError as error:
            if "Unable to describe task definition" in str(error):  # a ClientException, as much else is
                return None
            raise

    def image(self, task_definition: str, repository: str) -> str:
        """The image that `register` would replace."""
        return str(_meant(self._described(task_definition)[0], repository)[0]["image"])

    def rollout(self, service: str, task_definition: str) -> Rollout:
        with _asking(f"for the deployment of {service}"):
            told = self._ecs.describe_services(cluster=self.name, services=[service])["services"]
        if not told:
            return Rollout("REPLACED", 0, 0, "there is no such service any more")
        deployments = told[0]["deployments"]
        found = next((each for each in deployments if each["taskDefinition"] == task_definition), None)
        if found is None:
            return Rollout(
                "REPLACED", 0, 0, f"the service wants {told[0]['taskDefinition'].rpartition('/')[2]} instead"
            )
        state, reason = found.get("rolloutState", "IN_PROGRESS"), found.get("rolloutStateReason", "")
        if found["status"] != "PRIMARY" and state != "FAILED":
            state, reason = "REPLACED", "another deployment has taken its place"
        return Rollout(state, found["runningCount"], found["desiredCount"], reason)

    def ended(self, task: str) -> Ended | None:
        """None while it has not ended. A task that AWS no longer knows of raises OperatorError."""
        with _asking("for the task"):
            told = self._ecs.describe_tasks(cluster=self.name, tasks=[task])["tasks"]
        if not told:
            raise OperatorError(f"ECS no longer knows the task {task}: look at its log for how it ended")
        if told[0]["lastStatus"] != "STOPPED":
            return None
        containers = told[0]["containers"]
        codes = [container.get("exitCode") for container in containers]
        reasons = [told[0].get("stoppedReason", ""), *(container.get("reason", "") for container in containers)]
        worst = next((code for code in codes if code != 0), 0) if codes else None
        return Ended(worst, "; ".join(filter(None, reasons)))

    # --- changed ---------------------------------------------------------------------------------------

    def register(self, task_definition: str, repository: str, image: str) -> str:
        """ARN of a new revision: the same, but for the image of the containers that run one of `repository`.

        A task definition with a single container gets the image whatever it ran. Raises OperatorError where it is not
        clear which container is meant.
        """
        definition, tags = self._described(task_definition)
        for container in _meant(definition, repository):
            container["image"] = image
        known = self._ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
        copied = {name: value for name, value in definition.items() if name in known}
        with _asking(f"to register {definition['family']}"):
            made = self._ecs.register_task_definition(**copied, **({"tags": tags} if tags else {}))
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def run(self, task_definition: str, network: Mapping[str, Any]) -> str:
        """ARN of a task that was started once, beside the services."""
        with _asking("to run a task"):
            told = self._ecs.run_task(
                cluster=self.name,
                taskDefinition=task_definition,
                launchType="FARGATE",
                networkConfiguration=network,
                startedBy="tradingbot aws deploy",
            )
        if not told["tasks"]:
            why = ", ".join(failure.get("reason", "?") for failure in told["failures"])
            raise Retryable(f"ECS did not start the task: {why}")
        return str(told["tasks"][0]["taskArn"])

    def update(self, service: str, task_definition: str) -> None:
        with _asking(f"to update {service}"):
            self._ecs.update_service(cluster=self.name, service=service, taskDefinition=task_definition)

    def deregister(self, task_definition: str) -> None:
        """Make it unknown to whatever asks for a family's newest revision. Tasks that run it go on."""
        with _asking(f"to deregister {task_definition}"):
            self._ecs.deregister_task_definition(taskDefinition=task_definition)

    def remember(self, parameter: str, image: str) -> None:
        """Note the image where terraform looks for it."""
        with _asking(f"to write {parameter}"):
            self._ssm.put_parameter(Name=parameter, Value=image, Type="String", Overwrite=True)

    def _described(self, task_definition: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
        with _asking(f"for {task_definition}"):
            told = self._ecs.describe_task_definition(taskDefinition=task_definition, include=["TAGS"])
        return told["taskDefinition"], told.get("tags", [])


def _state(deployments: list[dict[str, Any]]) -> str:
    """Of a service. What failed and is being replaced by the circuit breaker is under way."""
    if any(found.get("rolloutState") == "IN_PROGRESS" for found in deployments):
        return "IN_PROGRESS"
    wanted = next((found for found in deployments if found["status"] == "PRIMARY"), {})
    return str(wanted.get("rolloutState", "COMPLETED"))


def _theirs(error: Exception) -> bool:
    """AWS says that the fault is on its side."""
    response: dict[str, Any] = getattr(error, "response", {})
    return bool(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= HTTPStatus.INTERNAL_SERVER_ERROR)


def _meant(definition: dict[str, Any], repository: str) -> list[dict[str, Any]]:
    """The containers that run one of our images. Raises OperatorError where that is not clear."""
    containers: list[dict[str, Any]] = definition["containerDefinitions"]
    meant = [each for each in containers if _repository(each["image"]) == repository]
    if not meant and len(containers) != 1:
        raise OperatorError(
            f"{definition['family']} has several containers and none runs an image of {repository}: apply terraform"
        )
    return meant or containers


def _repository(image: str) -> str:
    """registry/name of an image that is named by tag or digest."""
    named = image.partition("@")[0]
    return named.rpartition(":")[0] if ":" in named.rpartition("/")[2] else named


@contextmanager
def _asking(what: str) -> Iterator[None]:
    try:
        yield
    except FAILURES as error:
        code = code_of(error)
        if code in _TRANSIENT or _theirs(error):
            raise Retryable(f"AWS did not answer when asked {what} ({code})") from error
        raise OperatorError(f"AWS refuses when asked {what}: {error}") from error

"""A cluster in moto for the deploy command, behind a proxy that plays what moto does not: tasks that end, deployments
that complete or fail. Everything else reaches moto, and what moto then holds is what tests judge.
"""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import httpx

from tests.aws.server import ACCOUNT, REGION

NAME = "tradingbot-test"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/tradingbot"
OLD = f"{REGISTRY}@sha256:{'0' * 64}"
PARAMETER = "/tradingbot/test/image"
SERVICES = {
    "AmazonEC2ContainerServiceV20141113": "ecs",
    "AmazonEC2ContainerRegistry_V20150921": "ecr",
    "AmazonSSM": "ssm",
}

_MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "config": {
        "mediaType": "application/vnd.docker.container.image.v1+json",
        "size": 2,
        "digest": f"sha256:{'1' * 64}",
    },
    "layers": [],
}


@dataclass
class Play:
    """What the platform does. Deployments complete and tasks end with 0 unless a test says otherwise."""

    migrate: dict[str, Any] = field(default_factory=lambda: {"exitCode": 0})  # keys of a container
    migrate_ends: bool = True
    rollouts: dict[str, list[str]] = field(default_factory=dict)  # role: states of its next deployments, by question
    stuck: set[str] = field(default_factory=set)  # roles whose last deployment failed and was not set back by ECS
    asked: list[tuple[str, dict[str, Any]]] = field(
        default_factory=list
    )  # (service.operation, parameters), as they came
    refuse: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # operation: error codes to come
    updates: list[tuple[str, str]] = field(default_factory=list)  # (service, family:revision), as they came
    on_update: Any = None  # called with the service's name
    _before: dict[str, str] = field(default_factory=dict)

    def refused(self, operation: str) -> str | None:
        return self.refuse[operation].pop(0) if self.refuse.get(operation) else None

    def tasks(self, told: dict[str, Any]) -> dict[str, Any]:
        for task in told["tasks"]:
            task["lastStatus"] = "STOPPED" if self.migrate_ends else "RUNNING"
            task["stoppedReason"] = "Essential container in task exited"
            task["containers"] = [{"name": "migrate", **self.migrate}]
        return told

    def services(self, told: dict[str, Any]) -> dict[str, Any]:
        for service in told["services"]:
            name, wanted = service["serviceName"], service["taskDefinition"]
            states = self.rollouts.get(name.rpartition("-")[2], [])
            state = states.pop(0) if len(states) > 1 else (states or ["COMPLETED"])[0]
            if name.rpartition("-")[2] in self.stuck:
                state = "STUCK"
            one = {"desiredCount": 2, "pendingCount": 0, "runningCount": 2 if state == "COMPLETED" else 1}
            if state == "FAILED":  # the circuit breaker has gone back by itself, and the state is of what was wanted
                self.rollouts[name.rpartition("-")[2]] = ["COMPLETED"]
                reason = "ECS deployment circuit breaker: tasks failed to start."
                service["deployments"] = [
                    {"status": "PRIMARY", "taskDefinition": self._before[name], "rolloutState": "IN_PROGRESS", **one},
                    {"status": "ACTIVE", "taskDefinition": wanted, "rolloutState": state, **one}
                    | {"rolloutStateReason": reason},
                ]
            else:
                shown = "FAILED" if state == "STUCK" else state
                service["deployments"] = [
                    {"status": "PRIMARY", "taskDefinition": wanted, "rolloutState": shown, **one},
                ]
                if state == "COMPLETED":
                    self._before[name] = wanted
        return told


@contextmanager
def proxy(moto: str, play: Play) -> Iterator[str]:
    """URL of a moto whose ECS follows `play`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            service, _, operation = self.headers.get("X-Amz-Target", "").rpartition(".")
            play.asked.append((f"{SERVICES.get(service, service)}:{operation}", json.loads(body)))
            code = play.refused(operation)
            if code is not None:
                return self._answer(400, json.dumps({"__type": code, "message": f"{code} by the test"}).encode())
            if operation == "DescribeTaskDefinition":
                body = json.dumps(_newest(moto, json.loads(body))).encode()
            headers = {name: value for name, value in self.headers.items() if name != "Content-Length"}
            told = upstream.post(f"{moto}{self.path}", content=body, headers=headers)
            content = told.content
            if told.status_code == 200 and operation == "DescribeServices":
                content = json.dumps(play.services(told.json())).encode()
            elif told.status_code == 200 and operation == "DescribeTasks":
                content = json.dumps(play.tasks(told.json())).encode()
            elif told.status_code == 200 and operation == "UpdateService":
                asked = json.loads(body)
                play.updates.append((asked["service"], asked["taskDefinition"].rpartition("/")[2]))
                play.stuck.discard(asked["service"].rpartition("-")[2])
                if play.on_update is not None:
                    play.on_update(asked["service"])
            return self._answer(told.status_code, content)

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with httpx.Client(trust_env=False, timeout=60) as upstream:
        yield from _served(Handler)


def _newest(moto: str, asked: dict[str, Any]) -> dict[str, Any]:
    """A family alone is its newest active revision to AWS, its newest of all to moto."""
    family = asked["taskDefinition"]
    if ":" in family:
        return asked
    active = client("ecs", moto).list_task_definitions(familyPrefix=family, status="ACTIVE")["taskDefinitionArns"]
    newest = max((int(arn.rpartition(":")[2]) for arn in active), default=999_999)
    return {**asked, "taskDefinition": f"{family}:{newest}"}


@contextmanager
def bot(answers: list[dict[str, Any]]) -> Iterator[str]:
    """A health page that gives these answers one after the other, the last one for good."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = answers.pop(0) if len(answers) > 1 else answers[0]
            content = json.dumps(told).encode()
            self.send_response(200 if self.path == "/api/v1/health" and told.get("status") else 503)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    yield from _served(Handler)


def _served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@cache
def client(service: str, url: str) -> Any:
    return boto3.client(service, endpoint_url=url, region_name=REGION)


def subnet(url: str) -> str:
    """Where the services run: one that moto has from the beginning."""
    found: str = client("ec2", url).describe_subnets()["Subnets"][0]["SubnetId"]
    return found


def build(url: str, *, roles: tuple[str, ...] = ("api", "worker", "venue")) -> str:
    """The cluster as terraform makes it, running OLD. The new image, which is in the registry."""
    ecs, ecr, ssm = client("ecs", url), client("ecr", url), client("ssm", url)
    groups = client("ec2", url).describe_security_groups()["SecurityGroups"]
    where = {"subnets": [subnet(url)], "securityGroups": [groups[0]["GroupId"]], "assignPublicIp": "DISABLED"}
    ecr.create_repository(repositoryName="tradingbot")
    pushed = ecr.put_image(repositoryName="tradingbot", imageManifest=json.dumps(_MANIFEST), imageTag="new")
    ecs.create_cluster(clusterName=NAME)
    for role in (*roles, "migrate", "backup"):
        ecs.register_task_definition(
            family=f"{NAME}-{role}",
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="512",
            memory="1024",
            tags=[{"key": "Project", "value": "tradingbot"}],
            volumes=[{"name": "state"}],
            containerDefinitions=[
                {
                    "name": role,
                    "image": OLD,
                    "essential": True,
                    "cpu": 512,
                    "memory": 1024,
                    "command": [role],
                    "user": "10001:10001",
                    "readonlyRootFilesystem": True,
                    "mountPoints": [{"sourceVolume": "state", "containerPath": "/var/lib/tradingbot"}],
                }
            ],
        )
    for role in roles:
        ecs.create_service(
            cluster=NAME,
            serviceName=f"{NAME}-{role}",
            taskDefinition=f"{NAME}-{role}",
            desiredCount=2,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": where},
        )
    ssm.put_parameter(Name=PARAMETER, Value=OLD, Type="String")
    return f"{REGISTRY}@{pushed['image']['imageId']['imageDigest']}"

"""`tradingbot aws deploy`: a new image into the running cluster, step by step, and back when a step fails.

Exit code 0: the release is in service and answers. 1: it is not, and every service runs what it ran before, or the last
line says which one does not. 2: nothing was tried, for something has to be mended first.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from app.adapters.aws.ecs import Cluster
from app.cloud.deploy import DeployFailed, Deployment, Image, Limits, Plan, short
from app.commands import shared
from app.domain.errors import OperatorError, Retryable
from app.log import redact

_ANSWERS_S = 10.0


def deploy(  # noqa: PLR0917 - typer: one parameter, one option
    cluster: Annotated[str, typer.Option(help="Name of the ECS cluster: terraform output cluster_name.")],
    image: Annotated[str, typer.Option(help="REGISTRY/NAME@sha256:…, pushed already.")],
    url: Annotated[
        str | None, typer.Option(help="Where the bot answers: terraform output url. Without it nothing is asked.")
    ] = None,
    release: Annotated[
        str | None, typer.Option(help="What must answer there: the RELEASE the image was built with.")
    ] = None,
    parameter: Annotated[
        str | None, typer.Option(help="Note the image there at the end: terraform output image_parameter.")
    ] = None,
    before: Annotated[
        Path | None,
        typer.Option(help="Keep there, until the end is known, what each service ran: SERVICE TASK-DEFINITION a line."),
    ] = None,
    rollout_minutes: Annotated[float, typer.Option(min=0.01, help="How long one service may take.")] = 30,
    verify_minutes: Annotated[float, typer.Option(min=0.001, help="How long until the release answers.")] = 5,
    poll_seconds: Annotated[float, typer.Option(min=0.05, help="Between questions.", hidden=True)] = 5,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    json: shared.Json = False,
) -> None:
    """Replace the image of every service: migrate, worker, api, venue, verify; back to what ran before if one fails."""
    said: list[dict[str, Any]] = []
    started = time.monotonic()

    def say(line: str) -> None:
        said.append({"at_s": round(time.monotonic() - started, 1), "line": redact(line)})
        if not json:
            typer.echo(f"{said[-1]['at_s']:7.1f} s  {said[-1]['line']}")

    wanted = Image.parse(image)
    deployment = Deployment(
        cluster=Cluster.named(cluster),
        say=say,
        clock=time.monotonic,
        sleep=time.sleep,
        ask=_health,
        limits=Limits(rollout_s=60 * rollout_minutes, verify_s=60 * verify_minutes, poll_s=poll_seconds),
    )
    plan = deployment.plan(wanted)
    failure: DeployFailed | None = None
    if dry_run or plan.done:
        _announce(plan, say)
    if not dry_run:
        try:
            with _terminated_is_interrupted(), _kept(before, plan):
                deployment.run(plan, url=url, release=release, parameter=parameter)
        except DeployFailed as error:
            failure = error
    if json:
        deployed, why = failure is None and not dry_run, redact(str(failure)) if failure else None
        told = {"cluster": cluster, "image": image, "deployed": deployed, "failure": why, "steps": said}
        shared.print_json(told)
    if failure is not None:
        raise failure


def _announce(plan: Plan, say: Any) -> None:
    for change in plan.changes:
        what = "runs it already" if change.image == plan.image.reference else f"runs {change.image}"
        say(f"{change.service.name if change.service else change.role}: {short(change.before)} {what}")


@contextmanager
def _kept(path: Path | None, plan: Plan) -> Iterator[None]:
    """What a run leaves for deploy/set_back.sh that is killed, or could not set a service back."""
    if path is None or plan.done:
        yield
        return
    lines = [f"{change.service.name} {change.before}\n" for change in plan.changes if change.service]
    try:
        path.write_text("".join(lines))
    except OSError as error:
        raise OperatorError(f"--before {path} cannot be written: {error}") from error
    try:
        yield
    except DeployFailed as failure:
        if not failure.left:
            path.unlink(missing_ok=True)
        raise
    path.unlink(missing_ok=True)


def _health(url: str) -> tuple[str, str]:
    """(status, release) of the page. Raises Retryable when there is no such answer."""
    try:
        answer = httpx.get(f"{url.rstrip('/')}/api/v1/health", timeout=_ANSWERS_S, follow_redirects=True)
        told = answer.raise_for_status().json()
        return str(told["status"]), str(told["release"])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        raise Retryable(f"{type(error).__name__}: {error}") from error


@contextmanager
def _terminated_is_interrupted() -> Iterator[None]:
    """A workflow that is cancelled ends its processes with SIGTERM: services are set back then too."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

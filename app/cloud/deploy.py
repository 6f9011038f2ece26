"""Brings a new image into a running cluster: migrate, worker, api, venue, one after the other, and back if one fails.

Whatever goes wrong after the first service was changed, every changed service is set back to the task definition it
had, the revisions that were made for it are deregistered (the daily backup runs its family's newest), and the message
says what was done. The database stays on the newer schema, which the older release can work on.
The image is noted as the current one only after everything answered.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Self, TypeVar

from app.adapters.aws.ecs import Cluster, Service
from app.domain.errors import BadSettings, OperatorError, Retryable, TradingBotError

# Workers first: they understand what the newer api may store. The paper exchange last, for both reconnect to it.
ORDER = ("worker", "api", "venue")
T = TypeVar("T")

ONE_OFF = ("migrate", "backup")  # families without a service; migrate is run, backup is on a schedule

_IMAGE = re.compile(
    r"(?P<repository>(?P<account>\d{12})\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/(?P<name>[a-z0-9][a-z0-9._/-]*))"
    r"@(?P<digest>sha256:[0-9a-f]{64})"
)


class DeployFailed(TradingBotError):  # noqa: N818 - reads as what it is
    """The release is not in service. The message says what was done about it.

    `left`: some service could not be asked to go back.
    """

    def __init__(self, message: str, *, left: bool = False) -> None:
        super().__init__(message)
        self.left = left


@dataclass(frozen=True, slots=True)
class Image:
    """By digest, for a tag may come to mean something else between two tasks."""

    reference: str  # all of it
    repository: str  # registry and name
    account: str
    name: str
    digest: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises BadSettings for anything but ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:DIGEST."""
        found = _IMAGE.fullmatch(text)
        if found is None:
            raise BadSettings(
                f"--image {text}: write ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:DIGEST; `docker push` prints"
                " the digest"
            )
        return cls(text, found["repository"], found["account"], found["name"], found["digest"])


@dataclass(frozen=True, slots=True)
class Change:
    """One task definition that gets a new revision; `service` is None for tasks that run once."""

    role: str
    before: str  # ARN
    image: str  # that it runs now
    service: Service | None

    @property
    def failed(self) -> bool:
        """The service's last deployment did: what it wants is not what it runs."""
        return self.service is not None and self.service.state == "FAILED"


@dataclass(frozen=True, slots=True)
class Plan:
    image: Image
    changes: tuple[Change, ...]  # services in the order they are updated, then the one-off families

    @property
    def done(self) -> bool:
        """Everything runs the image already, as after a run that failed at its last step."""
        return all(change.image == self.image.reference and not change.failed for change in self.changes)

    @property
    def services(self) -> list[Change]:
        return [change for change in self.changes if change.service]

    @property
    def worker(self) -> Service:
        return next(change.service for change in self.changes if change.service and change.role == "worker")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long each step may take, in seconds. ECS's circuit breaker gives up well before `rollout_s`."""

    migrate_s: float = 900
    rollout_s: float = 1800
    verify_s: float = 300
    poll_s: float = 5
    answers: int = 3  # right ones in a row: behind a load balancer one may come from a task that is leaving


@dataclass(slots=True)
class Deployment:
    """One rollout. `say` takes a line for people; `ask` gives status and release of the health page at a URL."""

    cluster: Cluster
    say: Callable[[str], None]
    clock: Callable[[], float]  # monotonic seconds
    sleep: Callable[[float], None]
    ask: Callable[[str], tuple[str, str]]  # raises Retryable
    limits: Limits = field(default_factory=Limits)

    def plan(self, image: Image) -> Plan:
        """What would be changed. Changes nothing. Raises OperatorError when the cluster is not ready for it."""
        if not self.cluster.image_exists(image.account, image.name, image.digest):
            raise OperatorError(f"{image.name} holds no image {image.digest}: push it first")
        self.say(f"{image.name}@{image.digest[:19]}… is in the registry")
        return planned(self.cluster, image)

    def run(self, plan: Plan, *, url: str | None, release: str | None, parameter: str | None) -> None:
        """Carry it out. Raises DeployFailed, with everything set back, when the new release is not in service."""
        made: dict[str, str] = {}
        changed: list[Change] = []
        try:
            if not plan.done:
                self._prepare(plan, made)
            for change in plan.services if made else ():
                changed.append(change)
                self._update(change, made[change.role])
            if url is not None:
                self._verify(url, release)
            if parameter is not None:
                self.cluster.remember(parameter, plan.image.reference)
                self.say(f"{parameter} names this image now")
            else:
                self.say(
                    "WARNING: this image is noted nowhere, and the next `terraform apply` UNDOES this deployment:"
                    " deploy again with --parameter (terraform output image_parameter)"
                )
        except (TradingBotError, KeyboardInterrupt) as error:
            why = str(error) or "interrupted"
            self.say(f"FAILED: {why}")
            done, left = self._set_back(changed)
            stay = self._forget({role: arn for role, arn in made.items() if role not in left})
            raise DeployFailed(". ".join(filter(None, (why, done, stay))), left=bool(left)) from error

    def _prepare(self, plan: Plan, made: dict[str, str]) -> None:
        """New revisions, by role into `made` as they are registered, and the schema they need."""
        for change in plan.changes:
            made[change.role] = self.cluster.register(change.before, plan.image.repository, plan.image.reference)
        self.say(f"registered {', '.join(map(short, made.values()))}")
        self._migrate(plan, made["migrate"])

    def _migrate(self, plan: Plan, task_definition: str) -> None:
        task = self.cluster.run(task_definition, plan.worker.network)
        self.say(f"migrating ({task.rpartition('/')[2]})")
        ended = self._awaited(lambda: self.cluster.ended(task), self.limits.migrate_s, "the migration has not ended")
        if ended.exit_code != 0:
            code = "did not start" if ended.exit_code is None else f"ended with exit code {ended.exit_code}"
            raise DeployFailed(f"the migration {code} ({ended.reason or 'no reason given'}); its log says more")
        self.say("migrated")

    def _update(self, change: Change, task_definition: str) -> None:
        assert change.service is not None  # noqa: S101 - services only
        self.cluster.update(change.service.name, task_definition)
        self._settled(change.service.name, task_definition)

    def _settled(self, service: str, task_definition: str) -> None:
        """Wait until the service runs it and nothing else."""
        told = ""

        def settled() -> bool | None:
            nonlocal told
            rollout = self.cluster.rollout(service, task_definition)
            if rollout.state in ("FAILED", "REPLACED"):
                raise DeployFailed(f"{service}: {rollout.reason or rollout.state}")
            line = f"{service}: {rollout.running} of {rollout.desired} tasks run {short(task_definition)}"
            if line != told:
                self.say(line)
                told = line
            return rollout.state == "COMPLETED" or None

        self._awaited(settled, self.limits.rollout_s, f"{service} has not settled")

    def _verify(self, url: str, release: str | None) -> None:
        right = 0

        def answered() -> str | None:
            nonlocal right
            status, found = self.ask(url)
            right = right + 1 if status == "ok" and release in (None, found) else 0
            seen.append(f"status {status}, release {found}")
            return found if right >= self.limits.answers else None

        seen: list[str] = []
        try:
            found = self._awaited(
                answered, self.limits.verify_s, f"{url} does not answer as release {release or '(any)'}"
            )
        except DeployFailed as error:
            raise DeployFailed(f"{error}; last: {seen[-1] if seen else 'no answer'}") from error
        self.say(f"{url} answers: ok, release {found}")

    def _set_back(self, changed: Sequence[Change]) -> tuple[str, set[str]]:
        """Set every changed service back, newest change first.

        What was done, with what could not be; and the roles of services that still want the new revision.
        """
        if not changed:
            return "No service was changed", set()
        left: dict[str, str] = {}  # by role
        for change in reversed(changed):
            assert change.service is not None  # noqa: S101 - services only
            name, before = change.service.name, short(change.before)
            try:
                _insist(partial(self.cluster.update, name, change.before))
                self.say(f"{name}: back to {before}")
            except TradingBotError as error:
                left[change.role] = f"{name} could NOT be set back to {before} ({error})"
        back, slow = [], []
        for change in reversed(changed):
            assert change.service is not None  # noqa: S101
            if change.role in left:
                continue
            name = change.service.name
            try:
                self._settled(name, change.before)
                back.append(name)
            except (TradingBotError, KeyboardInterrupt) as error:
                slow.append(f"{name} was set back and has not settled ({str(error) or 'interrupted'})")
        done = f"Back on the previous release: {', '.join(back)}" if back else ""
        look = [*left.values(), *slow]
        act = f"LOOK AT IT NOW: {'; '.join(look)}" if look else ""
        return ". ".join(filter(None, (done, act))), set(left)

    def _forget(self, made: Mapping[str, str]) -> str:
        """Deregister revisions of a release that is not in service; which of them stay is in the answer."""
        stay = []
        for arn in made.values():
            try:
                _insist(partial(self.cluster.deregister, arn))
            except TradingBotError as error:
                stay.append(f"{short(arn)} ({error})")
        return f"Deregister by hand, or the next task of their family runs them: {'; '.join(stay)}" if stay else ""

    def _awaited(self, look: Callable[[], T | None], limit_s: float, late: str) -> T:
        """What `look` finds, asked until it finds something; a question that went unanswered is asked again."""
        until, trouble = self.clock() + limit_s, ""
        while True:
            try:
                found = look()
                if found is not None:
                    return found
            except Retryable as error:
                trouble = f" ({error})"
            if self.clock() >= until:
                raise DeployFailed(f"{late} within {limit_s:.0f} s{trouble}")
            self.sleep(self.limits.poll_s)


def planned(cluster: Cluster, image: Image) -> Plan:
    """Which families change, from what the cluster has.

    A service's role is the last word of its name; the one-off families are called like the worker's. Raises
    OperatorError when worker, api or the migrate family is missing, or another deployment is under way.
    """
    by_role = {service.name.rpartition("-")[2]: service for service in cluster.services()}
    missing = [role for role in ("worker", "api") if role not in by_role]
    if missing:
        raise OperatorError(
            f"the cluster {cluster.name} has no service for {' and '.join(missing)}: apply terraform first"
        )
    found = [(role, by_role[role]) for role in ORDER if role in by_role]
    busy = [service.name for _, service in found if service.state == "IN_PROGRESS"]
    if busy:
        raise OperatorError(f"another deployment of {', '.join(busy)} is under way: wait until it has ended")
    prefix = short(found[0][1].task_definition).partition(":")[0].removesuffix("worker")
    once = [(role, before) for role in ONE_OFF if (before := cluster.newest(prefix + role)) is not None]
    if "migrate" not in dict(once):
        raise OperatorError(f"there is no task definition {prefix}migrate: apply terraform first")
    changing = [
        *((role, service.task_definition, service) for role, service in found),
        *((*each, None) for each in once),
    ]
    return Plan(
        image,
        tuple(
            Change(role, before, cluster.image(before, image.repository), service) for role, before, service in changing
        ),
    )


def _insist(ask: Callable[[], None]) -> None:
    """A workflow that is cancelled sends a second signal after some seconds: it must not stop the way back."""
    while True:
        try:
            return ask()
        except KeyboardInterrupt:
            continue


def short(arn: str) -> str:
    """family:revision of a task definition."""
    return arn.rpartition("/")[2]

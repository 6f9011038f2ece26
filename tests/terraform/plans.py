"""Reading plans: what would change and how. And looking for secrets in whatever Terraform leaves behind."""

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.cloud.cost_count import Resource, managed
from tests.terraform.toolchain import Failed

# What an update of the image may change beside the task definitions, and only in place.
FOLLOWS_AN_IMAGE = {
    "aws_ecs_service",
    "aws_lambda_function",
    "aws_ssm_parameter",
    "aws_scheduler_schedule",
    "aws_cloudwatch_event_target",
}
# May be planned, because it names a task definition whose ARN is computed again; must come out as it was.
REWRITTEN = {"aws_iam_role_policy", "aws_iam_policy"}


@dataclass(frozen=True, order=True)
class Change:
    type: str
    address: str
    how: str  # create, update, delete, replace


def changes(plan: Mapping[str, Any]) -> list[Change]:
    """What a plan would do to managed resources, in order of type and address."""
    found = []
    for one in plan.get("resource_changes", ()):
        actions = set(one["change"]["actions"]) - {"no-op", "read"}
        if actions and one.get("mode") == "managed":
            how = "replace" if len(actions) > 1 else actions.pop()
            found.append(Change(one["type"], one["address"], how))
    return sorted(found)


def image_update(plan: Mapping[str, Any], definitions: int, services: int) -> str:
    """Task definitions replaced, services updated in place, nothing else moved. Raises Failed."""
    found = changes(plan)
    replaced = [one for one in found if one.how == "replace" and one.type == "aws_ecs_task_definition"]
    updated = [one for one in found if one.how == "update" and one.type in FOLLOWS_AN_IMAGE | REWRITTEN]
    others = [one for one in found if one not in replaced and one not in updated]
    in_place = [one for one in updated if one.type == "aws_ecs_service"]
    if others or len(replaced) != definitions or len(in_place) != services:
        listed = "\n".join(f"{one.how} {one.address}" for one in found)
        raise Failed(f"an image update of {definitions} task definitions and {services} services would:\n{listed}")
    return (
        f"{len(replaced)} definitions replaced, {len(in_place)} services in place, {len(updated) - len(in_place)} more"
    )


def resize(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Variables for one api task and one worker more than planned, and for the other kind of capacity."""
    told = {name: one.get("value") or {} for name, one in plan["variables"].items()}
    planned = {one.type + "." + one.name: one.values for one in managed(plan)}
    api = planned["aws_appautoscaling_target.api"]
    sizes = {
        "api_min": api["min_capacity"] + 1,
        "api_max": api["max_capacity"] + 1,
        "worker_count": planned["aws_ecs_service.worker"]["desired_count"] + 1,
    }
    spot = not told["features"].get("spot", False)
    return {"sizes": {**told["sizes"], **sizes}, "features": {**told["features"], "spot": spot}}


# A resize that leaves one of them alone has not happened.
RESIZED = {"api": ("aws_ecs_service", "aws_appautoscaling_target"), "worker": ("aws_ecs_service",)}


def in_place(plan: Mapping[str, Any]) -> str:
    """Services and the range of their number are updated, nothing is made or taken away. Raises Failed."""
    found = changes(plan)
    wanted = {f"{kind}.{name}" for name, kinds in RESIZED.items() for kind in kinds}
    missing = {one for one in wanted if not any(change.address.endswith(one) for change in found)}
    if missing or any(one.how != "update" for one in found):
        listed = "\n".join(f"{one.how} {one.address}" for one in found) or "nothing"
        raise Failed(f"a resize is to update {', '.join(sorted(wanted))} in place; it would:\n{listed}")
    return f"{len(found)} updates in place, nothing replaced"


def untouched(before: Iterable[Resource], after: Iterable[Resource]) -> None:
    """Nothing but what follows an image has other values than before. Raises Failed."""
    followers = FOLLOWS_AN_IMAGE | {"aws_ecs_task_definition"}
    old = {one.address: one.values for one in before if one.type not in followers}
    new = {one.address: one.values for one in after if one.type not in followers}
    if moved := sorted(address for address in old.keys() | new.keys() if old.get(address) != new.get(address)):
        raise Failed("an image update has changed:\n" + "\n".join(moved))


def one_change(plan: Mapping[str, Any], kind: str) -> str:
    """Exactly one update in place, of a resource of this type. Raises Failed."""
    found = changes(plan)
    if [(one.type, one.how) for one in found] != [(kind, "update")]:
        listed = "\n".join(f"{one.how} {one.address}" for one in found) or "nothing"
        raise Failed(f"one drifted {kind} was seen as:\n{listed}")
    return f"1 change: {found[0].address}"


def leaks(files: Iterable[Path], secrets: Mapping[str, str]) -> list[str]:
    """Where a secret's value can be read: in a file, or in a member of one that is an archive."""
    return [
        f"{name} in {where}"
        for path in files
        for where, content in _contents(path.name, path.read_bytes())
        for name, value in secrets.items()
        if value.encode() in content
    ]


def _contents(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, content
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from _contents(f"{name}!{member}", archive.read(member))

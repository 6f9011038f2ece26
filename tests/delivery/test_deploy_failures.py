"""`tradingbot aws deploy` against moto: what the cluster runs afterwards is the judge, in every way it can go wrong.

tests/delivery/test_deploy.py has the way out and the way back, for every run of the tests.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.aws.server import moto, moto_process  # noqa: F401 - fixtures
from tests.delivery.cluster import NAME, OLD, PARAMETER, REGISTRY, client, subnet
from tests.delivery.site import API, VENUE, WORKER, Site, a_site  # noqa: F401 - a fixture

pytestmark = pytest.mark.long
PROGRAM = Path(sys.executable).with_name("tradingbot")


def test_without_its_parameter_it_says_that_terraform_will_undo_it(site: Site) -> None:
    result = site.deploy()
    assert result.exit_code == 0
    assert "WARNING: this image is noted nowhere, and the next `terraform apply` UNDOES this" in result.output
    assert site.noted() == OLD


def test_a_deployment_that_failed_and_stayed_may_be_replaced(site: Site) -> None:
    site.play.stuck = {"worker"}
    result = site.deploy_and_verify()
    assert result.exit_code == 0, result.output
    assert site.running() == {WORKER: site.new, API: site.new, VENUE: site.new}


def test_a_failed_deployment_of_the_same_image_is_tried_again(site: Site) -> None:
    assert site.deploy().exit_code == 0
    site.play.updates.clear()
    site.play.stuck = {"api"}
    assert site.deploy_and_verify().exit_code == 0
    assert (API, f"{API}:3") in site.play.updates


def test_a_release_is_tried_again_after_it_was_set_back(site: Site) -> None:
    site.play.rollouts = {"api": ["COMPLETED", "FAILED"]}
    assert site.deploy_and_verify().exit_code == 1
    site.play.rollouts = {}
    result = site.deploy_and_verify()
    assert result.exit_code == 0, result.output
    assert site.newest() == dict.fromkeys(("worker", "api", "venue", "migrate", "backup"), site.new)


def test_a_second_signal_does_not_stop_the_way_back(site: Site) -> None:
    """A cancelled workflow sends SIGINT, and SIGTERM some seconds later."""

    def stop(service: str) -> None:
        if len(site.play.updates) == 2:  # worker, api; then the two back
            site.play.rollouts = {}
            os.kill(os.getpid(), signal.SIGINT)
        elif len(site.play.updates) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    site.play.on_update = stop
    site.play.rollouts = {"api": ["COMPLETED", *["IN_PROGRESS"] * 100]}
    assert site.deploy().exit_code == 1
    assert site.running() == {WORKER: OLD, API: OLD, VENUE: OLD}


def test_a_new_revision_differs_in_its_image_only(site: Site) -> None:
    assert site.deploy().exit_code == 0
    ecs = client("ecs", site.url)
    for role in ("api", "worker", "venue", "migrate", "backup"):
        told = [
            ecs.describe_task_definition(taskDefinition=f"{NAME}-{role}:{number}", include=["TAGS"])
            for number in (1, 2)
        ]
        old, new = (each["taskDefinition"] for each in told)
        assert old["containerDefinitions"][0].pop("image") == OLD
        assert new["containerDefinitions"][0].pop("image") == site.new
        ours = ("taskDefinitionArn", "revision", "registeredAt")
        assert {name: value for name, value in old.items() if name not in ours} == {
            name: value for name, value in new.items() if name not in ours
        }
        assert told[0]["tags"] == told[1]["tags"] == [{"key": "Project", "value": "tradingbot"}]


def test_the_migration_runs_once_beside_the_worker(site: Site) -> None:
    assert site.deploy().exit_code == 0
    ecs = client("ecs", site.url)
    tasks = ecs.describe_tasks(cluster=NAME, tasks=ecs.list_tasks(cluster=NAME)["taskArns"])["tasks"]
    assert [task["taskDefinitionArn"].rpartition("/")[2] for task in tasks] == [f"{NAME}-migrate:2"]
    details = {each["name"]: each["value"] for each in tasks[0]["attachments"][0]["details"]}
    assert details["subnetId"] == subnet(site.url)


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        ({"exitCode": 2}, "the migration ended with exit code 2"),
        ({"reason": "CannotPullContainerError: no such host"}, "the migration did not start"),
    ],
)
def test_a_migration_that_fails_leaves_every_service_alone(site: Site, ended: dict[str, Any], said: str) -> None:
    site.play.migrate = ended
    result = site.deploy_and_verify()
    assert result.exit_code == 1
    assert said in result.output
    assert ended.get("reason", "") in result.output
    assert "No service was changed" in result.output
    assert site.play.updates == []
    assert site.noted() == OLD
    assert set(site.newest().values()) == {OLD}


@pytest.mark.parametrize("role", ["worker", "api", "venue"])
def test_a_deployment_that_fails_sets_everything_back(site: Site, role: str) -> None:
    site.play.rollouts = {role: ["COMPLETED", "IN_PROGRESS", "FAILED"]}
    result = site.deploy_and_verify()
    assert result.exit_code == 1
    assert site.running() == {WORKER: OLD, API: OLD, VENUE: OLD}
    assert site.noted() == OLD
    assert f"{NAME}-{role}: ECS deployment circuit breaker: tasks failed to start." in result.output
    assert set(site.newest().values()) == {OLD}  # the backup schedule takes the newest
    back = {"worker": WORKER, "api": f"{API}, {WORKER}", "venue": f"{VENUE}, {API}, {WORKER}"}[role]
    assert f"Back on the previous release: {back}" in result.output


def test_a_deployment_that_never_settles_sets_everything_back(site: Site) -> None:
    def settle_on_the_way_back(_: str) -> None:
        if len(site.play.updates) == 3:
            site.play.rollouts = {}

    site.play.on_update = settle_on_the_way_back
    site.play.rollouts = {"api": ["COMPLETED", "IN_PROGRESS"]}
    result = site.deploy("--rollout-minutes", "0.01")
    assert result.exit_code == 1
    assert f"{API} has not settled within 1 s" in result.output
    assert site.running() == {WORKER: OLD, API: OLD, VENUE: OLD}


def test_somebody_elses_deployment_over_ours_is_noticed(site: Site) -> None:
    def overtake(service: str) -> None:
        if service == API and len(site.play.updates) == 2:
            client("ecs", site.url).update_service(cluster=NAME, service=API, taskDefinition=f"{API}:1")

    site.play.on_update = overtake
    result = site.deploy()
    assert result.exit_code == 1
    assert f"{API}: the service wants {API}:1 instead" in result.output
    assert site.running()[WORKER] == OLD


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([{"status": "ok", "release": "r1"}], "last: status ok, release r1"),
        ([{"status": "", "release": "r2"}], "503"),
        ([{"no": "release"}], "503"),
    ],
    ids=["an older release", "not well", "not ours"],
)
def test_a_release_that_does_not_answer_is_set_back(site: Site, answers: list[dict[str, Any]], said: str) -> None:
    site.answers[:] = answers
    result = site.deploy_and_verify("--verify-minutes", "0.004")
    assert result.exit_code == 1
    assert "does not answer as release r2" in result.output
    assert said in result.output
    assert site.running() == {WORKER: OLD, API: OLD, VENUE: OLD}
    assert site.noted() == OLD


def test_one_right_answer_between_wrong_ones_is_not_enough(site: Site) -> None:
    right, wrong = {"status": "ok", "release": "r2"}, {"status": "ok", "release": "r1"}
    site.answers[:] = [right, wrong, right, right, wrong, right, right, right]
    assert site.deploy_and_verify().exit_code == 0
    assert len(site.answers) == 1


def test_a_cancelled_run_sets_back_what_it_changed(site: Site) -> None:
    site.play.rollouts = {"api": ["COMPLETED", *["IN_PROGRESS"] * 100]}

    def stop_once(service: str) -> None:
        if service == API:
            site.play.on_update = None
            site.play.rollouts = {}
            os.kill(os.getpid(), signal.SIGTERM)

    site.play.on_update = stop_once
    result = site.deploy()
    assert result.exit_code == 1
    assert "interrupted. Back on the previous release" in result.output
    assert site.running() == {WORKER: OLD, API: OLD, VENUE: OLD}


def test_a_run_that_is_killed_leaves_what_ran_before(site: Site, tmp_path: Path) -> None:
    """What deploy/set_back.sh reads."""
    before, second = tmp_path / "before", threading.Event()
    site.play.rollouts = {"api": ["COMPLETED", *["IN_PROGRESS"] * 1000]}
    site.play.on_update = lambda service: second.set() if service == API else None
    words = ["--cluster", NAME, "--image", site.new, "--poll-seconds", "0.05", "--before", str(before)]
    with subprocess.Popen([PROGRAM, "aws", "deploy", *words], stdout=subprocess.PIPE) as process:
        assert second.wait(120)
        process.kill()
    lines = [line.split() for line in before.read_text().splitlines()]
    assert [(name, arn.rpartition("/")[2]) for name, arn in lines] == [
        (name, f"{name}:1") for name in (WORKER, API, VENUE)
    ]


@pytest.mark.parametrize(("exit_code", "said"), [(0, "answers: ok"), (1, "Back on the previous release")])
def test_a_run_that_says_how_it_ended_leaves_nothing(site: Site, tmp_path: Path, exit_code: int, said: str) -> None:
    site.play.rollouts = {"venue": ["COMPLETED", "FAILED"]} if exit_code else {}
    result = site.deploy_and_verify("--before", str(tmp_path / "before"))
    assert (result.exit_code, list(tmp_path.iterdir())) == (exit_code, [])
    assert said in result.output


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_done(site: Site, tmp_path: Path) -> None:
    result = site.deploy("--before", str(tmp_path / "no" / "before"))
    assert result.exit_code == 2
    assert "cannot be written" in result.output
    assert site.play.updates == []


def test_a_passing_fault_of_aws_is_waited_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.adapters.aws.ecs._TRIES", 1)
    site.play.refuse["DescribeTasks"] = ["ThrottlingException", "ThrottlingException"]
    assert site.deploy().exit_code == 0
    assert site.running() == {WORKER: site.new, API: site.new, VENUE: site.new}


def test_a_refusal_in_the_middle_sets_everything_back(site: Site) -> None:
    site.play.refuse["PutParameter"] = ["AccessDeniedException"]
    result = site.deploy_and_verify()
    assert result.exit_code == 1
    assert "AccessDeniedException" in result.output
    assert site.running() == {WORKER: OLD, API: OLD, VENUE: OLD}


def test_a_revision_that_cannot_be_deregistered_is_named(site: Site) -> None:
    site.play.migrate = {"exitCode": 2}
    site.play.refuse["DeregisterTaskDefinition"] = ["AccessDeniedException"] * 5
    result = site.deploy()
    assert result.exit_code == 1
    assert "Deregister by hand, or the next task of their family runs them:" in result.output
    assert f"{NAME}-backup:2 (AWS refuses" in result.output


def test_what_cannot_be_set_back_is_said_loudly_and_left_to_be_tried_again(site: Site, tmp_path: Path) -> None:
    site.play.rollouts = {"api": ["COMPLETED", "FAILED"]}

    def refuse_the_worker(service: str) -> None:
        if len(site.play.updates) == 3:  # worker, api, api back: the next is the worker's way back
            site.play.refuse["UpdateService"] = ["AccessDeniedException"]

    site.play.on_update = refuse_the_worker
    result = site.deploy("--before", str(tmp_path / "before"))
    assert result.exit_code == 1
    assert f"{WORKER} " in (tmp_path / "before").read_text()
    assert f"Back on the previous release: {API}. LOOK AT IT NOW: {WORKER} could NOT be set back" in result.output


def test_a_second_run_finds_nothing_to_do(site: Site) -> None:
    assert site.deploy().exit_code == 0
    site.play.updates.clear()
    result = site.deploy_and_verify()
    assert result.exit_code == 0
    assert f"{WORKER}:2 runs it already" in result.output
    assert site.play.updates == []
    assert site.noted() == site.new


def test_a_dry_run_changes_nothing(site: Site) -> None:
    result = site.deploy_and_verify("--dry-run")
    assert result.exit_code == 0
    assert f"{WORKER}:1 runs {OLD}" in result.output
    assert client("ecs", site.url).list_task_definitions(familyPrefix=WORKER)["taskDefinitionArns"][1:] == []
    assert site.running() == {WORKER: OLD, API: OLD, VENUE: OLD}
    assert site.noted() == OLD


def test_programs_get_data(site: Site) -> None:
    told = json.loads(site.deploy("--json", "--parameter", PARAMETER).stdout)
    assert told["deployed"] is True
    assert told["failure"] is None
    assert [step["line"] for step in told["steps"][-2:]] == [
        f"{VENUE}: 2 of 2 tasks run {VENUE}:2",
        f"{PARAMETER} names this image now",
    ]


def test_programs_get_the_failure_too(site: Site) -> None:
    site.play.migrate = {"exitCode": 1}
    result = site.deploy("--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["deployed"] is False
    assert "exit code 1" in told["failure"]


# --- nothing is tried where something has to be mended first ----------------------------------------------


@pytest.mark.parametrize("image", ["tradingbot", f"{REGISTRY}:latest", f"{REGISTRY}@sha256:1234"])
def test_an_image_without_a_digest_is_refused(site: Site, image: str) -> None:
    result = site.deploy(image=image)
    assert result.exit_code == 2
    assert "NAME@sha256:DIGEST" in result.output


def test_an_image_that_was_not_pushed_is_refused(site: Site) -> None:
    result = site.deploy(image=f"{REGISTRY}@sha256:{'a' * 64}")
    assert result.exit_code == 2
    assert "push it first" in result.output


def test_a_deployment_under_way_is_not_disturbed(site: Site) -> None:
    site.play.rollouts = {"api": ["IN_PROGRESS"]}
    result = site.deploy()
    assert result.exit_code == 2
    assert f"another deployment of {API} is under way" in result.output


@pytest.mark.parametrize(
    ("remove", "said"),
    [("worker", "has no service for worker"), ("migrate", f"there is no task definition {NAME}-migrate")],
)
def test_a_cluster_that_lacks_something_is_refused(site: Site, remove: str, said: str) -> None:
    ecs = client("ecs", site.url)
    if remove == "migrate":
        ecs.deregister_task_definition(taskDefinition=f"{NAME}-migrate:1")
    else:
        ecs.delete_service(cluster=NAME, service=f"{NAME}-{remove}", force=True)
    result = site.deploy()
    assert result.exit_code == 2
    assert said in result.output
    assert site.play.updates == []


def test_without_permission_nothing_is_tried(site: Site) -> None:
    site.play.refuse["ListServices"] = ["AccessDeniedException"]
    result = site.deploy()
    assert result.exit_code == 2
    assert "AWS refuses when asked for the services" in result.output

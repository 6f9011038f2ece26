"""The gate and the cycle judge a stack; here they are judged: each must say no when it should."""

import json
import zipfile
from pathlib import Path

import pytest

from app.cloud.cost import shipped_stacks
from app.cloud.cost_count import Resource
from tests.terraform import check, e2e, plans, sources, toolchain
from tests.terraform.cycle import Cycle
from tests.terraform.report import FAILED, PASSED, SKIPPED, Report
from tests.terraform.toolchain import Failed, Missing, Terraform, Toolchain
from tests.terraform.variants import SECRETS, VARIANTS, canaries


def change(address: str, *actions: str, mode: str = "managed") -> dict:
    kind = address.split(".", maxsplit=1)[0]
    return {"address": address, "type": kind, "mode": mode, "change": {"actions": list(actions)}}


def plan(*changes: dict) -> dict:
    return {"resource_changes": list(changes)}


# --- plans -------------------------------------------------------------------------------------------------

NEW_TASK = change("aws_ecs_task_definition.api", "create", "delete")
NEW_SERVICE = change("aws_ecs_service.api", "update")


def test_an_image_update_replaces_definitions_and_updates_services_in_place() -> None:
    quiet = [change("aws_vpc.this", "no-op"), change("aws_caller_identity.me", "read", mode="data")]
    said = plans.image_update(plan(NEW_TASK, NEW_SERVICE, *quiet), definitions=1, services=1)
    assert said == "1 definitions replaced, 1 services in place, 0 more"


@pytest.mark.parametrize(
    "changes",
    [
        [NEW_TASK],
        [NEW_SERVICE],
        [NEW_TASK, change("aws_ecs_service.api", "delete", "create")],
        [NEW_TASK, NEW_SERVICE, change("aws_db_instance.this", "update")],
        [NEW_TASK, NEW_SERVICE, change("aws_ecs_task_definition.worker", "create")],
        [],
    ],
)
def test_an_image_update_that_does_more_or_less_is_refused(changes: list[dict]) -> None:
    with pytest.raises(Failed):
        plans.image_update(plan(*changes), definitions=1, services=1)


def sized(address: str, **values) -> dict:
    kind, name = address.split(".")
    return {"address": f"module.ecs.{address}", "mode": "managed", "type": kind, "name": name, "values": values}


def test_a_resize_asks_for_one_more_of_each_and_for_the_other_capacity() -> None:
    planned = {
        "variables": {"sizes": {"value": {"api_cpu": 256}}, "features": {"value": {"exec": True}}},
        "planned_values": {
            "root_module": {
                "resources": [
                    sized("aws_appautoscaling_target.api", min_capacity=2, max_capacity=10),
                    sized("aws_ecs_service.worker", desired_count=2),
                ]
            }
        },
    }
    assert plans.resize(planned) == {
        "sizes": {"api_cpu": 256, "api_min": 3, "api_max": 11, "worker_count": 3},
        "features": {"exec": True, "spot": True},
    }
    planned["variables"]["features"]["value"]["spot"] = True
    assert plans.resize(planned)["features"] == {"exec": True, "spot": False}


SCALING = change("aws_appautoscaling_target.api", "update")
WORKER = change("aws_ecs_service.worker", "update")


def test_a_resize_updates_in_place() -> None:
    assert plans.in_place(plan(NEW_SERVICE, WORKER, SCALING)) == "3 updates in place, nothing replaced"


@pytest.mark.parametrize(
    "changes",
    [
        [change("aws_ecs_service.api", "delete", "create"), WORKER, SCALING],
        [change("aws_ecs_service.api", "create", "delete"), WORKER, SCALING],
        [NEW_SERVICE, WORKER, SCALING, change("aws_lb.this", "delete")],
        [NEW_SERVICE, WORKER, SCALING, change("aws_ecs_service.more", "create")],
        [NEW_SERVICE, SCALING],
        [WORKER, SCALING],
        [NEW_SERVICE, WORKER],
        [],
    ],
)
def test_a_resize_that_replaces_or_does_nothing_is_refused(changes: list[dict]) -> None:
    with pytest.raises(Failed):
        plans.in_place(plan(*changes))


def test_what_an_image_update_leaves_behind_is_compared() -> None:
    def stack(image: str, policy: str) -> list[Resource]:
        return [
            Resource("aws_ecs_task_definition.api", "aws_ecs_task_definition", "api", "", {"image": image}),
            Resource("aws_iam_role_policy.ci", "aws_iam_role_policy", "ci", "", {"policy": policy}),
        ]

    plans.untouched(stack("1", "same"), stack("2", "same"))
    with pytest.raises(Failed, match=r"aws_iam_role_policy\.ci"):
        plans.untouched(stack("1", "same"), stack("2", "other"))
    with pytest.raises(Failed, match=r"aws_iam_role_policy\.ci"):
        plans.untouched(stack("1", "same"), stack("2", "same")[:1])


def test_drift_is_one_change() -> None:
    drifted = change("aws_cloudwatch_log_group.this", "update")
    assert "aws_cloudwatch_log_group.this" in plans.one_change(plan(drifted), "aws_cloudwatch_log_group")
    for others in ([], [drifted, NEW_SERVICE], [change("aws_cloudwatch_log_group.this", "delete", "create")]):
        with pytest.raises(Failed):
            plans.one_change(plan(*others), "aws_cloudwatch_log_group")


def test_a_secret_is_found_in_a_file_and_inside_an_archive(tmp_path: Path) -> None:
    secrets = canaries()
    (tmp_path / "state.json").write_text(json.dumps({"outputs": {"x": secrets["API_TOKEN"]}}))
    (tmp_path / "clean.json").write_text("{}")
    with zipfile.ZipFile(tmp_path / "plan.tfplan", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tfstate", f"padding {secrets['OKX_API_KEY']} padding")
    found = plans.leaks(sorted(tmp_path.iterdir()), secrets)
    assert found == ["OKX_API_KEY in plan.tfplan!tfstate", "API_TOKEN in state.json"]


def test_canaries_differ_and_cover_every_secret() -> None:
    assert set(canaries()) == set(SECRETS)
    assert len(set(canaries().values()) | set(canaries().values())) == 2 * len(SECRETS)


def test_the_variants_are_the_environments_and_the_function() -> None:
    assert {one.environment for one in VARIANTS.values()} == {"dev", "staging", "prod"}
    assert [name for name, one in VARIANTS.items() if one.intake == "lambda"] == ["lambda"]


def test_only_examples_as_they_stand_are_shipped() -> None:
    assert [name for name, one in VARIANTS.items() if one.shipped] == ["dev", "staging", "prod"]
    assert list(shipped_stacks()) == ["dev", "staging", "prod"]


def test_a_variant_that_is_not_shipped_is_compared_with_its_state_alone(tmp_path: Path) -> None:
    def stack(copies: int) -> dict:
        resources = [sized(f"aws_eip.n{number}") for number in range(copies)]
        return {"values": {"root_module": {"resources": resources}}}

    def bill(name: str, planned: int, built: int) -> str:
        home = tmp_path / f"{name}-{planned}-{built}"
        home.mkdir()
        cycle = Cycle(VARIANTS[name], tools, home, "http://127.0.0.1:1")
        cycle.plan, cycle.state = stack(planned), stack(built)
        return cycle.compare_bill()

    tools = _shell(tmp_path, "true")
    assert bill("lambda", 2, 2) == "1 quantities"
    with pytest.raises(Failed, match="billed otherwise"):
        bill("lambda", 2, 3)
    with pytest.raises(Failed, match=r"stacks\.json says otherwise"):
        bill("dev", 2, 2)


def test_only_examples_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Planned:
        """A cycle whose plan was made, and that fails at the apply."""

        def __init__(self, name: str) -> None:
            self.variant = VARIANTS[name]

        def prepare(self) -> str:
            return ""

        plan_everything = judge_plan = prepare

        def apply(self) -> str:
            raise Failed("no")

        def counted(self) -> dict:
            return {"quantities": {"alb": "9"}, "unpriced": []}

    monkeypatch.setattr(e2e, "STACKS", tmp_path / "stacks.json")
    e2e.STACKS.write_text('{"prod": {}}')
    for name in ("lambda", "dev"):
        e2e.run(Planned(name), Report(), write=True)  # type: ignore[arg-type]
    assert json.loads(e2e.STACKS.read_text()) == {"dev": {"quantities": {"alb": "9"}, "unpriced": []}, "prod": {}}


# --- sources ---------------------------------------------------------------------------------------------


@pytest.fixture
def module(tmp_path: Path) -> Path:
    folder = tmp_path / "modules" / "vpc"
    (folder / "tests").mkdir(parents=True)
    (folder / "variables.tf").write_text(
        'variable "cidr" {\n  type = string\n\n  validation {\n    condition = true\n  }\n\n  validation {\n  }\n}\n\n'
        'variable "free" {\n  type = string\n}\n\n'
        'variable "token" {\n  type      = string\n  ephemeral = true\n}\n\n'
        'locals {\n  ours = [\n    "A", "B",\n    "C",\n  ]\n}\n'
    )
    (folder / "main.tf").write_text(
        'resource "aws_vpc" "this" {\n  #checkov:skip=CKV_AWS_1:it is a price that nobody pays\n'
        "  # checkov:skip=CKV_AWS_2\n}\n"
    )
    (folder / "tests" / "vpc.tftest.hcl").write_text(
        'run "works" {\n  assert {\n    condition = true\n  }\n}\n\n'
        'run "refuses" {\n  expect_failures = [\n    var.cidr,\n  ]\n}\n'
    )
    return folder


def test_sources_are_counted(module: Path, tmp_path: Path) -> None:
    assert sources.folders(tmp_path) == [module]
    assert sources.validations(module) == {"cidr": 2}
    assert list(sources.refused_variables(module)) == ["cidr"]
    assert sources.ephemeral_variables(module) == ["token"]
    assert sources.listed(module, "ours") == ["A", "B", "C"]
    with pytest.raises(LookupError, match="no list named theirs"):
        sources.listed(module, "theirs")
    assert sources.asserts(module) == 2
    assert sources.skips(tmp_path) == [
        ("modules/vpc/main.tf:2", "it is a price that nobody pays"),
        ("modules/vpc/main.tf:3", ""),
    ]


def test_a_validation_without_a_test_is_refused(module: Path, tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"var\.cidr has 2 validations and 1 runs"):
        check._validations(tmp_path)
    (module / "tests" / "more.tftest.hcl").write_text('run "again" {\n  expect_failures = [var.cidr]\n}\n')
    assert check._validations(tmp_path) == "2 validations"


def test_a_skip_without_a_reason_is_refused(module: Path, tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"modules/vpc/main\.tf:3"):
        check._checkov_terraform(tmp_path, tmp_path)


# --- report and toolchain ----------------------------------------------------------------------------------


def test_what_is_missing_is_skipped_here_and_a_failure_in_ci() -> None:
    def missing() -> str:
        raise Missing("no terraform")

    here, there = Report(), Report(strict=True)
    assert not here.step("gate", missing)
    assert not there.step("gate", missing)
    assert [here.results[0].verdict, there.results[0].verdict] == [SKIPPED, FAILED]
    assert [here.close(), there.close()] == [0, 1]


def test_a_failure_is_told_in_full_and_ends_in_1(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> str:
        raise Failed("line 1\nline 2")

    report = Report()
    assert report.step("first", lambda: "42 runs")
    assert not report.step("second", fails)
    assert report.close() == 1
    said = capsys.readouterr().out
    assert [one.verdict for one in report.results] == [PASSED, FAILED]
    assert "42 runs" in said
    assert "    line 1\n    line 2\n" in said
    assert "1 ok, 1 failed, 0 skipped" in said


def test_terraform_gets_nothing_of_the_person_who_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "TF_VAR_secret_key", "TF_CLI_ARGS"):
        monkeypatch.setenv(name, "mine")
    terraform = Terraform(_shell(tmp_path, "env"), tmp_path, tmp_path, {"TF_VAR_api_token": "given"})
    said = terraform.run("plan").stdout
    assert "mine" not in said
    assert "TF_VAR_api_token=given" in said
    assert f"TF_CLI_CONFIG_FILE={tmp_path / 'empty.tfrc'}" in said


def test_a_command_that_says_no_is_told_with_its_words(tmp_path: Path) -> None:
    terraform = Terraform(_shell(tmp_path, "echo 'no such module' >&2; exit 3"), tmp_path, tmp_path)
    with pytest.raises(Failed, match=r"(?s)terraform validate in .* ended in 3:\nno such module"):
        terraform.run("validate")
    assert terraform.run("plan", allowed=(0, 3)).returncode == 3


def test_a_plugin_folder_without_the_provider_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(Missing, match="terraform is not on PATH"):
        toolchain.find()
    (tools / "terraform").write_text("#!/bin/sh\n")
    (tools / "terraform").chmod(0o755)
    monkeypatch.setenv("TF_PLUGIN_DIR", str(tmp_path))
    with pytest.raises(Missing, match="TF_PLUGIN_DIR"):
        toolchain.find()
    (tmp_path / toolchain.PROVIDER).mkdir(parents=True)
    assert toolchain.find() == Toolchain(str(tools / "terraform"), tmp_path)


def _shell(folder: Path, text: str) -> Toolchain:
    script = folder / "terraform"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    return Toolchain(str(script), folder)

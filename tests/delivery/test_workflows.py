"""The workflows do what a person can do by hand, with pinned actions and no more rights than they need."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.architecture.skeleton import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"^\s*(?:- )?uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
RUN = re.compile(r"(?:exec )?(?P<program>make|deploy/\w+\.sh|\.ci/run)(?P<words>( [a-z0-9-]+| \"\$[A-Z]+\")*)")
SCRIPTS = sorted((ROOT / "deploy").glob("*.sh"))


def parsed(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def jobs() -> list[tuple[str, dict[str, Any]]]:
    return [(f"{path.stem}/{name}", job) for path in WORKFLOWS for name, job in parsed(path)["jobs"].items()]


def steps() -> list[tuple[str, dict[str, Any]]]:
    return [(name, step) for name, job in jobs() for step in job["steps"]]


def release_steps() -> list[dict[str, Any]]:
    found = parsed(ROOT / ".github" / "workflows" / "release.yml")["jobs"]["release"]["steps"]
    return [{"with": {}, **step} for step in found]


def test_there_is_one_for_each_occasion() -> None:
    assert [path.stem for path in WORKFLOWS] == ["ci", "nightly", "release"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_to_a_commit(path: Path) -> None:
    used = [line for line in path.read_text().splitlines() if "uses:" in line]
    assert used
    assert not [line for line in used if not PINNED.match(line)]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_nothing_is_allowed_that_is_not_said(path: Path) -> None:
    assert parsed(path)["permissions"] == {}
    assert "pull_request_target" not in path.read_text()
    assert "secrets." not in path.read_text()


@pytest.mark.parametrize(("name", "job"), jobs(), ids=[name for name, _ in jobs()])
def test_a_job_is_bounded(name: str, job: dict[str, Any]) -> None:
    assert 0 < job["timeout-minutes"] <= 180
    assert job["permissions"] == {"contents": "read"} | ({"id-token": "write"} if name == "release/release" else {})
    checkouts = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
    assert [step["with"]["persist-credentials"] for step in checkouts] == [False]


@pytest.mark.parametrize(("name", "step"), [each for each in steps() if "run" in each[1]])
def test_a_step_runs_what_the_repository_holds(name: str, step: dict[str, Any]) -> None:
    """One line: a make target or a script, with variables of the environment and never an expression inside."""
    found = RUN.fullmatch(step["run"].strip())
    assert found, step["run"]
    if found["program"] == "make":
        targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(found["words"].split()) <= set(targets)
    else:
        assert os.access(ROOT / found["program"], os.X_OK)


def test_prod_is_never_reached_by_a_push() -> None:
    release = parsed(ROOT / ".github" / "workflows" / "release.yml")
    where = release["jobs"]["release"]["environment"]
    assert where == "${{ inputs.environment || (github.ref_type == 'tag' && 'staging' || 'dev') }}"
    assert release["jobs"]["release"]["concurrency"] == {"group": f"release-{where}", "cancel-in-progress": False}


def test_prod_gets_the_image_of_staging_and_no_other_build() -> None:
    steps = {step["id"]: step for step in release_steps() if "id" in step}
    assert steps["push"]["if"] == "inputs.environment != 'prod' && inputs.image == ''"
    assert steps["promote"]["if"] == "inputs.environment == 'prod' || inputs.image != ''"  # the opposite
    assert steps["promote"]["env"] == {"IMAGE": "${{ inputs.image }}", "PROMOTE_FROM": "${{ vars.PROMOTE_FROM }}"}
    roll_out = next(step for step in release_steps() if "release.sh" in step.get("run", ""))
    for name, value in roll_out["env"].items():
        assert value == f"${{{{ steps.push.outputs.{name.lower()} || steps.promote.outputs.{name.lower()} }}}}"


def test_a_cancelled_rollout_hears_of_it() -> None:
    """The runner signals the process of the step, not what it has started."""
    runs = [step for step in release_steps() if "run" in step]
    assert runs[-2]["run"].startswith("exec deploy/release.sh ")
    assert "\nexec .venv/bin/tradingbot aws deploy " in (ROOT / "deploy" / "release.sh").read_text()
    assert (runs[-1]["if"], runs[-1]["run"]) == ("cancelled()", "deploy/set_back.sh")


def test_aws_lets_a_job_be_itself_as_long_as_it_asks_for() -> None:
    asked = next(step["with"]["role-duration-seconds"] for step in release_steps() if "role-to-assume" in step["with"])
    role = (ROOT / "terraform" / "modules" / "ci" / "main.tf").read_text()
    given = re.search(r"max_session_duration = (\d+)", role)
    assert given
    assert asked <= int(given[1])


def test_migrations_are_tried_from_the_release_before() -> None:
    checkout = parsed(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["test"]["steps"][0]
    assert checkout["with"]["fetch-depth"] == 0


def test_the_alarm_on_backups_reads_what_a_backup_says() -> None:
    modules = ROOT / "terraform" / "modules"
    found = re.search(
        r'BackupsWritten = "{ \(\$\.event = \\"(.+)\\"\) && \(\$\.(\w+) IS TRUE\) }"',
        (modules / "cloudwatch" / "logs.tf").read_text(),
    )
    assert found
    assert found.groups() == ("backup written", "sound")  # what tests/integration/backup reads in its log
    assert re.search(r'command += \["backup"\]', (modules / "ecs" / "tasks.tf").read_text())


@pytest.mark.parametrize("script", [*SCRIPTS, ROOT / ".ci" / "run"], ids=lambda path: path.name)
def test_a_script_stops_at_the_first_error(script: Path) -> None:
    text = script.read_text()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail\n" in text
    subprocess.run(["bash", "-n", str(script)], check=True)
    unused = {path.name for path in SCRIPTS} - {
        match
        for text in (*(path.read_text() for path in (*WORKFLOWS, *SCRIPTS)), (ROOT / "Makefile").read_text())
        for match in re.findall(r"deploy/(\w+\.sh)", text)
    }
    assert not unused


# --- the scripts, with other programs in place of docker, aws and pip-audit ---------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A copy of deploy/ in a repository of its own, and programs that note how they are called."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    for name in ("requirements.txt", "requirements-service.txt"):
        (tmp_path / name).write_text("")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    for name in ("bin/docker", "bin/aws", "bin/pip-audit", ".venv/bin/tradingbot", "bin/terraform"):
        program = tmp_path / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(
            "#!/usr/bin/env python3\n"
            "import json, os, sys\n"
            f"open({str(tmp_path / 'calls')!r}, 'a').write(json.dumps([{program.name!r}, *sys.argv[1:]]) + '\\n')\n"
            f"said = json.load(open({str(tmp_path / 'says.json')!r}))\n"
            "sys.stdin.read() if '--password-stdin' in sys.argv else None\n"
            "told = next((v for k, v in said.items() if k in ' '.join(sys.argv)), ['', 0])\n"
            "print(told[0])\n"
            "sys.exit(told[1])\n"
        )
        program.chmod(0o755)
    (tmp_path / "says.json").write_text("{}")
    return tmp_path


def ran(site: Path, script: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{site / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        [str(site / "deploy" / script), *words],
        env={"PATH": path, "GITHUB_OUTPUT": str(site / "output"), "GITHUB_ENV": str(site / "env"), **env},
        capture_output=True,
        text=True,
        check=False,
    )


def calls(site: Path) -> list[list[str]]:
    return [json.loads(line) for line in (site / "calls").read_text().splitlines()]


REPOSITORY = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/tradingbot"


def test_an_image_is_built_scanned_and_pushed(site: Path) -> None:
    says = {"--query": [f"sha256:{'a' * 64}", 0], "describe-images": ["", 254]}
    (site / "says.json").write_text(json.dumps(says))
    result = ran(site, "push.sh", REPOSITORY, "abc123")
    assert result.returncode == 0, result.stderr
    assert (site / "output").read_text() == f"image={REPOSITORY}@sha256:{'a' * 64}\nrelease=abc123\n"
    order = [" ".join(call[:3]) for call in calls(site)]
    push = order.index("docker push --quiet")
    assert order.index("docker buildx build") < order.index("pip-audit --require-hashes --disable-pip") < push
    assert order.index("docker run --rm") < push
    assert "RELEASE=abc123" in next(call for call in calls(site) if call[1] == "buildx")


@pytest.mark.parametrize("fails", ["pip-audit", "run --rm", "login"])
def test_nothing_is_pushed_after_a_failure(site: Path, fails: str) -> None:
    (site / "says.json").write_text(json.dumps({fails: ["found something", 1], "describe-images": ["", 254]}))
    assert ran(site, "push.sh", REPOSITORY, "abc123").returncode != 0
    assert not [call for call in calls(site) if call[:2] == ["docker", "push"]]
    assert not (site / "output").exists()


def test_an_image_that_was_pushed_already_is_not_pushed_again(site: Path) -> None:
    (site / "says.json").write_text(json.dumps({"describe-images": [f"sha256:{'b' * 64}", 0]}))
    assert ran(site, "push.sh", REPOSITORY, "abc123").returncode == 0
    assert not [call for call in calls(site) if call[:2] == ["docker", "push"]]


def test_a_release_asks_the_command(site: Path) -> None:
    env = {"CLUSTER": "c", "URL": "https://bot.example", "IMAGE_PARAMETER": "/p/e/image"}
    assert ran(site, "release.sh", "repo@sha256:1", "abc123", **env).returncode == 0
    where = "--cluster c --url https://bot.example --parameter /p/e/image"
    words = f"aws deploy --before var/deploy-before {where} --image repo@sha256:1 --release abc123"
    assert calls(site) == [["tradingbot", *words.split()]]
    missing = ran(site, "release.sh", "repo@sha256:1", "abc123", CLUSTER="c")
    assert missing.returncode != 0
    assert "terraform output url" in missing.stderr


STAGING = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/tradingbot-staging"
PROD = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/tradingbot-prod"
DIGEST = f"sha256:{'c' * 64}"


def test_prod_is_given_the_very_image_that_staging_runs(site: Path) -> None:
    says = {
        "get-parameter": [f"{STAGING}@{DIGEST}", 0],
        "--query": ["abc123", 0],
        "describe-images --repository-name": ["", 254],
        "imagetools": ["", 0],
    }
    (site / "says.json").write_text(json.dumps(says))
    result = ran(site, "promote.sh", PROD, "", PROMOTE_FROM="/tradingbot/staging/image")
    copies = [" ".join(call) for call in calls(site) if "imagetools" in call]
    assert copies == [
        f"docker buildx imagetools create --prefer-index=false --tag {PROD}:abc123 {STAGING}@{DIGEST}",
    ]
    assert result.returncode != 0  # the copy is not there afterwards, says this registry: nothing is deployed
    assert not (site / "output").exists()


@pytest.mark.parametrize("source", [STAGING, PROD], ids=["copied before", "a release to go back to"])
def test_an_image_that_is_there_is_deployed_as_it_is(site: Path, source: str) -> None:
    (site / "says.json").write_text(json.dumps({"--query": ["abc123", 0]}))
    result = ran(site, "promote.sh", PROD, f"{source}@{DIGEST}")
    assert result.returncode == 0, result.stderr
    assert (site / "output").read_text() == f"image={PROD}@{DIGEST}\nrelease=abc123\n"
    assert not [call for call in calls(site) if call[0] == "docker"]


@pytest.mark.parametrize(
    ("image", "tag", "said"),
    [
        ("", "abc123", "PROMOTE_FROM"),
        (f"{STAGING}:latest", "abc123", "NAME@sha256:DIGEST"),
        (f"{STAGING}@{DIGEST}", "None", "nobody knows which release"),
    ],
)
def test_an_image_that_cannot_be_told_is_refused(site: Path, image: str, tag: str, said: str) -> None:
    (site / "says.json").write_text(json.dumps({"--query": [tag, 0]}))
    result = ran(site, "promote.sh", PROD, image)
    assert result.returncode != 0
    assert said in result.stderr
    assert not (site / "output").exists()


def test_what_a_killed_rollout_left_is_set_back(site: Path) -> None:
    (site / "var").mkdir()
    (site / "var" / "deploy-before").write_text("c-worker arn:worker:1\nc-api arn:api:1\n")
    (site / "says.json").write_text(json.dumps({"c-worker": ["AccessDenied", 254]}))
    assert ran(site, "set_back.sh", CLUSTER="c").returncode == 1
    asked = [" ".join(call[:9]) for call in calls(site)]
    assert asked == [
        f"aws ecs update-service --cluster c --service c-{role} --task-definition arn:{role}:1"
        for role in ("worker", "api")
    ]


def test_nothing_is_set_back_where_nothing_was_left(site: Path) -> None:
    assert ran(site, "set_back.sh", CLUSTER="c").returncode == 0
    assert not (site / "calls").exists()


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")
def test_the_provider_is_fetched_on_a_fresh_checkout(site: Path) -> None:
    """With the real program, up to its question to the registry, which nobody answers here."""
    shutil.copytree(ROOT / "terraform", site / "terraform", ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    (site / "bin" / "terraform").unlink()
    quiet = {"CHECKPOINT_DISABLE": "1", "TF_REGISTRY_DISCOVERY_RETRY": "0", "TF_REGISTRY_CLIENT_TIMEOUT": "1"}
    result = ran(site, "provider.sh", HOME=str(site), HTTPS_PROXY="http://127.0.0.1:9", NO_COLOR="1", **quiet)
    said = " ".join(result.stderr.replace("│", " ").split())
    assert "Mirroring hashicorp/aws" in result.stdout + said, said
    assert "Module not installed" not in said


def test_the_provider_is_named_to_the_next_steps(site: Path) -> None:
    (site / "terraform").mkdir()
    assert ran(site, "provider.sh").returncode == 0
    assert (site / "env").read_text() == f"TF_PLUGIN_DIR={site}/var/terraform/providers\n"


# --- the scan for secrets ---------------------------------------------------------------------------------


def scanned(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["python3", str(ROOT / "deploy" / "scan_secrets.py"), str(folder)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "text",
    [
        "key: AKIA" + "Q3EGUZJ7XHTV5RMB",
        "sk-ant-" + "api03-Zq8vK2mX7wPfL4nRt9YcB1hJ5sD0gA3eUoIi6Ty",
        "token=81234567" + "89:AAH7xKp2Lq9Zv4Rm8Tn3Wb6Yc1Jf5Gd0Es2",
        "-----BEGIN " + "RSA PRIVATE KEY-----",
        "WEBHOOK_SECRET=" + "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c",
    ],
)
def test_a_secret_is_found_and_not_repeated(tmp_path: Path, text: str) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "settings.txt").write_text(f"first line\n{text}\n")
    result = scanned(tmp_path)
    assert result.returncode == 1
    assert result.stdout.startswith("settings.txt:2: ")
    assert text[-12:-5] not in result.stdout


def test_made_up_and_plain_values_are_left_alone(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    fine = "token=8123456789:AAcanaryCANARYcanaryCANARYcanaryCANAR\nAPI_TOKEN=${API_TOKEN:?write it into .env}\n"
    (tmp_path / "settings.txt").write_text(fine)
    assert scanned(tmp_path).returncode == 0

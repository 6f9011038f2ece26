"""`tradingbot_aws` of terraform's output command_line, run by a real shell with an `aws` that notes what it is asked.

Runbooks rely on it in an outage: it must end as the task ended, and never take a task that did not start for success.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.terraform.toolchain import TERRAFORM

TASK = "arn:aws:ecs:ap-southeast-2:123456789012:task/tradingbot-dev/0123abcd"
VALUES = {
    "run_task": "aws ecs run-task --cluster tradingbot-dev",
    "region": "ap-southeast-2",
    "cluster": "tradingbot-dev",
    "family": "tradingbot-dev-backup",
    "logs": "/tradingbot/dev/tasks",
}
# The second wait finds the task stopped.
AWS = f"""#!{sys.executable}
import json, os, sys
from pathlib import Path
asked, calls = sys.argv[1:], Path(os.environ["CALLS"])
with calls.open("a") as notes:
    notes.write(json.dumps(asked) + "\\n")
if asked[1] == "run-task":
    print(os.environ["STARTED"])
elif asked[1] == "wait":
    sys.exit(255 if calls.read_text().count('"wait"') == 1 else 0)
elif asked[1] == "filter-log-events":
    print("the chain is whole")
elif "exitCode" in " ".join(asked):
    print(os.environ["ENDED"])
elif "stoppedReason" in " ".join(asked):
    print("CannotPullContainerError")
elif os.environ.get("DEAF"):
    sys.exit(253)
"""


def function() -> str:
    """The template as Terraform renders it."""
    text = (TERRAFORM / "command_line.sh.tftpl").read_text()
    rendered = re.sub(r"(?<!\$)\$\{(\w+)\}", lambda found: VALUES[found.group(1)], text)
    return rendered.replace("$${", "${")


@pytest.fixture
def run(tmp_path: Path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "aws").write_text(AWS)
    (tmp_path / "bin" / "aws").chmod(0o755)
    calls = tmp_path / "calls"

    def work(*command: str, ended: str = "0", started: str = TASK, **more: str):
        calls.write_text("")
        environment = {
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "CALLS": str(calls),
            "STARTED": started,
            "ENDED": ended,
            **more,
        }
        script = f"eval {shlex.quote(function())}\ntradingbot_aws {shlex.join(command)}"
        done = subprocess.run(
            ["/bin/sh", "-c", script], env=environment, text=True, capture_output=True, check=False, timeout=60
        )
        return done, [json.loads(line) for line in calls.read_text().splitlines()]

    return work


def test_runs_the_command_word_for_word_and_shows_its_log(run) -> None:
    done, calls = run("why", "alert 1", "--json")
    assert (done.returncode, done.stdout) == (0, "the chain is whole\n")
    overrides = json.loads(calls[0][calls[0].index("--overrides") + 1])
    assert overrides["containerOverrides"] == [{"name": "backup", "command": ["why", "alert 1", "--json"]}]
    assert calls[0][calls[0].index("--group") + 1] == "operator"
    shown = next(call for call in calls if call[1] == "filter-log-events")
    assert "backup/backup/0123abcd" in shown
    assert [call[1] for call in calls].count("wait") == 2


@pytest.mark.parametrize("code", ["1", "2", "137"])
def test_ends_as_the_task_ended(run, code: str) -> None:
    done, _ = run("verify", ended=code)
    assert done.returncode == int(code)
    assert "the chain is whole" in done.stdout


def test_a_container_that_never_ran_is_no_success(run) -> None:
    done, _ = run("verify", ended="None")
    assert done.returncode == 1
    assert "CannotPullContainerError" in done.stderr


def test_a_task_that_was_not_started_is_no_success(run) -> None:
    done, calls = run("verify", started="RESOURCE:MEMORY")
    assert done.returncode == 1
    assert "The task was not started: RESOURCE:MEMORY" in done.stderr
    assert len(calls) == 1


def test_waiting_ends_when_aws_does_not_answer(run) -> None:
    done, _ = run("verify", DEAF="yes")
    assert done.returncode == 253

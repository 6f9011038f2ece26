"""The Dockerfile and what it calls, as far as they can be looked at without Docker."""

import re
import runpy
from pathlib import Path

import botocore.session
import pytest

from app.settings.environment import NAMES
from tests.architecture.locks import lock, pins
from tests.architecture.skeleton import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
IMAGE = runpy.run_path(str(ROOT / "deploy" / "image.py"))


def stage(name: str) -> str:
    found = re.search(rf"^FROM \S+ AS {name}$(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def test_the_base_is_one_image_by_digest() -> None:
    foreign = [line for line in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) if ":" in line]
    assert len(foreign) == 1
    assert re.fullmatch(r"python:3\.11-slim-bookworm@sha256:[0-9a-f]{64}", foreign[0])


def test_the_default_is_the_image_that_trades() -> None:
    assert re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE)[-1] == "service"
    assert 'ENTRYPOINT ["tradingbot"]' in stage("service")
    assert 'CMD ["tradingbot", "health"]' in stage("service")


def test_nobody_is_root_and_state_has_a_place() -> None:
    assert stage("runtime").rstrip().endswith("USER 10001:10001")
    assert "USER" not in "".join(map(stage, ("service", "lambda", "train")))
    assert 'VOLUME ["/var/lib/tradingbot", "/tmp"]' in stage("service")
    assert "WORKDIR /var/lib/tradingbot" in stage("runtime")


def test_the_environment_is_understood() -> None:
    names = set(re.findall(r"(?:^ENV |^ {4})([A-Z_]+)=", stage("runtime") + stage("service"), re.MULTILINE))
    others = {"PATH", "HOME", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    assert names - others - NAMES == {"NUMBA_CACHE_DIR", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"}


def test_the_function_runs_as_whoever_lambda_says() -> None:
    """Lambda ignores USER, and the state's directory is closed to others."""
    assert re.search(r"--mode 0750 /var/lib/tradingbot ", stage("runtime"))
    assert re.findall(r"^WORKDIR (.+)$", stage("lambda"), re.MULTILINE) == ["/opt/tradingbot"]
    assert re.findall(r"^ENV HOME=(.+)$", stage("lambda"), re.MULTILINE) == ["/tmp"]  # noqa: S108 - the only place


@pytest.mark.parametrize("target", ["service", "train"])
def test_a_target_is_made_from_its_lock(target: str) -> None:
    assert f"image.py requirements-{target}.txt /opt/wheels /opt/tradingbot" in stage(f"build-{target}")
    locked = pins(lock(f"requirements-{target}.txt"))
    assert ("tensorflow-cpu" in locked) is (target == "train")
    assert ("numba" in locked) is (target == "train")


def test_the_build_gets_what_it_copies_and_no_more() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()
    }
    locks = {name for name in copied if name.startswith("requirements-")}
    assert copied - locks == allowed - {"requirements-*.txt"}
    assert "*" in (ROOT / ".dockerignore").read_text().splitlines()


def test_descriptions_of_every_service_of_aws_in_use_are_kept() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "app" / "adapters" / "aws").glob("*.py"))
    used = set(re.findall(r"[\"']([a-z0-9-]+)[\"']", text)) & set(
        botocore.session.get_session().get_available_services()
    )
    assert {"s3", "sqs", "secretsmanager", "ecs"} <= used
    words = {"account", "connect"}  # services have these names too
    assert used - words <= IMAGE["AWS_SERVICES"]


def test_only_what_never_runs_is_dropped(tmp_path: Path) -> None:
    kept = (
        "numpy/core.py",
        "numpy/_core.so",
        "botocore/data/s3/service.json.gz",
        "botocore/data/endpoints.json",
        "tests/a.py",
    )
    dropped = (
        "numpy/tests/test_a.py",
        "numpy/lib/tests/data/x.py",
        "talib/_ta_lib.c",
        "talib/_ta_lib.pyi",
        "botocore/data/ec2/service.json.gz",
    )
    for name in (*kept, *dropped):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found = list(IMAGE["dispensable"](tmp_path))
    gone = {
        name
        for name in (*kept, *dropped)
        if any(path == tmp_path / name or path in (tmp_path / name).parents for path in found)
    }
    assert gone == set(dropped)

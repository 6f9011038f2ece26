"""AWS for tests: a moto process on a free loopback port.

A test module asks for it with `from tests.aws.server import moto, moto_process  # noqa: F401`. Each worker process of a
run starts one server, when the first test needs it; every test finds it empty.
"""

import contextlib
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
STARTS_WITHIN_S = 180.0  # of a busy machine
REGION = "ap-southeast-2"

# Credentials that moto takes and AWS would not; the account is moto's own.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": REGION}
ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Moto:
    url: str

    def reset(self) -> None:
        """Forget everything."""
        httpx.post(f"{self.url}/moto-api/reset", timeout=STARTS_WITHIN_S, trust_env=False).raise_for_status()


@contextlib.contextmanager
def running_moto(*, managed_policies: bool = False) -> Iterator[Moto]:
    """A server, from when it answers until it is stopped. Raises RuntimeError with its complaint if it does not start.

    `managed_policies`: IAM knows the policies that AWS manages, which a role of Terraform's may attach. Slower.
    """
    environment = {
        **os.environ,
        "MOTO_ACM_VALIDATION_WAIT": "0",  # seconds until a certificate is issued
        "MOTO_IAM_LOAD_MANAGED_POLICIES": str(managed_policies).lower(),
    }
    command = [sys.executable, "-m", "tests.aws.moto_plus", "-H", "127.0.0.1", "-p", "0"]
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=complaints) as process,
    ):
        try:
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], STARTS_WITHIN_S)
            url = process.stdout.readline().decode().strip() if ready else ""
            if not url:
                process.kill()
                process.wait()
                complaints.seek(0)
                raise RuntimeError(f"moto did not start: {complaints.read().decode()[-2000:]}")
            yield Moto(url)
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def moto_process() -> Iterator[Moto]:
    with running_moto() as server:
        yield server


@pytest.fixture
def moto(moto_process: Moto, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of an empty AWS. Credentials and region are in the environment; the endpoint is the caller's to give."""
    moto_process.reset()
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    return moto_process.url

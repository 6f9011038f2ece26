"""`make image`: the service image's environment without Docker, its commands as PID 1, and the size of its layers.

Follows the Dockerfile: our wheel is built from the files the build would get, and deploy/image.py makes the environment
with the same arguments. What only Docker has is not here: the base image, the read-only file system, the user.
"""

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import httpx

from tests.architecture.skeleton import ROOT
from tests.docker.compose import alert
from tests.docker.test_compose import SECRETS
from tests.faults.processes import free_port

HERE = ROOT / "var" / "image"
# The base, as docker-library/repo-info lists it at commit 40cdaf3 (linux/amd64) and the same Python's size on disk.
BASE_PULLED, BASE_UNPACKED = 47_795_628, 130_010_000
PATIENCE_S = 300.0
say = functools.partial(print, flush=True)
INIT = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]  # the command is PID 1 of a namespace


def build() -> Path:
    """The folder that becomes /opt/tradingbot."""
    target = HERE / "service"
    for name in ("src", "wheels", "service"):
        shutil.rmtree(HERE / name, ignore_errors=True)
    (HERE / "src").mkdir(parents=True)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for name in sorted({name for line in copied for name in line.split()} - {"requirements-lambda.txt"}):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, HERE / "src" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (HERE / "src" / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, HERE / "src" / name)
    python = HERE / "build" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", HERE / "build"], check=True)
    quiet = ["--quiet", "--disable-pip-version-check", "--no-cache-dir"]
    locked = ["--only-binary", ":all:", "--require-hashes", "-r", "requirements-uv.txt"]
    ours = ["--no-deps", "--no-build-isolation", "--wheel-dir", HERE / "wheels", "."]
    subprocess.run([python, "-m", "pip", "install", *quiet, *locked], cwd=HERE / "src", check=True)
    subprocess.run([python, "-m", "pip", "wheel", *quiet, *ours], cwd=HERE / "src", check=True)
    made = [python, "deploy/image.py", "requirements-service.txt", HERE / "wheels", target]
    subprocess.run(made, cwd=HERE / "src", check=True, stdout=subprocess.DEVNULL)
    return target


def sizes(target: Path) -> dict[str, tuple[int, int]]:
    """Layer: (bytes to pull, bytes unpacked)."""
    archive = HERE / "service.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=6) as packed:
        packed.add(target, "opt/tradingbot")
    files = [path for path in target.rglob("*") if path.is_file() and not path.is_symlink()]
    unpacked = sum(path.stat().st_size for path in files)
    bytecode = sum(path.stat().st_size for path in files if path.suffix == ".pyc")
    return {
        "base": (BASE_PULLED, BASE_UNPACKED),
        "packages and code": (archive.stat().st_size, unpacked),
        "  of it bytecode": (0, bytecode),
    }


class Container:
    """`docker run` of the image, as far as namespaces go."""

    def __init__(self, target: Path) -> None:
        self.folder = HERE / "state"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.port = free_port()
        self.command = [str(target / "bin" / "tradingbot")]
        image = dict(re.findall(r"^\s+(\w+)=(\S+?)(?: \\)?$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
        self.env = (
            image
            | SECRETS
            | {
                "PATH": f"{target / 'bin'}:/usr/bin:/bin",
                "HOME": str(self.folder),
                "HOST": "127.0.0.1",
                "PORT": str(self.port),
                "SIMULATOR_PORT": str(free_port()),
                "BACKUP_URL": str(self.folder / "backups"),
                "DATABASE_PASSWORD": "",
            }
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [*INIT, *self.command, *words]
        return subprocess.run(command, env=self.env, cwd=self.folder, capture_output=True, text=True, check=False)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        log = (self.folder / "serve.log").open("wb")
        return subprocess.Popen([*INIT, *self.command, *words], env=self.env, cwd=self.folder, stdout=log, stderr=log)


def pid_one(parent: int) -> int:
    """The process that is PID 1 in its namespace: `unshare`'s only child."""
    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])


def expect(said: str, happened: bool, detail: str = "") -> None:
    say(f"  {'ok  ' if happened else 'FAIL'} {said}")
    if not happened:
        say(detail[-3000:])
        raise SystemExit(1)


def rehearse(container: Container) -> None:
    for words in (("migrate",), ("strategy", "add", "trend", "--symbols", "BTCUSDT"), ("strategies",)):
        done = container.run(*words)
        expect(" ".join(words[:2]), done.returncode == 0, done.stdout + done.stderr)
    bot = container.start("serve", "--no-migrate")
    try:
        trade(container)
        for words in (
            ("why", "--last"),
            ("verify",),
            ("replay",),
            ("doctor",),
            ("backup",),
            ("restore", "latest", "--verify"),
        ):
            done = container.run(*words)
            expect(" ".join(words), done.returncode == 0, done.stdout + done.stderr)
        for words in (("backtest", "supertrend"), ("optimize", "supertrend"), ("data", "list"), ("train",), ("demo",)):
            done = container.run(*words)
            refused = done.returncode == 2 and "extra" in done.stderr and "Traceback" not in done.stderr
            expect(f"{words[0]} is refused: {done.stderr.strip()[:70]}…", refused, done.stdout + done.stderr)
        started = time.monotonic()
        os.kill(pid_one(bot.pid), signal.SIGTERM)
        code = bot.wait(40)
        expect(f"SIGTERM to PID 1: exit code {code} after {time.monotonic() - started:.1f} s", code == 0)
    finally:
        bot.kill()


def trade(container: Container) -> None:
    """An alert to a fill."""
    headers = {"Authorization": f"Bearer {SECRETS['API_TOKEN']}"}
    base = f"http://127.0.0.1:{container.port}/api/v1"
    until = time.monotonic() + PATIENCE_S
    state = "no answer"
    with httpx.Client(base_url=base, headers=headers, trust_env=False, timeout=10) as client:
        while time.monotonic() < until and container.run("health").returncode:
            time.sleep(0.5)
        expect("health", container.run("health").returncode == 0, (container.folder / "serve.log").read_text())
        while time.monotonic() < until and not client.get("/ready").is_success:
            time.sleep(0.5)
        taken = client.post("/webhooks/tradingview", content=alert(SECRETS["WEBHOOK_SECRET"])).json()
        while time.monotonic() < until and state not in ("filled", "refused", "failed", "expired", "closed"):
            time.sleep(0.2)
            state = client.get(f"/alerts/{taken['alert_id']}").json()["state"]
    expect(f"an alert is {state}", state == "filled", json.dumps(taken))


def main() -> None:
    say("building the environment of the image …")
    target = build()
    say("running its commands, each as PID 1:")
    rehearse(Container(target))
    say(f"\n  {'layer':<20}{'to pull':>12}{'unpacked':>12}")
    layers = sizes(target)
    for name, (pulled, unpacked) in layers.items():
        say(f"  {name:<20}{f'{pulled / 1e6:.1f} MB' if pulled else '':>12}{f'{unpacked / 1e6:.1f} MB':>12}")
    counted = [size for name, size in layers.items() if not name.startswith(" ")]
    pulled, unpacked = (sum(column) for column in zip(*counted, strict=True))
    say(f"  {'together':<20}{f'{pulled / 1e6:.1f} MB':>12}{f'{unpacked / 1e6:.1f} MB':>12}")


if __name__ == "__main__":
    main()

"""Every command the containers run, with the words and settings of docker-compose.yml, on a real PostgreSQL.

From an empty database to a filled order and a backup: what `docker compose up` does, without Docker. Networks and file
systems of containers are not here; `make image` has those.
"""

import json
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.docker.compose import alert, environment, ours, services
from tests.docker.test_compose import SECRETS
from tests.faults.processes import Program, free_port
from tests.faults.site import FINAL, PATIENCE_S, until

pytestmark = pytest.mark.long


class Stack:
    """The containers as processes on this machine."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.ports = {name: str(free_port()) for name in ("app", "worker", "venue")}
        here = {
            "TMPDIR": str(folder),
            "HOST": "127.0.0.1",
            "DATABASE_URL": database,
            "DATABASE_PASSWORD": "",
            "REDIS_URL": "",
            "SIMULATOR_HOST": "127.0.0.1",
            "SIMULATOR_PORT": self.ports["venue"],
            "STRATEGIES_FILE": str(folder / "strategies.yaml"),
            "BACKUP_URL": str(folder / "backups"),
        }
        self.env = {
            name: environment(name, SECRETS) | here | ({"PORT": self.ports[name]} if name in ("app", "worker") else {})
            for name in ours()
        }
        self.running: list[Program] = []

    def start(self, service: str) -> Program:
        words = services()[service]["command"]
        words = ["127.0.0.1" if word == "0.0.0.0" else word for word in words]
        program = Program(*words, env=self.env[service], folder=self.folder, name=service)
        self.running.append(program)
        return program

    async def run(self, *words: str, service: str = "app") -> tuple[int, str]:
        """`docker compose exec SERVICE tradingbot WORDS`."""
        program = Program(*words, env=self.env[service], folder=self.folder, name=f"{service}-{'-'.join(words[:2])}")
        program.log.unlink(missing_ok=True)
        return await program.ended(PATIENCE_S), program.said()

    async def healthy(self, service: str) -> None:
        """Until the container's own health check passes."""
        check = services()[service]["healthcheck"]["test"]
        assert check[:2] == ["CMD", "tradingbot"]
        words = [self.ports["venue"] if word == "8002" else word for word in check[2:]]

        async def passes() -> bool:
            assert all(program.running for program in self.running[1:]), [each.said()[-2000:] for each in self.running]
            return (await self.run(*words, service=service))[0] == 0

        await until(f"{service} is healthy", passes)


@pytest.mark.postgres
@pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)
async def test_the_whole_stack_trades_and_ends(tmp_path: Path, empty_database_url: str) -> None:
    stack = Stack(tmp_path, empty_database_url)
    try:
        await _trades(stack)
    finally:
        for program in stack.running:
            program.kill()


async def _trades(stack: Stack) -> None:
    assert await stack.start("migrate").ended(PATIENCE_S) == 0
    assert (await stack.run("health"))[0] == 1  # nobody there yet
    for service in ("venue", "worker", "app"):
        stack.start(service)
    for service in ("venue", "worker", "app"):
        await stack.healthy(service)
    headers = {"Authorization": f"Bearer {SECRETS['API_TOKEN']}"}
    base = f"http://127.0.0.1:{stack.ports['app']}/api/v1"
    async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False, timeout=30) as client:
        await until("the api is ready", lambda: _is_ready(client))
        sent = await client.post("/webhooks/tradingview", content=alert(SECRETS["WEBHOOK_SECRET"]))
        assert sent.status_code == 202, sent.text
        taken = sent.json()["alert_id"]

        async def ended() -> Any:
            story = (await client.get(f"/alerts/{taken}")).json()
            return story if story.get("state") in FINAL else None

        story = await until("the alert ends", ended)
    assert story["state"] == "filled", story
    await _looked_at(stack, taken)
    stopped = stack.running[1:]
    for program in stopped:
        program.send(signal.SIGTERM)
    assert [await program.ended(40) for program in stopped] == [0, 0, 0]


async def _is_ready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/ready")).is_success


async def _looked_at(stack: Stack, alert: str) -> None:
    """What a person types into `docker compose exec app tradingbot …`."""
    code, said = await stack.run("why", alert)
    assert code == 0
    assert alert in said
    assert (await stack.run("verify"))[0] == 0
    code, said = await stack.run("strategy", "add", "trend", "--symbols", "BTCUSDT")
    assert code == 0, said
    code, said = await stack.run("strategy", "list")
    assert "trend" in said
    code, said = await stack.run("doctor", "--json")
    levels = {finding["name"]: finding["level"] for finding in json.loads(said[said.index("{") :])["findings"]}
    assert levels["database"] == "ok", said
    code, said = await stack.run("backup")
    assert code == 0, said
    code, said = await stack.run("restore", "latest", "--verify")
    assert code == 0, said

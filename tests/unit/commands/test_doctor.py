"""`tradingbot doctor`: every check against something real or a loopback server, good and bad."""

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.redis_server import RedisServer
from tests.unit.notify import stories as s

KEY = "k9J3hQ7bV2xT8mW4cR6zN1pL5sD0fG" * 2
TOKEN = "123456789:AAcanaryTELEGRAMcanaryTELEGRAMcana1"
SAFE_KEY = {
    "enableWithdrawals": False,
    "enableInternalTransfer": False,
    "permitsUniversalTransfer": False,
    "ipRestrict": True,
    "enableFutures": True,
}
VOTE = json.dumps({"opinion": "LONG", "confidence": 81, "reason": "the trend is up"})


@dataclass
class Outside:
    """Exchange, Telegram and model services on one loopback port. `answers` by path; anything else is 404."""

    url: str = ""
    clock_off_ms: int = 0
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, Any]:
        self.asked.append(path)
        if path == "/fapi/v1/time":
            return 200, {"serverTime": int(time.time() * 1000) + self.clock_off_ms}
        return self.answers.get(path, (404, {"code": -1, "msg": "no such path"}))


@pytest.fixture
def outside() -> Iterator[Outside]:
    world = Outside()
    asset = {"asset": "USDT", "marginBalance": "1234.5", "availableBalance": "1000", "walletBalance": "1234.5"}
    world.answers = {
        "/fapi/v3/account": (200, {"assets": [asset]}),
        "/sapi/v1/account/apiRestrictions": (200, SAFE_KEY),
        f"/bot{TOKEN}/getMe": (
            200,
            {"ok": True, "result": {"id": 1, "is_bot": True, "first_name": "b", "username": "mybot"}},
        ),
        "/api/chat": (
            200,
            {
                "model": "llama3.1:8b",
                "done": True,
                "done_reason": "stop",
                "message": {"role": "assistant", "content": VOTE},
            },
        ),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = world.answer(urlsplit(self.path).path)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 - the library's name

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    world.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield world
    server.shutdown()
    server.server_close()


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """An SQLite file is enough here: `tradingbot verify` is tested on both databases."""
    shutil.copy(sqlite_template, tmp_path / "test.db")
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture
def env(outside: Outside, database_url: str) -> dict[str, str]:
    """Live trading with everything in place, as far as this machine goes."""
    Path("strategies.yaml").write_text("version: 1\nstrategies: {}\n")
    return {
        "TRADING_MODE": "live",
        "DATABASE_URL": database_url,
        "BINANCE_API_KEY": KEY,
        "BINANCE_API_SECRET": KEY[::-1],
        "BINANCE_BASE_URL": outside.url,
        "BINANCE_SPOT_URL": outside.url,
        "API_TOKEN": "a3f1" * 16 + "9b",
        "WEBHOOK_SECRET": "w" + KEY,
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_CHAT_IDS": "7,8",
        "TELEGRAM_BASE_URL": outside.url,
        "OLLAMA_HOST": outside.url,
        "AI_QUORUM": "1",
    }


@pytest.fixture
def examined(run, env):
    """`examined(NAME=…)`: exit code and findings by name, with these settings on top of the good ones."""

    def examine(*words: str, **change: str):
        result = run("doctor", "--json", *words, **{**env, **change})
        findings = json.loads(result.stdout)["findings"]
        assert "canary" not in result.output
        assert KEY not in result.output
        by_name: dict[str, list[dict[str, str]]] = {}
        for finding in findings:
            by_name.setdefault(finding["name"], []).append(finding)
        return result.exit_code, by_name

    return examine


def test_everything_in_place(examined, store):
    store(s.ALERT, *s.entered()[1:])
    code, findings = examined()
    assert code == 0, findings
    assert findings["database"][0]["level"] == "ok"
    assert findings["audit chain"][0]["found"].startswith("16 events")
    assert findings["exchange"][0]["level"] == "ok"
    assert findings["account"][0]["found"] == "equity 1234.5 USDT, 1000 available"
    assert findings["telegram"][0]["found"] == "@mybot writes to 2 chats"
    assert findings["llama seat"][0]["level"] == "ok"
    assert findings["gpt seat"] == [
        {"name": "gpt seat", "level": "warn", "found": "empty", "do": "set its key (or OLLAMA_HOST) to fill it"}
    ]
    assert findings["redis"][0]["found"] == "not used"
    assert findings["disk"][0]["level"] in ("ok", "warn")


def test_people_get_a_list_with_what_to_do(run, env):
    result = run("doctor", **{**env, "REDIS_URL": "redis://127.0.0.1:9/0"})
    assert "→ start it or mend REDIS_URL; the bot trades on without it, slower" in result.output
    assert result.exit_code == 0


def test_settings_that_need_attention_are_the_only_finding(examined):
    code, findings = examined(BINANCE_API_KEY="changeme", PORT="x")
    assert (code, list(findings)) == (1, ["settings"])
    assert "PORT" in findings["settings"][0]["found"]
    assert "BINANCE_API_KEY is a placeholder" in findings["settings"][0]["found"]


def test_warnings_of_the_settings_are_passed_on(examined):
    _, findings = examined(ALLOWED_SENDERS="any")
    assert any("ALLOWED_SENDERS" in finding["found"] for finding in findings["settings"])


def test_a_database_that_does_not_answer(examined):
    code, findings = examined(DATABASE_URL="postgresql://bot:canary@127.0.0.1:9/bot")
    assert (code, findings["database"][0]["level"]) == (1, "fail")


def test_a_database_without_its_schema(run, empty_database_url):
    if empty_database_url.startswith("sqlite"):
        Path(empty_database_url.removeprefix("sqlite:///")).touch()
    result = run("doctor", "--json", DATABASE_URL=empty_database_url)
    findings = {finding["name"]: finding for finding in json.loads(result.stdout)["findings"]}
    assert (result.exit_code, findings["database"]["level"]) == (1, "fail")
    assert findings["database"]["do"] == "tradingbot serve brings it up to date"


def test_a_changed_history(examined, store, sql):
    store(s.ALERT, *s.entered()[1:])
    sql("DELETE FROM events WHERE seq = 5")
    code, findings = examined()
    assert (code, findings["audit chain"][0]["level"]) == (1, "fail")
    assert findings["audit chain"][0]["found"].startswith("broken at event 5")


def test_a_first_run_is_no_failure(run):
    result = run("doctor", "--json", SIMULATOR_PORT="9")
    findings = {finding["name"]: finding for finding in json.loads(result.stdout)["findings"]}
    assert result.exit_code == 0
    assert findings["database"]["found"].startswith("no database at var/")
    assert findings["exchange"]["found"] == "the paper exchange at http://127.0.0.1:9 is not running"
    assert findings["gpt seat"]["found"] == "a labelled stand-in sits there"
    assert findings["strategies"]["level"] == "warn"


@pytest.mark.parametrize("off_ms", [-4000, 4000])
def test_clocks_that_are_apart(examined, outside, off_ms):
    outside.clock_off_ms = off_ms
    code, findings = examined()
    assert (code, findings["exchange"][0]["level"]) == (1, "fail")
    assert "NTP" in findings["exchange"][0]["do"]


def test_the_paper_exchange_has_a_time_of_its_own(examined, outside, env):
    outside.clock_off_ms = -90_000_000
    code, findings = examined(TRADING_MODE="paper")
    assert (code, findings["exchange"][0]["level"]) == (0, "ok")


def test_a_dangerous_key_fails_with_real_money_and_warns_without(examined, outside):
    outside.answers["/sapi/v1/account/apiRestrictions"] = (200, {**SAFE_KEY, "enableWithdrawals": True})
    code, findings = examined()
    assert (code, findings["key"][0]["level"]) == (1, "fail")
    assert "withdraw" in findings["key"][0]["found"]
    code, findings = examined(TRADING_MODE="testnet")
    assert (code, findings["key"][0]["level"]) == (0, "warn")


@pytest.mark.parametrize("answer", [(401, {"code": -2015, "msg": "Invalid API-key"}), (503, {})])
def test_an_exchange_that_does_not_let_us_in(examined, outside, answer):
    outside.answers["/fapi/v3/account"] = answer
    code, findings = examined()
    assert (code, findings["exchange"][0]["level"]) == (1, "fail")


def test_an_exchange_that_is_not_there(examined):
    code, findings = examined(BINANCE_BASE_URL="http://127.0.0.1:9")
    assert (code, findings["exchange"][0]["level"]) == (1, "fail")


def test_a_telegram_token_that_is_not_good(examined, outside):
    del outside.answers[f"/bot{TOKEN}/getMe"]
    code, findings = examined()
    assert (code, findings["telegram"][0]["level"]) == (1, "fail")
    assert "check TELEGRAM_BOT_TOKEN" in findings["telegram"][0]["found"]


def test_redis_is_asked_and_missed_but_never_needed(examined):
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = RedisServer(Path(folder))
        server.start()
        assert examined(REDIS_URL=server.url)[1]["redis"][0]["found"] == "answers"
        server.kill()
        code, findings = examined(REDIS_URL=server.url)
    assert (code, findings["redis"][0]["level"]) == (0, "warn")


def test_a_registry_with_a_mistake(examined):
    Path("strategies.yaml").write_text("version: 1\nstrategies: [oops]\n")
    code, findings = examined()
    assert (code, findings["strategies"][0]["level"]) == (1, "fail")
    assert "strategies.yaml line 2" in findings["strategies"][0]["found"]


def test_models_are_asked_only_when_told_to(examined, outside):
    examined()
    assert "/api/chat" not in outside.asked
    code, findings = examined("--ask")
    assert code == 0, findings
    assert "llama3.1:8b: LONG 81 “the trend is up” after" in findings["llama asked"][0]["found"]


def test_a_model_that_answers_nonsense(examined, outside):
    outside.answers["/api/chat"] = (500, {"error": "out of memory"})
    code, findings = examined("--ask")
    assert (code, findings["llama asked"][0]["level"]) == (1, "fail")

"""Secrets Manager as a moto server plays it; what it refuses is played by a small server in front of it."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import httpx
import pytest

from app.adapters.aws import secrets as adapter
from app.adapters.aws.secrets import read_secrets
from app.settings.shapes import SecretRef
from tests.aws.server import moto, moto_process  # noqa: F401 - fixtures

CANARY = "canary-value-that-nobody-may-see"


@pytest.fixture(autouse=True)
def _own_clients() -> Iterator[None]:
    adapter._client.cache_clear()
    yield
    adapter._client.cache_clear()


@pytest.fixture
def vault(moto, monkeypatch):  # noqa: F811 - the fixture
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    return boto3.client("secretsmanager")


def keep(vault, name: str, text: str) -> str:
    """Its ARN."""
    return str(vault.create_secret(Name=name, SecretString=text)["ARN"])


def test_by_name_by_arn_without_its_suffix_and_by_json_key(vault):
    arn = keep(vault, "bot/prod/KEYS", json.dumps({"password": "from-json", "port": 5432}))
    keep(vault, "bot/prod/API_TOKEN", "from-name")
    refs = [
        SecretRef("API_TOKEN", "bot/prod/API_TOKEN", ""),
        SecretRef("DATABASE_PASSWORD", arn, "password"),
        SecretRef("SECRET_KEY", arn[: -len("-XXXXXX")], "password"),
        SecretRef("OPENAI_API_KEY", arn, ""),
    ]
    found = read_secrets(refs)
    assert found["API_TOKEN"] == "from-name"
    assert found["DATABASE_PASSWORD"] == found["SECRET_KEY"] == "from-json"
    assert json.loads(found["OPENAI_API_KEY"])["port"] == 5432


def test_more_secrets_than_one_call_takes_and_the_newest_of_each(vault):
    refs = [SecretRef(f"NAME_{n}", keep(vault, f"bot/{n}", f"old-{n}"), "") for n in range(adapter.BATCH + 3)]
    vault.put_secret_value(SecretId="bot/7", SecretString="new-7")
    found = read_secrets(refs)
    assert len(found) == len(refs)
    assert found["NAME_7"] == "new-7"


def test_what_cannot_be_used_is_left_out_and_named_without_its_value(vault):
    keep(vault, "bot/plain", CANARY)
    keep(vault, "bot/json", json.dumps({"other": CANARY}))
    vault.create_secret(Name="bot/binary", SecretBinary=CANARY.encode())
    said: list[str] = []
    refs = [
        SecretRef("API_TOKEN", "bot/gone", ""),
        SecretRef("SECRET_KEY", "bot/plain", "key"),
        SecretRef("OKX_API_KEY", "bot/json", "key"),
        SecretRef("ENCRYPTION_KEY", "bot/binary", ""),
        SecretRef("BINANCE_API_KEY", "bot/plain", ""),
    ]
    assert read_secrets(refs, warn=said.append) == {"BINANCE_API_KEY": CANARY}
    text = "\n".join(said)
    assert len(said) == 4, text
    assert all(name in text for name in ("bot/gone", "SECRET_KEY", "OKX_API_KEY", "bot/binary"))
    assert "canary" not in text


def test_nobody_there_leaves_everything_out_soon(moto, monkeypatch):  # noqa: F811 - for its environment
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        said: list[str] = []
        assert read_secrets([SecretRef("API_TOKEN", "bot/token", "")], warn=said.append) == {}
    assert len(said) == 1
    assert "gives nothing (EndpointConnectionError); bot/token stay" in said[0]


def test_without_a_region_nothing_is_asked(monkeypatch, tmp_path):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    said: list[str] = []
    assert read_secrets([SecretRef("API_TOKEN", "bot/token", "")], warn=said.append) == {}
    assert "AWS_REGION" in said[0]


def test_nothing_asked_for_asks_nobody():
    assert read_secrets([], client=object()) == {}


# --- a role that may not everything ------------------------------------------------------------------


@pytest.fixture
def denying(moto, monkeypatch) -> Iterator[set[str]]:  # noqa: F811 - the fixture
    """In front of moto: refuses calls and secrets that are in the set, as IAM does."""
    denied: set[str] = set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            call = self.headers["X-Amz-Target"].rpartition(".")[2]
            if call in denied or json.loads(body).get("SecretId") in denied:
                status, text = 400, json.dumps({"__type": "AccessDeniedException", "Message": "no"}).encode()
            else:
                kept = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "content-length")}
                answer = httpx.post(moto, content=body, headers=kept, trust_env=False)
                status, text = answer.status_code, answer.content
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
        yield denied
        server.shutdown()
        serving.join()


def test_where_batches_are_not_allowed_secrets_are_read_one_by_one(denying):
    vault = boto3.client("secretsmanager")
    refs = [SecretRef(name, keep(vault, f"bot/{name}", name.lower()), "") for name in ("API_TOKEN", "SECRET_KEY")]
    refs.append(SecretRef("OKX_API_KEY", "bot/closed", ""))
    keep(vault, "bot/closed", CANARY)
    denying |= {"BatchGetSecretValue", "bot/closed"}
    said: list[str] = []
    assert read_secrets(refs, warn=said.append) == {"API_TOKEN": "api_token", "SECRET_KEY": "secret_key"}
    assert said == ["the secret bot/closed cannot be read: AccessDeniedException"]

"""docker-compose.yml: valid, closed, pinned, and understood by the settings it feeds."""

import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

import jsonschema
import pytest
import yaml

from app.domain.errors import BadSettings
from app.settings import Mode, load_settings
from app.settings.environment import NAMES
from tests.architecture.skeleton import ROOT
from tests.docker.compose import FILE, VARIABLE, Missing, environment, interpolated, ours, services

SCHEMA = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
SECRETS = {
    name: f"{number:02x}" * 32 if name == "ENCRYPTION_KEY" else f"canary-{name}-0123456789abcdefghijklmnopqrstuvwxyz"
    for number, name in enumerate(("DATABASE_PASSWORD", "API_TOKEN", "WEBHOOK_SECRET", "ENCRYPTION_KEY"), 161)
} | {"GRAFANA_PASSWORD": "canary-of-grafana"}


def test_it_is_what_the_specification_allows() -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(yaml.safe_load(FILE.read_text()))


@pytest.mark.parametrize("change", [{"restarts": "always"}, {"healthcheck": {"test": 1}}, {"depends_on": {"app": {}}}])
def test_the_schema_notices(change: dict[str, Any]) -> None:
    said = yaml.safe_load(FILE.read_text())
    said["services"]["redis"] |= change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(said)


def test_every_image_is_pinned_or_built_here() -> None:
    assert not [
        name for name, service in services().items() if "build" not in service and not DIGEST.search(service["image"])
    ]
    assert set(ours()) == {"app", "worker", "venue", "migrate"}


@pytest.mark.parametrize("name", services())
def test_a_service_is_closed(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["restart"] in ("unless-stopped", "on-failure:5")
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["healthcheck"].get("disable") or service["healthcheck"]["test"][0] == "CMD"
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert not [
        volume for volume in service.get("volumes", []) if volume.startswith("./") and not volume.endswith(":ro")
    ]


def test_what_must_be_waited_for_is_waited_for() -> None:
    for name in ("app", "worker"):
        wanted = {other: each["condition"] for other, each in services()[name]["depends_on"].items()}
        assert wanted == {
            "migrate": "service_completed_successfully",
            "redis": "service_healthy",
            "venue": "service_healthy",
        }
        assert services()[name]["stop_grace_period"] == "40s"
    assert services()["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_mounted_files_exist() -> None:
    mounted = {volume.split(":")[0] for service in services().values() for volume in service.get("volumes", [])}
    assert not [path for path in mounted if path.startswith("./") and not (ROOT / path).is_dir()]
    named = set(yaml.safe_load(FILE.read_text())["volumes"])
    assert {path for path in mounted if not path.startswith("./")} == named


def test_every_name_is_a_setting() -> None:
    image = {"TRADINGBOT_IMAGE", "RELEASE", "GRAFANA_PASSWORD"}
    asked = {found["name"] for found in VARIABLE.finditer(FILE.read_text())}
    assert asked - NAMES == image - {"RELEASE"}
    assert not {name for service in ours() for name in environment(service, SECRETS)} - NAMES - image - {"TMPDIR"}


@pytest.mark.parametrize("name", ours())
def test_what_may_be_large_is_written_to_the_volume(name: str) -> None:
    """A backup is tried on a copy of the database; /tmp is 64 MB of memory."""
    scratch = PurePosixPath(services()[name]["environment"]["TMPDIR"])
    (mounted,) = (volume.split(":")[1] for volume in services()[name]["volumes"])
    assert scratch.is_relative_to(mounted)
    # A new volume gets what the image has there.
    made = re.search(r"install --directory --owner 10001 .+", (ROOT / "Dockerfile").read_text())
    assert made
    assert str(scratch) in made[0].split()


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("value", [None, ""])
def test_a_secret_without_a_value_refuses_and_says_what_to_do(name: str, value: str | None) -> None:
    given = {other: text for other, text in SECRETS.items() if other != name} | (
        {name: value} if value is not None else {}
    )
    with pytest.raises(Missing, match=rf"{name}: write it into \.env, openssl rand -hex 32 makes one"):
        interpolated(FILE.read_text(), given)


@pytest.mark.parametrize("service", ours())
def test_the_settings_understand_it(service: str) -> None:
    settings = load_settings(environment(service, SECRETS), env_file=None)
    assert settings.mode is Mode.PAPER
    assert settings.venue.rest_url == "http://venue:8002"
    assert settings.server.host == "0.0.0.0"
    assert "canary-DATABASE_PASSWORD" in settings.database.url.get_secret_value()
    assert not settings.database.embedded


def test_outside_paper_mode_the_paper_exchange_is_out_of_reach() -> None:
    keys = {"BINANCE_API_KEY": "k" * 3 + "canary" * 9, "BINANCE_API_SECRET": "s" * 3 + "canary" * 9}
    live = load_settings(environment("worker", SECRETS | keys | {"TRADING_MODE": "live"}), env_file=None)
    assert live.venue.rest_url == "https://fapi.binance.com"
    with pytest.raises(BadSettings, match="BINANCE_API_KEY is missing"):
        load_settings(environment("worker", SECRETS | {"TRADING_MODE": "live"}), env_file=None)


def test_a_copied_example_of_settings_takes_nothing_away() -> None:
    """`.env.example` holds HOST=127.0.0.1 and an SQLite file: in a container they would be wrong."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    copied = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))
    settings = load_settings(environment("app", copied | SECRETS), env_file=None)
    assert (settings.server.host, settings.server.port) == ("0.0.0.0", 8001)
    assert settings.venue.rest_url == "http://venue:8002"
    assert not settings.database.embedded

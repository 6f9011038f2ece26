"""A miniature of the house: every layer the contracts name, as an almost empty module, to plant violations in."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

# Where a contract names a package, the skeleton has these modules inside.
_MODULES = (
    "app/pipeline/run.py",
    "app/adapters/aws/session.py",
    "app/adapters/local.py",
    "app/adapters/metrics.py",
    "app/adapters/sentry.py",
    "app/adapters/tracing/exporter.py",
    "app/adapters/db/inbox.py",
    "app/adapters/redis/doorbell.py",
    "app/adapters/telegram/notifier.py",
    "app/adapters/exchanges/binance/orders.py",
    "app/api/webhook.py",
    "app/commands/demo.py",
    "app/domain/money.py",
    "ai/lstm/serve.py",
    "ai/ensemble/gpt.py",
    "simulator/server.py",
)

# Imports the real house has and the contracts allow: the miniature keeps them, so that "allowed" is shown as well.
_HONEST = {
    "app/bootstrap.py": "import ai.ensemble.gpt\nimport simulator.server\nimport app.adapters.db.inbox\n",
    "app/pipeline/run.py": "import app.ports\nimport app.domain.money\n",
    "app/adapters/redis/doorbell.py": "import redis\nimport app.adapters.local\n",
    "app/adapters/aws/session.py": "import boto3\nfrom botocore.config import Config\n",
    "app/adapters/metrics.py": "import prometheus_client\n",
    "app/adapters/sentry.py": "import sentry_sdk\n",
    "app/adapters/tracing/exporter.py": "import opentelemetry.trace\n",
    "app/archive.py": "import cryptography\n",
    "app/lambda_handler.py": "import mangum\n",
    "app/adapters/db/inbox.py": "import sqlalchemy\nimport app.ports\n",
    "app/adapters/telegram/notifier.py": "import telegram\n",
    "app/adapters/exchanges/binance/orders.py": "import binance\n",
    "app/api/webhook.py": "import fastapi\nimport app.pipeline.run\n",
    "app/main.py": "import fastapi\nimport app.bootstrap\n",
    "ai/ensemble/gpt.py": "import openai\nimport app.domain.money\n",
    "ai/lstm/serve.py": "import onnxruntime\nimport app.indicators\n",
    "simulator/server.py": "import fastapi\nimport app.domain.money\n",
}


def configuration() -> dict[str, Any]:
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return settings


def contract_names() -> list[str]:
    return [contract["name"] for contract in configuration()["contracts"]]


def build(folder: Path) -> Path:
    """Write the miniature and the real contracts into `folder`."""
    layers = next(contract["layers"] for contract in configuration()["contracts"] if contract["type"] == "layers")
    names = [name.strip() for layer in layers for name in layer.split("|")]
    packages = {path.split("/")[1] for path in _MODULES if path.startswith("app/")}
    for name in names:
        write(folder, f"app/{name}/__init__.py" if name in packages else f"app/{name}.py", "")
    for path in _MODULES:
        write(folder, path, "")
    for path, source in _HONEST.items():
        write(folder, path, source)
    (folder / "pyproject.toml").write_text(_as_toml(configuration()))
    return folder


def write(folder: Path, path: str, source: str) -> None:
    """Append to a module, making it and its packages where they are missing."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    for parent in file.relative_to(folder).parents[:-1]:
        (folder / parent / "__init__.py").touch()
    with file.open("a") as module:
        module.write(source)


def lint(folder: Path) -> tuple[bool, str]:
    """Run the linter as `make check` does. True when every contract holds, and what it printed."""
    command = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", command],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "COLUMNS": "200", "NO_COLOR": "1", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode == 0, done.stdout + done.stderr


def _as_toml(settings: dict[str, Any]) -> str:
    """TOML of strings, booleans and lists of strings, all of which JSON writes the same way."""
    lines = ["[tool.importlinter]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items() if key != "contracts"]
    for contract in settings["contracts"]:
        lines.append("[[tool.importlinter.contracts]]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in contract.items()]
    return "\n".join(lines) + "\n"

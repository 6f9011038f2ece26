"""The import contracts hold, and each of them is shown to notice what it is there to notice."""

from pathlib import Path

import pytest

from tests.architecture.skeleton import ROOT, build, contract_names, lint, write

LAYERS = "Layers: domain at the bottom, bootstrap on top"

# contract, the module that breaks it, the line that does
SEEDS = [
    (LAYERS, "app/domain/money.py", "import app.ports"),
    (LAYERS, "app/ports.py", "import app.pipeline.run"),
    (LAYERS, "app/pipeline/run.py", "import app.adapters.db.inbox"),
    (LAYERS, "app/pipeline/run.py", "import app.indicators"),
    (LAYERS, "app/api/webhook.py", "import app.adapters.db.inbox"),
    (LAYERS, "app/api/webhook.py", "import app.settings"),
    (LAYERS, "app/adapters/db/inbox.py", "def put():\n    import app.bootstrap"),
    (LAYERS, "app/leftovers.py", ""),  # a new module has to be given its place
    ("The pipeline knows no library and no edge", "app/pipeline/run.py", "import numpy"),
    ("The pipeline knows no library and no edge", "app/domain/money.py", "import numpy as np"),
    ("The pipeline knows no library and no edge", "app/ports.py", "from simulator import server"),
    ("The edge never sees itself: adapters, ai and simulator are strangers", "ai/lstm/serve.py", "import app.adapters"),
    ("The edge never sees itself: adapters, ai and simulator are strangers", "simulator/server.py", "import ai.lstm"),
    ("Adapter families are independent", "app/adapters/telegram/notifier.py", "import app.adapters.db.inbox"),
    ("Adapter families are independent", "app/adapters/newcomer.py", "import app.adapters.local"),
    ("Only the bootstrap and the commands know ai and simulator", "app/api/webhook.py", "import ai.ensemble.gpt"),
    ("Only the bootstrap and the commands know ai and simulator", "app/worker.py", "import simulator"),
    (
        "The edge takes the common tools and the vocabulary from app, nothing else",
        "ai/ensemble/gpt.py",
        "import app.pipeline.run",
    ),
    (
        "The edge takes the common tools and the vocabulary from app, nothing else",
        "app/adapters/db/inbox.py",
        "import app.pipeline.run",
    ),
    ("Serving never imports TensorFlow", "ai/ensemble/gpt.py", "def load():\n    import keras"),
    ("Only ai imports the model libraries", "app/api/webhook.py", "import openai"),
    ("Only ai imports the model libraries", "simulator/server.py", "from anthropic import AsyncAnthropic"),
    ("Only its adapter imports python-binance", "app/bootstrap.py", "from binance import AsyncClient"),
    ("Only its adapter imports python-binance", "simulator/server.py", "import binance"),
    ("Only its adapter imports python-telegram-bot", "app/commands/demo.py", "import telegram"),
    ("Only its adapter imports SQLAlchemy", "app/worker.py", "import sqlalchemy"),
    ("Only its adapter imports redis", "app/bootstrap.py", "import redis.asyncio"),
    ("Only its adapter imports boto3", "app/bootstrap.py", "import boto3"),
    ("Only its adapter imports boto3", "app/commands/demo.py", "from botocore.exceptions import ClientError"),
    ("Only the traces import OpenTelemetry", "app/pipeline/run.py", "from opentelemetry import trace"),
    ("Only its adapter imports sentry-sdk", "app/worker.py", "import sentry_sdk"),
    ("Only the archive imports cryptography", "app/adapters/db/inbox.py", "import cryptography"),
    ("Only the Lambda handler imports Mangum", "app/main.py", "from mangum import Mangum"),
    ("Only the metrics and the HTTP surface import prometheus-client", "app/worker.py", "import prometheus_client"),
    ("Only the HTTP surfaces import the web framework", "app/adapters/db/inbox.py", "from fastapi import Request"),
]


def test_the_contracts_hold() -> None:
    kept, report = lint(ROOT)
    assert kept, report


def test_the_miniature_holds_too(tmp_path: Path) -> None:
    kept, report = lint(build(tmp_path))
    assert kept, report


@pytest.mark.parametrize(("contract", "module", "line"), SEEDS, ids=lambda value: value.split("\n")[-1].strip())
def test_a_violation_is_named(tmp_path: Path, contract: str, module: str, line: str) -> None:
    house = build(tmp_path)
    write(house, module, f"{line}\n")
    kept, report = lint(house)
    assert not kept, f"nothing noticed {line!r} in {module}"
    assert f"{contract} BROKEN" in " ".join(report.split()), report


def test_every_contract_has_a_seeded_violation() -> None:
    assert {contract for contract, _, _ in SEEDS} == set(contract_names())

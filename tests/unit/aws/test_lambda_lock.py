"""requirements-lambda.txt is what the handler needs, all of it and in the product's versions."""

import json
import os
import subprocess
import sys
from importlib import metadata
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.locks import COPYLEFT, foreign, licence, lock, pins, unmet
from tests.architecture.skeleton import ROOT

STARTER = {"awslambdaric", "simplejson", "snapshot-restore-py"}  # loads the handler on Lambda; nothing here imports it
HEAVY = {
    *("numba", "talib", "sqlalchemy", "openai", "anthropic", "ollama", "numpy", "pandas", "tensorflow", "keras"),
    *("onnxruntime", "asyncpg", "aiosqlite", "redis", "binance", "telegram", "alembic", "cryptography", "duckdb"),
    *("pyarrow", "matplotlib", "optuna", "uvicorn", "httpx", "ai", "simulator"),
}

IMPORTED = """
import json, sys, app.lambda_handler as it
found = {"modules": sorted(sys.modules)}
try:
    it.handler
except Exception as error:
    found["without settings"] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""

# As if the packages whose modules are named on the command line were not installed.
WITHOUT = """
import importlib.abc, json, sys
gone = set(json.loads(sys.argv[1]))
class Gone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in gone:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Gone())
import app.lambda_handler
print(app.lambda_handler.Intake.__name__)
"""


def run(code: str, *arguments: str, **env: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def started() -> Any:
    """What is loaded when Lambda has loaded the handler's module, and what looking up the handler then says."""
    return json.loads(run(IMPORTED, TRADING_MODE="paper", SPILL_QUEUE_URL=""))


def test_nothing_heavy_is_imported(started: Any) -> None:
    modules = set(started["modules"])
    assert "app.lambda_handler" in modules
    assert not HEAVY & {module.partition(".")[0] for module in modules}
    assert not {module for module in modules if module.startswith(("app.adapters.db", "app.bootstrap", "app.worker"))}


def test_settings_are_read_when_the_handler_is_looked_up(started: Any) -> None:
    assert started["without settings"].startswith("BadSettings: ")
    assert "SPILL_QUEUE_URL is missing" in started["without settings"]


def test_the_packages_of_the_lock_are_enough() -> None:
    locked = set(pins(lock("requirements-lambda.txt")))
    modules = metadata.packages_distributions().items()
    others = [
        name for name, packages in modules if name != "app" and not locked & set(map(canonicalize_name, packages))
    ]
    assert {"sqlalchemy", "rich", "ai"} <= set(others)
    assert not {"boto3", "fastapi", "mangum"} & set(others)
    assert run(WITHOUT, json.dumps(others)) == "Intake\n"
    with pytest.raises(AssertionError, match="No module named 'mangum'"):
        run(WITHOUT, json.dumps([*others, "mangum"]))


def test_the_lock_pins_what_is_asked_for_in_the_products_versions() -> None:
    asked = [Requirement(line) for line in lock("requirements-lambda.in").splitlines() if not line.startswith("#")]
    locked, product = pins(lock("requirements-lambda.txt")), pins(lock("requirements.txt"))
    assert not unmet(asked, locked)
    assert not [pin.name for pin in locked.values() if not pin.hashes]
    assert not foreign(lock("requirements-lambda.txt"))
    assert locked.keys() - product.keys() == STARTER
    assert not {name for name in locked.keys() - STARTER if locked[name].version != product[name].version}


def test_nothing_in_it_is_copyleft() -> None:
    said = {name: licence(metadata.metadata(name)) for name in pins(lock("requirements-lambda.txt")).keys() - STARTER}
    assert len(said) > 15
    assert not {name: text for name, text in said.items() if COPYLEFT.search(text)}

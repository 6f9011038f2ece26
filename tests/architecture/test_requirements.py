"""The locks are complete, agree with pyproject.toml and each other, and bring no licence the product cannot carry."""

import re
from email.message import Message
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.locks import COPYLEFT, foreign, licence, lock, only, pins, unmet, wanted

LOCKS = ["requirements.txt", "requirements-dev.txt", "requirements-uv.txt", "requirements-service.txt"]
HASH = f"    --hash=sha256:{'0' * 64}\n"


def test_the_product_lock_pins_every_dependency() -> None:
    assert not unmet(wanted("research"), pins(lock("requirements.txt")))


def test_the_lock_of_the_image_that_trades_is_the_product_without_research() -> None:
    product, service = pins(lock("requirements.txt")), pins(lock("requirements-service.txt"))
    assert not unmet(wanted(), service)
    assert not {canonicalize_name(requirement.name) for requirement in only("research")} & set(service)
    assert {name: pin.version for name, pin in service.items()}.items() <= {
        name: pin.version for name, pin in product.items()
    }.items()


def test_the_development_lock_pins_every_extra_as_well() -> None:
    assert not unmet(wanted("research", "train", "dev"), pins(lock("requirements-dev.txt")))


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_hashes_and_no_line_says_where_it_came_from(name: str) -> None:
    text = lock(name)
    locked = pins(text)
    assert locked
    assert not [pin.name for pin in locked.values() if not pin.hashes]
    assert not foreign(text)


def test_tests_run_against_the_versions_that_ship() -> None:
    product, development = (pins(lock(name)) for name in LOCKS[:2])
    assert not {
        name: (pin.version, development[name].version if name in development else "missing")
        for name, pin in product.items()
        if name not in development or development[name].version != pin.version
    }


def test_no_dependency_of_the_product_is_copyleft() -> None:
    said = {
        pin.name: licence(metadata.metadata(pin.name)) for pin in pins(lock("requirements.txt")).values() if pin.applies
    }
    assert len(said) > 50
    assert not {name: text for name, text in said.items() if COPYLEFT.search(text)}


def test_the_training_extra_stays_out_of_the_product() -> None:
    locked = pins(lock("requirements.txt"))
    heavy = {"tensorflow", "tensorflow-cpu", "keras", "onnx", "tf2onnx", "ccxt", "pytest"}
    assert not heavy & set(locked)


# --- the checks notice ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", f"redis==6.9\n{HASH}", "redis==8.1\n", f"redis-py==8.1\n{HASH}"],
    ids=["missing", "out of range", "no hash", "another package"],
)
def test_an_unmet_requirement_is_noticed(text: str) -> None:
    assert unmet([Requirement("redis>=7")], pins(text)) == ["redis>=7"]
    assert not unmet([Requirement("redis>=7")], pins(f"redis==8.1 \\\n{HASH}    # via app\n"))


@pytest.mark.parametrize("line", ["-e .", "redis>=7", "git+ssh://somewhere/redis"])
def test_a_line_that_pins_nothing_is_noticed(line: str) -> None:
    with pytest.raises(ValueError, match=re.escape(line)):
        pins(line)


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://mirror.example/simple",
        "--extra-index-url http://mirror.example",
        "redis @ file:///somewhere",
        "    # via -r /tmp/in.txt",
    ],
)
def test_a_place_is_noticed(line: str) -> None:
    assert foreign(line)


@pytest.mark.parametrize(
    ("field", "value", "copyleft"),
    [
        ("License-Expression", "AGPL-3.0-or-later", True),
        ("License-Expression", "GPL-2.0-only OR MIT", True),
        ("License", "GPLv3", True),
        ("License", "Apache 2.0 with Commons Clause", True),
        ("Classifier", "License :: OSI Approved :: GNU General Public License v3 (GPLv3)", True),
        ("Classifier", "License :: OSI Approved :: GNU Affero General Public License v3", True),
        ("License-Expression", "LGPL-3.0-only", False),
        ("License", "MIT\n\nsome parts were once under the GPL", False),
        ("Classifier", "License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)", False),
        ("Classifier", "Topic :: Office/Business :: Financial", False),
    ],
)
def test_copyleft_is_told_from_the_rest(field: str, value: str, copyleft: bool) -> None:
    package = Message()
    package[field] = value.replace("\n", " ") if field != "License" else value.splitlines()[0]
    assert bool(COPYLEFT.search(licence(package))) is copyleft

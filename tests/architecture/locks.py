"""Reads the locks: which version of what is pinned, with which hashes."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.skeleton import ROOT

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?==(?P<version>\S+?)(?:\s*;\s*(?P<marker>.+?))?\s*\\?$")

# A lock names packages, never where they came from: that is the business of whoever installs.
FOREIGN = re.compile(r"https?://|file:|--(extra-)?index-url|--find-links|(?<!\S)/\w|\s@\s")

COPYLEFT = re.compile(r"(?<!L)\b(AGPL|GPL)|AFFERO|(?<!LESSER )GENERAL PUBLIC|COMMONS[ -]CLAUSE", re.IGNORECASE)


@dataclass(frozen=True)
class Pin:
    name: str
    version: str
    hashes: int
    marker: Marker | None

    @property
    def applies(self) -> bool:
        """Whether it is meant for the machine the tests run on."""
        return self.marker is None or self.marker.evaluate()


def project() -> dict[str, Any]:
    metadata: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return metadata


def wanted(*extras: str) -> list[Requirement]:
    """What pyproject.toml asks for."""
    metadata = project()
    optional = metadata["optional-dependencies"]
    return [
        Requirement(line) for line in [*metadata["dependencies"], *(d for extra in extras for d in optional[extra])]
    ]


def only(extra: str) -> list[Requirement]:
    return [Requirement(line) for line in project()["optional-dependencies"][extra]]


def pins(text: str) -> dict[str, Pin]:
    """Every pin of a lock by its canonical name. Raises ValueError for a line that is neither pin nor hash."""
    found: dict[str, Pin] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("    --hash=sha256:"):
            pin = found[name]
            found[name] = Pin(pin.name, pin.version, pin.hashes + 1, pin.marker)
        elif match := _PIN.match(line):
            name = canonicalize_name(match["name"])
            found[name] = Pin(name, match["version"], 0, Marker(match["marker"]) if match["marker"] else None)
        elif line.strip() and not line.lstrip().startswith("#"):
            raise ValueError(f"neither a pin nor a hash: {line}")
    return found


def unmet(requirements: list[Requirement], locked: dict[str, Pin]) -> list[str]:
    """Requirements that the lock does not pin, pins outside the range, or pins without hashes."""
    return [
        str(requirement)
        for requirement in requirements
        if (pin := locked.get(canonicalize_name(requirement.name))) is None
        or pin.version not in requirement.specifier
        or not pin.hashes
    ]


def foreign(text: str) -> list[str]:
    return [line for line in text.splitlines() if FOREIGN.search(line)]


def licence(metadata: Any) -> str:
    """What a package's metadata says about its licence, on one line.

    `License` may hold a whole text that mentions other licences in passing: only its first line is a name.
    """
    classifiers = [line for line in metadata.get_all("Classifier") or [] if line.startswith("License ::")]
    text = (metadata.get("License") or "").strip().splitlines()
    return " | ".join([metadata.get("License-Expression") or "", *text[:1], *classifiers])


def lock(name: str) -> str:
    return (Path(ROOT) / name).read_text()

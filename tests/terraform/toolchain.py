"""Terraform as the gates and the full cycle run it: offline, in a copy, and with nobody's account in reach.

The environment is built, not inherited: no AWS credentials, no TF_VAR_… and no configuration of the person who runs it.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TERRAFORM = ROOT / "terraform"
PROVIDER = Path("registry.terraform.io/hashicorp/aws/5.100.0")
NOT_FILES = {"proc", "sys", "dev", "run"}  # of the system's root: nothing to find there

# What a plan with -detailed-exitcode answers.
NO_CHANGES, CHANGES = 0, 2


class Missing(Exception):  # noqa: N818 - reads as what it is
    """A tool is not on this machine. The message says which, and how to get it."""


class Failed(Exception):  # noqa: N818
    """A tool ran and said no. The message is what it said."""


@dataclass(frozen=True)
class Toolchain:
    terraform: str
    plugins: Path


def find() -> Toolchain:
    """Terraform and the folder with its AWS provider: TF_PLUGIN_DIR, or wherever it lies on disk. Raises Missing."""
    terraform = shutil.which("terraform")
    if terraform is None:
        raise Missing("terraform is not on PATH: install version 1.11 or newer")
    if told := os.environ.get("TF_PLUGIN_DIR"):
        if not (Path(told) / PROVIDER).is_dir():
            raise Missing(f"TF_PLUGIN_DIR={told} has no {PROVIDER}")
        return Toolchain(terraform, Path(told))
    for folder in _folders(Path("/")):
        if (folder / PROVIDER).is_dir():
            return Toolchain(terraform, folder)
    raise Missing(
        f"the provider {PROVIDER} is not on this machine: run `terraform providers mirror FOLDER` in terraform/ once,"
        " with a network, and set TF_PLUGIN_DIR=FOLDER"
    )


def _folders(top: Path) -> Iterator[Path]:
    """Every folder that holds one named registry.terraform.io, links not followed."""
    for path, folders, _ in os.walk(top):
        if PROVIDER.parts[0] in folders:
            yield Path(path)
        folders[:] = sorted(set(folders) - (NOT_FILES if Path(path) == top else {"node_modules", ".git", ".terraform"}))


def gate_tool(name: str) -> str:
    """A linter from var/gates, or from PATH. Raises Missing."""
    bundled = ROOT / "var" / "gates" / "bin" / name
    found = str(bundled) if bundled.exists() else shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed: make tf-check installs it")
    return found


def copy_of_terraform(folder: Path) -> Path:
    """terraform/ without what a run leaves in it."""
    target = folder / "terraform"
    leavings = shutil.ignore_patterns(".terraform", "*.tfstate*", "*.tfvars", "backend.hcl")
    shutil.copytree(TERRAFORM, target, ignore=leavings)
    return target


@dataclass
class Terraform:
    """Commands in one directory. Raises Failed when one says no."""

    tools: Toolchain
    folder: Path
    home: Path  # for an empty configuration file; the same for all
    variables: Mapping[str, str] = field(default_factory=dict)  # into the environment: AWS_…, TF_VAR_…

    def init(self, *options: str) -> None:
        self.run("init", "-input=false", "-no-color", f"-plugin-dir={self.tools.plugins}", *options)

    def run(self, *arguments: str, allowed: Sequence[int] = (0,)) -> subprocess.CompletedProcess[str]:
        command = [self.tools.terraform, *arguments]
        environment = self._environment()
        done = subprocess.run(command, cwd=self.folder, env=environment, text=True, capture_output=True, check=False)
        if done.returncode not in allowed:
            said = done.stderr[-8000:].strip() or done.stdout[-8000:].strip()
            raise Failed(f"terraform {arguments[0]} in {self.folder.name} ended in {done.returncode}:\n{said}")
        return done

    def show(self, *path: str) -> dict[str, Any]:
        """A plan file, or without one the state, as Terraform's JSON."""
        found: dict[str, Any] = json.loads(self.run("show", "-json", *path).stdout)
        return found

    def _environment(self) -> dict[str, str]:
        config = self.home / "empty.tfrc"
        config.touch()
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "TF_CLI_CONFIG_FILE": str(config),
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
            **self.variables,
        }

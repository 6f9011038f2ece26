"""What can be read from Terraform's files without Terraform: variables, tests, skips.

By pattern, for the formatter has already put one thing on a line.
"""

import re
from collections.abc import Iterator
from pathlib import Path

VARIABLE = r'^variable "(\w+)" \{\n(.*?)^\}'  # name and body
SKIP = re.compile(r"#\s*checkov:skip=(\w+):?(.*)")


def folders(top: Path) -> list[Path]:
    """Every root and module."""
    return sorted({path.parent for path in top.rglob("*.tf") if ".terraform" not in path.parts})


def test_files(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.tftest.hcl"), *folder.glob("tests/*.tftest.hcl")])


def asserts(folder: Path) -> int:
    """Conditions that the tests of a folder check; a refusal that is expected is one."""
    return sum(len(re.findall(r"^\s+assert \{", text, re.MULTILINE)) for text in _tests(folder)) + len(
        list(refused_variables(folder))
    )


def validations(folder: Path) -> dict[str, int]:
    """Validation blocks by variable."""
    found = {}
    for path in sorted(folder.glob("*.tf")):
        for name, body in re.findall(VARIABLE, path.read_text(), re.DOTALL | re.MULTILINE):
            if blocks := len(re.findall(r"^  validation \{", body, re.MULTILINE)):
                found[name] = blocks
    return found


def ephemeral_variables(folder: Path) -> list[str]:
    """Variables that go into no plan and no state: the secrets, in the order they are written in."""
    return [
        name
        for path in sorted(folder.glob("*.tf"))
        for name, body in re.findall(VARIABLE, path.read_text(), re.DOTALL | re.MULTILINE)
        if re.search(r"^  ephemeral\s*=\s*true$", body, re.MULTILINE)
    ]


def listed(folder: Path, local: str) -> list[str]:
    """The texts of a local value that is a plain list of them. Raises LookupError when there is none."""
    for path in sorted(folder.glob("*.tf")):
        if match := re.search(rf"^  {local}\s*=\s*\[(.*?)\]", path.read_text(), re.DOTALL | re.MULTILINE):
            return re.findall(r'"([^"]*)"', match.group(1))
    raise LookupError(f"no list named {local} in {folder}")


def refused_variables(folder: Path) -> Iterator[str]:
    """Each variable of which a run expects that its value is refused, once a run."""
    for text in _tests(folder):
        for listed in re.findall(r"^\s+expect_failures\s*=\s*\[(.*?)\]", text, re.DOTALL | re.MULTILINE):
            yield from re.findall(r"\bvar\.(\w+)", listed)


def skips(top: Path) -> list[tuple[str, str]]:
    """Place and reason of every check that is switched off."""
    found = []
    for path in sorted(top.rglob("*.tf")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if match := SKIP.search(line):
                found.append((f"{path.relative_to(top)}:{number}", match.group(2).strip()))
    return found


def _tests(folder: Path) -> list[str]:
    return [path.read_text() for path in test_files(folder)]

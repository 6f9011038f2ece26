"""Looks for secrets in files that git tracks, before somebody pushes them: scan_secrets.py [FOLDER]; exit code 1.

Knows the shapes of keys that providers issue, and long random values given to names that sound secret. A value is never
printed, only its place. Made-up ones say so: they hold the word canary.
"""

import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

SHAPES = {
    "AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "Anthropic key": re.compile(r"\bsk-ant-[A-Za-z0-9_-]{32,}"),
    "OpenAI key": re.compile(r"\bsk-(?:proj-)?[A-Za-z0-9_-]{40,}"),
    "GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}\b"),
    "Telegram bot token": re.compile(r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}\b"),
    "private key": re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"),
    "Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{20,}"),
}
NAMED = re.compile(
    r"(?:secret|token|passw(?:or)?d|passphrase|api_?key|encryption_key)\w*[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9+/_=-]{32,})",
    re.IGNORECASE,
)
MADE_UP = "canary"
LOCKS = re.compile(r"(?:requirements[\w-]*\.txt|package-lock\.json|\.terraform\.lock\.hcl)$")
RANDOM_BITS = 3.5  # entropy of a character, above which 32 of them were not written by a person
LARGEST_BYTES = 2_000_000


def main(folder: Path) -> int:
    found = [
        f"{path.relative_to(folder)}:{line}: {kind}" for path in tracked(folder) for line, kind in secrets_in(path)
    ]
    print("\n".join(found) or "no secrets found")  # noqa: T201 - a program
    return 1 if found else 0


def tracked(folder: Path) -> list[Path]:
    listed = subprocess.run(  # noqa: S603 - git's own list, no shell
        ["git", "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    )
    paths = (folder / name for name in listed.stdout.split("\0") if name and not LOCKS.search(name))
    return [path for path in paths if path.is_file() and path.stat().st_size <= LARGEST_BYTES]


def secrets_in(path: Path) -> Iterator[tuple[int, str]]:
    """(line, what it looks like). Tests hold made-up ones on purpose: there only issued shapes count."""
    lines = path.read_bytes().decode("utf-8", errors="ignore").splitlines()
    for number, line in enumerate(lines, 1):
        shapes = [kind for kind, shape in SHAPES.items() if any(is_random(hit) for hit in shape.findall(line))]
        named = [] if "tests" in path.parts else [hit for hit in NAMED.findall(line) if is_random(hit)]
        if shapes or named:
            yield number, shapes[0] if shapes else "a random value under a secret's name"


def is_random(text: str) -> bool:
    """Whether its characters are spread as a generator spreads them; marks of a private key always are."""
    if MADE_UP in text.lower():
        return False
    if text.startswith("-----"):
        return True
    counts = Counter(text).values()
    bits = -sum(count / len(text) * math.log2(count / len(text)) for count in counts)
    return bits > RANDOM_BITS and bool(re.search(r"\d", text))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()))

"""Two releases side by side: the one before, and one that does not exist yet and changes the schema.

The one before comes from the repository's history. Where that is not at hand (a source archive, a shallow clone) the
tree as it is stands in for it; in CI that would prove nothing without a word, so there a clone must have it. The next
one is a copy of the tree with one more migration, and code that uses what it adds.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

from alembic.script import ScriptDirectory

from app.adapters.db.migrations import config
from tests.faults.processes import Program

ROOT = Path(__file__).resolve().parents[2]
PREVIOUS = "f0b76ee"  # the last commit of the release before this one
PARTS = ("app", "ai", "simulator", "alembic")
NEXT = '''"""What a next release might add."""

import sqlalchemy as sa

from alembic import op

revision = "9999"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alerts", sa.Column("origin", sa.Text(), nullable=True))
    op.add_column("orders", sa.Column("tries", sa.Integer(), nullable=False, server_default="0"))
    op.create_table("origins", sa.Column("origin", sa.Text(), nullable=False), sa.PrimaryKeyConstraint("origin"))
    op.create_index("ix_alerts_origin", "alerts", ["origin"])


def downgrade() -> None:
    op.drop_index("ix_alerts_origin", "alerts")
    op.drop_table("origins")
    op.drop_column("orders", "tries")
    op.drop_column("alerts", "origin")
'''
_LAUNCH = """
import sys
import app.cli
assert app.cli.__file__.startswith(sys.argv[1]), app.cli.__file__
if sys.argv[2] == "serve":
    import app.commands.serve, ai.ensemble.claude, ai.ensemble.gpt, ai.ensemble.llama, onnxruntime
sys.stdin.readline()
sys.argv[:2] = ["tradingbot"]
app.cli.main()
"""


def previous_release(folder: Path) -> Path:
    """The code of the release before this one."""
    tree = folder / "previous"
    tree.mkdir()
    archive = folder / "previous.tar"
    git = ["git", "-C", str(ROOT), "archive", "--output", str(archive), PREVIOUS, *PARTS]
    if shutil.which("git") is None or subprocess.run(git, capture_output=True, check=False).returncode:
        if os.environ.get("CI") and (ROOT / ".git").exists():
            raise AssertionError(
                f"{PREVIOUS} is not in this clone: fetch the history (actions/checkout: fetch-depth: 0)"
            )
        return _copied(tree)
    with tarfile.open(archive) as tar:
        tar.extractall(tree, filter="data")
    return tree


def next_release(folder: Path) -> Path:
    """This code, one migration later."""
    tree = folder / "next"
    tree.mkdir()
    _copied(tree)
    head = ScriptDirectory.from_config(config()).get_current_head()
    (tree / "alembic" / "versions" / "9999_next.py").write_text(NEXT.format(head=head))
    tables = tree / "app" / "adapters" / "db" / "tables.py"
    before = tables.read_text()
    after = before.replace('    _prose("summary"),\n', '    _prose("summary"),\n    _text("origin", nullable=True),\n')
    assert before != after
    tables.write_text(after)
    return tree


def _copied(tree: Path) -> Path:
    for part in PARTS:
        shutil.copytree(ROOT / part, tree / part)
    return tree


class TreeProgram(Program):
    """A `tradingbot` command of one of the trees: loads its code at once, and begins when told to."""

    def __init__(self, tree: Path, *arguments: str, env: Mapping[str, str], folder: Path) -> None:
        self.log = folder / f"{tree.name}-{arguments[0]}.log"
        with self.log.open("ab") as sink:
            self._popen = subprocess.Popen(
                [sys.executable, "-c", _LAUNCH, str(tree), *arguments],
                cwd=folder,
                env={**env, "PYTHONPATH": str(tree)},
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=sink,
            )

    def begin(self) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.close()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def kill(self) -> None:
        if self._popen.stdin is not None:
            self._popen.stdin.close()
        self._popen.kill()
        self._popen.wait()

    def terminate(self) -> None:
        self._popen.terminate()

    async def ended(self, within_s: float) -> int:
        return await asyncio.to_thread(self._popen.wait, within_s)

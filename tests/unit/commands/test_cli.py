"""The command line as a whole: it starts fast, knows its commands, and fails in one line."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from app import cli
from app.domain.errors import BadSettings, ChainBroken

ROOT = Path(__file__).parents[3]


def test_help_lists_every_command_with_what_it_is_for():
    text = " ".join(CliRunner().invoke(cli.app, ["--help"]).output.split())
    for name, (_, about) in cli.COMMANDS.items():
        assert f"{name} {about}" in text


def test_no_command_at_all_is_a_question_for_help():
    assert "Commands:" in CliRunner().invoke(cli.app, []).output


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_exists_and_explains_itself(name):
    assert isinstance(importlib.import_module(cli.COMMANDS[name][0]).app, typer.Typer)
    result = CliRunner().invoke(cli.app, [name, "--help"])
    assert result.exit_code == 0
    assert f"Usage: tradingbot {name}" in result.output
    assert "completion" not in result.output


def test_help_loads_none_of_the_heavy_libraries():
    """What makes it fast, whatever the machine is doing."""
    script = (
        "import sys\n"
        "from app.cli import main\n"
        "sys.argv = ['tradingbot', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'structlog', 'pydantic', 'sqlalchemy', 'telegram', 'binance', 'numpy', 'fastapi', 'openai'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_unknown_command_is_said_so():
    result = CliRunner().invoke(cli.app, ["wyh"])
    assert result.exit_code == 2
    assert "No such command 'wyh'" in result.stderr


def _failing(error: BaseException):
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise error

    return app


@pytest.fixture
def fail(monkeypatch):
    """Run a command that ends in this error."""

    def run(error: BaseException):
        module = type(sys)("failing")
        module.app = _failing(error)
        monkeypatch.setitem(sys.modules, "failing", module)
        monkeypatch.setitem(cli.COMMANDS, "fail", ("failing", "fail"))
        return CliRunner().invoke(cli.app, ["fail"])

    return run


def test_what_a_person_must_change_is_one_line_and_exit_code_2(fail):
    result = fail(BadSettings("PORT: not a number"))
    assert (result.exit_code, result.stderr, result.stdout) == (2, "tradingbot: PORT: not a number\n", "")


def test_what_is_broken_is_one_line_and_exit_code_1(fail):
    result = fail(ChainBroken(7, "hash"))
    assert (result.exit_code, result.stderr) == (1, "tradingbot: event 7: hash\n")


def test_an_error_line_holds_no_secret(fail):
    assert "pa55" not in fail(BadSettings("postgresql://bot:pa55@db/bot does not answer")).stderr


def test_ctrl_c_is_no_traceback(fail):
    result = fail(KeyboardInterrupt())
    assert result.exit_code != 0
    assert "Traceback" not in result.output


def test_a_reader_that_leaves_early_is_no_error(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", "from app.cli import main; main()", "strategy", "list", "--json"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")

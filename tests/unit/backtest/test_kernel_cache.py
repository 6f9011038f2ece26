"""Machine code kept on disk is never that of an earlier text."""

import ast
import importlib
import shutil
from pathlib import Path

import numba
import pytest

from app.backtest.kernel import __main__, simulation
from app.backtest.kernel.compiling import STAMP, stamp, watched

ONLY_TYPES = {"app.history", "app.strategies.signals"}  # imported for annotations, which are not compiled


@pytest.fixture
def copies(tmp_path):
    return [Path(shutil.copy(file, tmp_path)) for file in watched()]


def test_a_changed_byte_of_any_file_is_another_stamp(copies):
    assert stamp(copies) == STAMP
    for file in copies:
        text = file.read_bytes()
        file.write_bytes(text.replace(b"o", b"0", 1) if b"o" in text else b"#")
        assert stamp(copies) != STAMP, file.name
        file.write_bytes(text)
    assert stamp(copies) == STAMP
    assert stamp([*copies[1:], copies[0].rename(copies[0].with_name("zz.py"))]) != STAMP
    assert stamp(copies[1:]) != STAMP


def test_every_file_that_is_compiled_is_watched():
    files = {file.resolve() for file in watched()}
    compiled = set(Path(simulation.__file__).parent.glob("*.py")) - {Path(__main__.__file__)}
    imports = [node for file in compiled for node in ast.walk(ast.parse(file.read_text())) if _is_ours(node)]
    modules = {node.module for node in imports if node.module != "app.backtest"}
    modules |= {f"app.backtest.{name.name}" for node in imports if node.module == "app.backtest" for name in node.names}
    assert len(modules) > 7
    assert {Path(importlib.import_module(one).__file__).resolve() for one in modules - ONLY_TYPES} | compiled <= files


def _is_ours(node):
    return isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app.")


def test_another_stamp_is_another_entry_in_the_cache_of_numba():
    entry = simulation.simulate
    assert [cell.cell_contents for cell in entry.py_func.__closure__] == [STAMP]

    def key(function):
        return function._cache._index_key(numba.void(), function.targetctx.codegen())

    assert key(entry) == key(simulation._entry(STAMP)) != key(simulation._entry(STAMP + 1))

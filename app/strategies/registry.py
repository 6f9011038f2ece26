"""Every strategy there is: those that ship, and those of a folder of the user's own.

A user adds one as one file with one `@strategy` class. A file that cannot be loaded is named with the reason and hides
no other (`broken`); asking for a strategy by name raises OperatorError when it is not there.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from app.domain.errors import OperatorError
from app.strategies.definition import StrategyDefinition
from app.strategies.parameters import meant

SHIPPED = (
    "supertrend",
    "rsi_ema",
    "macd_stochastic",
    "ichimoku",
    "bollinger",
    "ema_cross",
    "cci",
    "rsi_macd_divergence",
    "combiner",
)
DEFAULT_FOLDER = Path("strategies")  # of the user's own; used when it is there


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The strategies by name, and what could not be loaded: file name -> why."""

    definitions: Mapping[str, StrategyDefinition]
    broken: Mapping[str, str] = field(default_factory=dict)


def definitions(folder: Path | None = None) -> Mapping[str, StrategyDefinition]:
    """Every strategy by name, the shipped ones first."""
    return catalogue(folder).definitions


def definition(name: str, folder: Path | None = None) -> StrategyDefinition:
    """The strategy of that name. Raises OperatorError saying what was probably meant, or why its file is broken."""
    found = catalogue(folder)
    if name in found.definitions:
        return found.definitions[name]
    excuses = [why for file, why in found.broken.items() if Path(file).stem == name]
    if excuses:
        raise OperatorError(f"strategy {name} cannot be used: {excuses[0]}")
    broken = "".join(f"; not loaded: {file}: {why}" for file, why in found.broken.items())
    raise OperatorError(f"there is no strategy {name!r}{meant(name, found.definitions)}{broken}")


def catalogue(folder: Path | None = None) -> Catalogue:
    """The shipped strategies and those of `folder`; without one, of ./strategies when there is such a folder.

    Raises OperatorError for a folder that is not there.
    """
    if folder is None:
        folder = DEFAULT_FOLDER if DEFAULT_FOLDER.is_dir() else None
    elif not folder.is_dir():
        raise OperatorError(f"{folder} is not a folder of strategies")
    found = dict(_shipped())
    broken: dict[str, str] = {}
    for path in sorted(folder.glob("*.py")) if folder else ():
        if path.name.startswith("_"):
            continue
        try:
            found |= _loaded(path, found)
        except OperatorError as error:
            broken[path.name] = str(error)
    return Catalogue(found, broken)


@cache
def _shipped() -> Mapping[str, StrategyDefinition]:
    modules = [importlib.import_module(f"app.strategies.{name}") for name in SHIPPED]
    return {one.name: one for module in modules for one in _defined_in(module)}


def _loaded(path: Path, known: Mapping[str, StrategyDefinition]) -> dict[str, StrategyDefinition]:
    """The strategies of one file. Raises OperatorError saying what is wrong with it."""
    module = _module(path)
    found = list(_defined_in(module))
    if not found:
        raise OperatorError(f"{path.name}: there is no @strategy class in it")
    for one in found:
        if one.name in known:
            raise OperatorError(f"{path.name}: there is a strategy {one.name!r} already; give this one another name")
    return {one.name: one for one in found}


def _module(path: Path) -> ModuleType:
    """The file, run afresh: it may have been edited since it was last loaded."""
    name = f"user_strategies.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_Fresh(name, str(path)))
    if spec is None or spec.loader is None:
        raise OperatorError(f"{path.name}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their own module up
    try:
        spec.loader.exec_module(module)
        for one in _defined_in(module):
            one.warm_up()  # asks the rules, so that what is wrong with them is found here
    except OperatorError as error:
        raise OperatorError(f"{path.name}: {error}{_line(error.__cause__ or error, path)}") from error
    except SyntaxError as error:
        raise OperatorError(f"{path.name}: {type(error).__name__}: {error.msg}{_line(error, path)}") from error
    except Exception as error:  # whatever a file of the user's raises: it is theirs, and must hide no other
        raise OperatorError(f"{path.name}: {type(error).__name__}: {error}{_line(error, path)}") from error
    return module


class _Fresh(SourceFileLoader):
    """Keeps no bytecode: that is found again by whole second and size, which two edits may share."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def _line(error: BaseException, path: Path) -> str:
    trace, line = error.__traceback__, getattr(error, "lineno", None)
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" (line {line})" if line else ""


def _defined_in(module: ModuleType) -> Iterator[StrategyDefinition]:
    """Strategies the module defines; what it only imports belongs to somebody else."""
    for one in vars(module).values():
        made = getattr(one, "definition", None)
        if isinstance(one, type) and one.__module__ == module.__name__ and isinstance(made, StrategyDefinition):
            yield made

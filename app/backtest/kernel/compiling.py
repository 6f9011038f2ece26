"""How the functions of this package are compiled, and the stamp that tells numba's disk cache when they have changed.

numba writes what it compiled to disk and takes it from there while the file of the entry function looks the same. It
does not watch the files of the functions that one calls, so a change there would run the old machine code. The entry
function is therefore a closure over STAMP: numba takes what a closure holds into its key, and a changed byte of any
watched file is a new key.
"""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from app.backtest import layout, model

_Function = TypeVar("_Function", bound=Callable[..., object])

_options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cpython_wrapper": True}


def inlined(function: _Function) -> _Function:
    """What the simulation calls. It cannot be called from Python, which saves half of its compilation."""
    return cast("_Function", numba.njit(**_options, forceinline=True)(function))


def called(function: _Function) -> _Function:
    """The same for what is large and called from many places: one copy of it is enough."""
    return cast("_Function", numba.njit(**_options)(function))


def summing(function: _Function) -> _Function:
    """The same for sums that may be added up in any order, several terms at a time: the last digits are left open."""
    return cast("_Function", numba.njit(**_options, forceinline=True, fastmath={"reassoc", "nsz"})(function))


def watched() -> list[Path]:
    """Every file whose text is compiled into the entry function: this package, and what it takes constants from."""
    others = [Path(module.__file__) for module in (layout, model) if module.__file__]
    return [*sorted(Path(__file__).parent.glob("*.py")), *others]


def stamp(files: Iterable[Path]) -> int:
    """A number of 62 bits that is another one when a name or a byte of the files is another one."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.name.encode()).digest())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return int.from_bytes(digest.digest()[:8], "big") >> 2


STAMP = stamp(watched())


def _lent_array(_context: Any, array: Any) -> Any:
    """The same array without a count of its references: the caller keeps it alive.

    Threads that count the references to one market's arrays would wait for each other at every call.
    """

    def code(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        view = context.make_array(array)(context, builder, arguments[0])
        view.meminfo = view.meminfo.type(None)
        return view._getvalue()  # noqa: SLF001 - numba's own way to say it

    return array(array), code


lent: Any = numba.extending.intrinsic(_lent_array)

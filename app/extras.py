"""Libraries of an optional extra: loaded at first use; absent, the command says which extra to install and how.

The image that trades carries none of them, so nothing on the way from alert to fill may need one. Only a use of one
fails, with an OperatorError, and only in commands that research.
"""

import importlib
from typing import Any

from app.domain.errors import OperatorError

RESEARCH = frozenset({"cmaes", "duckdb", "matplotlib", "numba", "optuna", "pyarrow", "xlsxwriter"})


class Extra:
    """Stands in for a module until one of its names is used. Raises OperatorError then, if it is not installed."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(importlib.import_module(self._module), name)
        except ModuleNotFoundError as error:
            raise missing(error) or error from None


def missing(error: ModuleNotFoundError) -> OperatorError | None:
    """What to do about an import that failed, when it is one of the extra's libraries; None for any other."""
    library = (error.name or "").partition(".")[0]
    if library not in RESEARCH:
        return None
    return OperatorError(
        f"this needs the 'research' extra ({library} is missing); install it with: make setup"
        " (or: pip install '.[research]'). The image that trades leaves it out: research on another machine"
    )

"""Parses Pine scripts with pynescript: `python pynescript_parser.py FILE …`, in an environment that has it.

Nothing of the product is imported: the interpreter is another one. A script it refuses ends with exit code 1 and the
line on stderr.
"""

import sys
from pathlib import Path

from pynescript import ast  # type: ignore[import-not-found]

if __name__ == "__main__":
    for file in map(Path, sys.argv[1:]):
        try:
            ast.parse(file.read_text(encoding="utf-8"))
        except Exception as error:  # noqa: BLE001 - its syntax errors share no base class with Python's
            said = " ".join(str(error).split())  # one line: its own shows the place below the message
            sys.exit(f"{file.stem}: {type(error).__name__}: {said}")

"""House rules that no linter has, each a small function from a parsed module to the lines that break it."""

import ast
import io
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

LONGEST_MODULE = 400
LONGEST_FUNCTION = 60

FIRST_PARTY = ("app", "ai", "simulator")
EXACT_TYPES = ("Money", "Price", "Quantity", "Decimal")

# Settings enter in one place. Elsewhere the environment may be touched only for what is written here.
ENVIRONMENT_USERS = {
    "app/settings/__init__.py": "the one reader of settings",
    "ai/lstm/model.py": "tells Keras and TensorFlow, before they are imported, what they only take from there",
}


@dataclass(frozen=True)
class Module:
    path: str  # relative to the repository, with forward slashes
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source, self.path)

    @cached_property
    def comments(self) -> dict[int, str]:
        """Comments by line, without those that only talk to a tool."""
        tokens = tokenize.generate_tokens(io.StringIO(self.source).readline)
        found = {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}
        return {line: text for line, text in found.items() if _says_why(text)}

    def nodes(self) -> Iterator[ast.AST]:
        return ast.walk(self.tree)


@dataclass(frozen=True)
class Breach:
    line: int
    what: str


Rule = Callable[[Module], Iterator[Breach]]


def swallowed_exceptions(module: Module) -> Iterator[Breach]:
    """Whoever catches everything does something about it."""
    for node in module.nodes():
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield Breach(node.lineno, "bare except")
            elif _everything(node.type) and all(map(_does_nothing, node.body)):
                yield Breach(node.lineno, "catches everything and does nothing")
        elif isinstance(node, ast.Call) and _called(node) == "suppress" and _everything(*node.args):
            yield Breach(node.lineno, "suppresses everything")


def naive_time(module: Module) -> Iterator[Breach]:
    """Time has a zone, and the zone is UTC."""
    for node in module.nodes():
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        arguments = len(node.args) + len(node.keywords)
        name = node.func.attr
        owner = ast.unparse(node.func.value).split(".")[-1]
        if name in {"utcnow", "utcfromtimestamp"} or (owner == "date" and name == "today"):
            yield Breach(node.lineno, f"{owner}.{name}() has no zone")
        elif owner == "datetime" and ((name == "now" and not arguments) or (name == "fromtimestamp" and arguments < 2)):
            yield Breach(node.lineno, f"datetime.{name}() without a zone")


def blocking_sleep(module: Module) -> Iterator[Breach]:
    """One event loop: a sleep that blocks stops every stop-guard with it."""
    for node in module.nodes():
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep":
            yield Breach(node.lineno, "time.sleep()")
        elif isinstance(node, ast.ImportFrom) and node.module == "time" and "sleep" in {a.name for a in node.names}:
            yield Breach(node.lineno, "from time import sleep")


def float_money(module: Module) -> Iterator[Breach]:
    """A float has lost digits before anybody can refuse it."""
    for node in module.nodes():
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        name = _called(node)
        if isinstance(function, ast.Attribute) and function.attr == "of":
            name = ast.unparse(function.value).split(".")[-1]
        if name in EXACT_TYPES and any(_has_float(argument) for argument in node.args):
            yield Breach(node.lineno, f"a float in {name}")


def environment_reads(module: Module) -> Iterator[Breach]:
    """Settings come in as frozen objects, once, at bootstrap."""
    if module.path in ENVIRONMENT_USERS:
        return
    for node in module.nodes():
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv", "os.environb"}:
            yield Breach(node.lineno, ast.unparse(node))
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            for name in {alias.name for alias in node.names} & {"environ", "getenv", "environb"}:
                yield Breach(node.lineno, f"from os import {name}")


def hidden_imports(module: Module) -> Iterator[Breach]:
    """An import inside a function hides a cycle, unless a comment on it or just above says what else it is for."""
    for function in _functions(module):
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                lines = range(node.lineno - 1, (node.end_lineno or node.lineno) + 1)
                if not any(line in module.comments for line in lines):
                    yield Breach(node.lineno, f"{ast.unparse(node)} inside {function.name}()")


def long_modules(module: Module) -> Iterator[Breach]:
    """A file answers one question."""
    length = len(module.source.splitlines())
    if length > LONGEST_MODULE:
        yield Breach(LONGEST_MODULE, f"{length} lines")


def long_functions(module: Module) -> Iterator[Breach]:
    """A function fits on a screen."""
    for function in _functions(module):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        if length > LONGEST_FUNCTION:
            yield Breach(function.lineno, f"{function.name}() has {length} lines")


def missing_docstrings(module: Module) -> Iterator[Breach]:
    """A public module says what it is for. An empty `__init__.py` is no module, only a folder."""
    private = any(part.startswith("_") and not part.startswith("__") for part in module.path.split("/"))
    if module.source.strip() and not private and ast.get_docstring(module.tree) is None:
        yield Breach(1, "no docstring")


RULES: tuple[Rule, ...] = (
    swallowed_exceptions,
    naive_time,
    blocking_sleep,
    float_money,
    environment_reads,
    hidden_imports,
    long_modules,
    long_functions,
    missing_docstrings,
)


def _functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in module.nodes():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _everything(*caught: ast.expr) -> bool:
    """Whether `Exception` or `BaseException` is among the classes, alone or in a tuple."""
    names = {part.id for kind in caught for part in ast.walk(kind) if isinstance(part, ast.Name)}
    return bool(names & {"Exception", "BaseException"})


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func).split(".")[-1]


def _does_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass | ast.Continue)


def _has_float(argument: ast.expr) -> bool:
    if isinstance(argument, ast.UnaryOp):
        return _has_float(argument.operand)
    if isinstance(argument, ast.BinOp):
        return _has_float(argument.left) or _has_float(argument.right)
    if isinstance(argument, ast.Call):
        return ast.unparse(argument.func) == "float"
    return isinstance(argument, ast.Constant) and isinstance(argument.value, float)


def _says_why(comment: str) -> bool:
    """A directive counts only with a reason behind it: `# noqa: PLC0415 - heavy, and only needed to train`."""
    directive = comment.startswith(("# noqa", "# type: ignore"))
    return " - " in comment if directive else True

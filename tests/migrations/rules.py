"""What a migration may do while the release before it is still running: add. Everything else breaks somebody.

Only what is known to be harmless is let through; raw SQL and operations nobody has thought about are not. A migration
that takes away says which release stopped using what it takes, in CONTRACT, and that release must be out already.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

ADDS = frozenset({"create_table", "bulk_insert", "create_table_comment", "batch_alter_table", "f"})
NEEDS_NEW_TABLE = {
    "create_unique_constraint": 1,  # which argument names the table
    "create_check_constraint": 1,
    "create_exclude_constraint": 1,
    "create_foreign_key": 1,
    "create_primary_key": 1,
}
HARMLESS_SQL = ("CREATE INDEX ", "CREATE EXTENSION IF NOT EXISTS ", "COMMENT ON ")


@dataclass(frozen=True)
class Breach:
    line: int
    what: str


def contract(source: str) -> str | None:
    """The release that is named as having stopped using what this migration takes away."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CONTRACT":
            return str(ast.literal_eval(node.value))
    return None


def breaches(source: str) -> list[Breach]:
    """What the migration does on its way up that the release before it does not survive."""
    tree = ast.parse(source)
    up = [node for node in tree.body if not (isinstance(node, ast.FunctionDef) and node.name == "downgrade")]
    calls = [node for part in up for node in ast.walk(part) if isinstance(node, ast.Call)]
    receivers = {"op", *_batches(tree)}
    new = {_text(call.args, 0) for call in calls if _operation(call, receivers) == "create_table"}
    found = [breach for call in calls for breach in _judged(call, receivers, new)]
    found += [Breach(node.lineno, "from alembic.op import hides what is done: import op") for node in _hidden(tree)]
    return found


def _judged(call: ast.Call, receivers: set[str], new: set[str | None]) -> Iterator[Breach]:
    name = _operation(call, receivers)
    if name is None or name in ADDS:
        return
    on_new = _table_of(call, name) in new
    if name == "add_column":
        yield from _column(call)
    elif name == "alter_column":
        yield from _altered(call)
    elif name == "create_index":
        if _keyword(call, "unique") not in (None, False) and not on_new:
            yield Breach(call.lineno, "a unique index on a table with rows: they may not be unique")
    elif name == "execute":
        yield from _sql(call)
    elif name in NEEDS_NEW_TABLE:
        if not on_new:
            yield Breach(call.lineno, f"{name}: rows that are there may not satisfy it")
    else:
        yield Breach(call.lineno, f"{name} takes something away, or nobody has said that it does not")


def _column(call: ast.Call) -> Iterator[Breach]:
    column = next((node for node in call.args if isinstance(node, ast.Call)), None)
    if column is None or not ast.unparse(column.func).endswith("Column"):
        yield Breach(call.lineno, "add_column: write the column out, so that it can be judged")
        return
    if _keyword(column, "nullable") is not None and _keyword(column, "nullable") is not True:
        default = _keyword(column, "server_default")
        if default is None:
            yield Breach(call.lineno, "a NOT NULL column without a server default: the old release does not fill it")
    for what in ("unique", "primary_key"):
        if _keyword(column, what) not in (None, False):
            yield Breach(call.lineno, f"a column that is {what}: rows that are there may not satisfy it")


def _altered(call: ast.Call) -> Iterator[Breach]:
    for keyword in call.keywords:
        if keyword.arg in ("new_column_name", "type_", None):
            yield Breach(call.lineno, f"alter_column {keyword.arg}: the old release reads and writes the old one")
        elif keyword.arg == "nullable" and _keyword(call, "nullable") is not True:
            yield Breach(call.lineno, "NOT NULL: rows of the old release may lack it")


def _sql(call: ast.Call) -> Iterator[Breach]:
    argument = call.args[0] if call.args else None
    if isinstance(argument, ast.Call) and ast.unparse(argument.func).endswith("text") and argument.args:
        argument = argument.args[0]
    text = argument.value if isinstance(argument, ast.Constant) else None
    if not isinstance(text, str) or ";" in text or not text.lstrip().upper().startswith(HARMLESS_SQL):
        yield Breach(call.lineno, "SQL of its own: only a literal that adds is let through")


def _operation(call: ast.Call, receivers: set[str]) -> str | None:
    """The operation's name, when the call is one."""
    function = call.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id in receivers:
        return function.attr
    return None


def _batches(tree: ast.Module) -> Iterator[str]:
    """Names that batch_alter_table gives to its operations."""
    for node in ast.walk(tree):
        if isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
            yield node.optional_vars.id


def _hidden(tree: ast.Module) -> Iterator[ast.ImportFrom]:
    """Imports that give an operation, or all of them, a name we do not look for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            renamed = any(alias.name == "op" and alias.asname for alias in node.names)
            if node.module == "alembic.op" or renamed:
                yield node


def _table_of(call: ast.Call, name: str) -> str | None:
    return _text(call.args, NEEDS_NEW_TABLE.get(name, 1 if name == "create_index" else 0))


def _text(arguments: list[ast.expr], place: int) -> str | None:
    argument = arguments[place] if len(arguments) > place else None
    return str(argument.value) if isinstance(argument, ast.Constant) else None


def _keyword(call: ast.Call, name: str) -> object:
    """Its value; the expression's text when it is not a constant; None when it is not given."""
    for keyword in call.keywords:
        if keyword.arg == name:
            value = keyword.value
            return value.value if isinstance(value, ast.Constant) else ast.unparse(value)
    return None

from collections.abc import Iterator

import pytest

from tests.architecture import house_rules as rules
from tests.architecture.house_rules import RULES, Module, Rule
from tests.architecture.skeleton import ROOT

DOC = '"""What it is for."""\n'

# rule, what it must notice, what it must leave alone
SEEDS: list[tuple[Rule, str, str]] = [
    (
        rules.swallowed_exceptions,
        "try:\n    go()\nexcept Exception:\n    pass\n",
        "try:\n    go()\nexcept Exception as error:\n    report(error)\n",
    ),
    (
        rules.swallowed_exceptions,
        "try:\n    go()\nexcept:\n    stop()\n",
        "try:\n    go()\nexcept KeyError:\n    pass\n",
    ),
    (
        rules.swallowed_exceptions,
        "for _ in x:\n    try:\n        go()\n    except (OSError, Exception):\n        continue\n",
        "for _ in x:\n    try:\n        go()\n    except OSError:\n        continue\n",
    ),
    (
        rules.swallowed_exceptions,
        "with contextlib.suppress(Exception):\n    go()\n",
        "with contextlib.suppress(OSError):\n    go()\n",
    ),
    (rules.naive_time, "at = datetime.now()\n", "at = datetime.now(UTC)\n"),
    (rules.naive_time, "at = datetime.datetime.utcnow()\n", "at = clock.now()\n"),
    (rules.naive_time, "at = datetime.fromtimestamp(0)\n", "at = datetime.fromtimestamp(0, UTC)\n"),
    (rules.naive_time, "day = date.today()\n", "day = clock.now().date()\n"),
    (rules.blocking_sleep, "import time\ntime.sleep(1)\n", "import time\nstart = time.monotonic()\n"),
    (rules.blocking_sleep, "from time import sleep\n", "async def f():\n    await asyncio.sleep(1)\n"),
    (rules.float_money, "m = Money(0.1)\n", 'm = Money(Decimal("0.1"))\n'),
    (rules.float_money, "p = money.Price.of(-1.5)\n", "p = Price.of(1)\n"),
    (rules.float_money, "q = Quantity(Decimal(0.1))\n", "share = ratio(0.1)\n"),
    (rules.float_money, "q = Quantity.of(float(text))\n", "q = Quantity.of(text)\n"),
    (rules.environment_reads, "import os\nkey = os.environ['KEY']\n", "import os\npid = os.getpid()\n"),
    (rules.environment_reads, "from os import getenv\n", "from os import fsync\n"),
    (
        rules.hidden_imports,
        "def f():\n    import app.ports\n",
        "def f():\n    # Half a gigabyte, and only training needs it.\n    import keras\n",
    ),
    (
        rules.hidden_imports,
        "async def f():\n    from keras import layers  # noqa: PLC0415\n",
        "async def f():\n    from keras import layers  # noqa: PLC0415 - only training needs it\n",
    ),
    (rules.long_modules, "x = 1\n" * 400, "x = 1\n" * 399),
    (
        rules.long_functions,
        "def f():\n" + "    x = 1\n" * 60,
        "def f():\n" + "    x = 1\n" * 59,
    ),
]


def product() -> Iterator[Module]:
    for package in rules.FIRST_PARTY:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield Module(path.relative_to(ROOT).as_posix(), path.read_text())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_product_keeps_the_rule(rule: Rule) -> None:
    breaches = [f"{module.path}:{breach.line}: {breach.what}" for module in product() for breach in rule(module)]
    assert not breaches, "\n".join([rule.__doc__ or "", *breaches])


@pytest.mark.parametrize(("rule", "bad", "good"), SEEDS, ids=lambda value: getattr(value, "__name__", ""))
def test_the_rule_notices_a_breach_and_nothing_else(rule: Rule, bad: str, good: str) -> None:
    assert list(rule(Module("app/seeded.py", DOC + bad)))
    assert not list(rule(Module("app/seeded.py", DOC + good)))


def test_a_module_without_docstring_is_noticed() -> None:
    assert list(rules.missing_docstrings(Module("app/seeded.py", "x = 1\n")))
    assert not list(rules.missing_docstrings(Module("app/_private.py", "x = 1\n")))
    assert not list(rules.missing_docstrings(Module("app/folder/__init__.py", "")))
    assert not list(rules.missing_docstrings(Module("app/seeded.py", DOC)))


def test_only_those_written_down_touch_the_environment() -> None:
    read = "import os\nlevel = os.environ.get('LEVEL')\n"
    for path in rules.ENVIRONMENT_USERS:
        assert not list(rules.environment_reads(Module(path, read)))
        assert list(rules.environment_reads(Module(f"{path}.py", (ROOT / path).read_text()))), f"{path} needs no leave"


def test_every_rule_has_a_seed() -> None:
    assert {rule for rule, _, _ in SEEDS} | {rules.missing_docstrings} == set(RULES)


def test_alembic_is_not_shadowed_by_our_migrations() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists(), "with it, `from alembic import op` finds our folder"

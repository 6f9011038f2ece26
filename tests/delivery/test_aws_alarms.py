"""The page about CloudWatch's alarms names each that Terraform makes, and no other."""

import re
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "runbooks" / "aws-alarms.md").read_text()
MODULES = ROOT / "terraform" / "modules"
ALARMS = (MODULES / "cloudwatch" / "alarms.tf").read_text()
SPELLED = {"role": ("api", "worker"), "each.key": ("api", "worker"), "index + 1": ("1",)}


def made() -> set[str]:
    """What comes after the stack's name, of each alarm that is made; an indexed one as the first."""
    lines = ALARMS.splitlines()
    heads = [before for before, line in pairwise(lines) if line.lstrip().startswith("text ")]
    rows = [
        head.split(" = ")[0].strip() if " = " in head else head.split('"')[1] for head in heads if "_hours" not in head
    ]
    named = [
        name
        for path in MODULES.glob("*/*.tf")
        for name in re.findall(r'alarm_name += "\$\{var\.name\}-([^"]*)"', path.read_text())
        if name != "${each.key}"
    ]
    one_off = re.findall(r"\{ ([a-z-]+) = var\.limits\.", ALARMS)
    queues = re.findall(r'unstarted += "\$\{var\.name\}-([^"]+)"', (MODULES / "ecs" / "backup.tf").read_text())
    return {name for row in (*rows, *named, *one_off, *queues) for name in spelled(row)}


def spelled(name: str) -> list[str]:
    holes = re.findall(r"\$\{([^}]+)\}", name)
    if not holes:
        return [name]
    return [name.replace(f"${{{holes[0]}}}", value) for value in SPELLED[holes[0]]]


def told() -> dict[str, list[str]]:
    """Names in the first column, under the head of their table."""
    found: dict[str, list[str]] = {}
    for table in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE):
        head, _, *rows = table.splitlines()
        found[head.split("|")[1].strip()] = [n for row in rows for n in re.findall(r"`([^`]+)`", row.split("|")[1])]
    return found


def test_every_alarm_has_its_row_and_every_row_its_alarm() -> None:
    composite = {"critical-health"}
    assert len(made()) > 20
    assert {name for names in told().values() for name in names} == made() - composite


def test_the_critical_ones_are_those_that_wake_somebody() -> None:
    rule = ALARMS[ALARMS.index('resource "aws_cloudwatch_metric_alarm" "tasks_missing"') :].split("alarm_rule", 1)[1]
    terraform = set(re.findall(r'(?:above|below)\["([a-z-]+)"\]', rule))
    terraform |= {f"{role}-tasks" for role in re.findall(r'tasks_missing\["(\w+)"\]', rule)}
    terraform |= {"alb-5xx"} if "server_errors" in rule else set()
    assert set(told()["critical"]) == terraform

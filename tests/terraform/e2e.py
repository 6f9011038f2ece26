"""The full cycle of each stack against a stand-in for AWS on loopback: `make tf-e2e`.

    python -m tests.terraform.e2e [--write] [bootstrap|dev|staging|prod|lambda …]

Builds, changes and destroys in a temporary copy, one stack at a time (an apply takes about 1.4 GB). Prints one line a
step, and ends in 1 when one fails. --write renews app/cloud/stacks.json from the plans of the examples. What this
cannot prove: that permissions suffice, quotas, engine versions, health checks, TLS.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.aws.server import running_moto
from tests.terraform import toolchain
from tests.terraform.bootstrap import Bootstrap
from tests.terraform.cycle import Cycle
from tests.terraform.report import Report
from tests.terraform.toolchain import ROOT, Missing
from tests.terraform.variants import VARIANTS, Variant

BOOTSTRAP = "bootstrap"
ALL = (BOOTSTRAP, *VARIANTS)
STACKS = ROOT / "app" / "cloud" / "stacks.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.terraform.e2e")
    parser.add_argument("--write", action="store_true", help="renew app/cloud/stacks.json, for the examples")
    parser.add_argument("variants", nargs="*", metavar="variant", help=f"of {', '.join(ALL)}; all without")
    options = parser.parse_args()
    if unknown := set(options.variants) - set(ALL):
        parser.error(f"there is no {', '.join(sorted(unknown))}: choose of {', '.join(ALL)}")
    report = Report(strict=True)
    try:
        tools = toolchain.find()
    except Missing as missing:
        sys.exit(f"make tf-e2e: {missing}")
    for name in options.variants or ALL:
        with (
            tempfile.TemporaryDirectory(prefix=f"tf-e2e-{name}-") as scratch,
            running_moto(managed_policies=True) as moto,
        ):
            if name == BOOTSTRAP:
                run_bootstrap(Bootstrap(tools, Path(scratch), moto.url), report)
            else:
                run(Cycle(VARIANTS[name], tools, Path(scratch), moto.url), report, write=options.write)
    return report.close()


def run_bootstrap(bootstrap: Bootstrap, report: Report) -> None:
    if report.step(f"{BOOTSTRAP}: apply", bootstrap.apply):
        report.step(f"{BOOTSTRAP}: destroy is refused", bootstrap.refuses_to_go)
        report.step(f"{BOOTSTRAP}: state of the main root", bootstrap.carries_the_state)


def run(cycle: Cycle, report: Report, *, write: bool) -> None:
    """Every step that the ones before make possible."""

    def step(name, work) -> bool:
        return report.step(f"{cycle.variant.name}: {name}", work)

    if not (step("init", cycle.prepare) and step("plan", cycle.plan_everything)):
        return
    if write and cycle.variant.shipped:
        _write(cycle.variant, cycle.counted())
    step("policies over the plan", cycle.judge_plan)
    if not step("apply", cycle.apply):
        return
    step("policies over the state", cycle.judge_state)
    step("cost counts", cycle.compare_bill)
    step("second plan", cycle.plan_again)
    step("resize", cycle.resize)
    step("image update", cycle.update_image)
    step("secret put by hand", cycle.put_by_hand)
    step("drift", cycle.drift)
    step("secrets", cycle.look_for_secrets)
    step("destroy", cycle.destroy)


def _write(variant: Variant, counted: dict) -> None:
    told = json.loads(STACKS.read_text())
    told[variant.name] = counted
    ordered = {name: told[name] for name in VARIANTS if name in told}
    STACKS.write_text(json.dumps(ordered, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())

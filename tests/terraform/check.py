"""The fast gate over terraform/, the image and the workflows: `make tf-check`.

    python -m tests.terraform.check

Prints one line a gate, and ends in 1 when one fails. What is missing on this machine is skipped with a reason; where
CI=true it is a failure.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.aws.server import running_moto
from tests.terraform import sources, toolchain
from tests.terraform.cycle import Cycle
from tests.terraform.report import Report
from tests.terraform.toolchain import ROOT, Failed, Missing, Terraform, Toolchain
from tests.terraform.variants import VARIANTS

FEWEST_RUNS, FEWEST_ASSERTS, MOST_SKIPS = 40, 100, 25
AT_ONCE = 2  # a provider takes about 0.6 GB
PLANNED = ("prod", "lambda")  # between them every resource there is


def main() -> int:
    report = Report(strict=os.environ.get("CI") == "true")
    with tempfile.TemporaryDirectory(prefix="tf-check-") as scratch:
        home = Path(scratch)
        if toolchain.TERRAFORM.is_dir():
            _terraform_gates(report, home)
        _file_gates(report, home)
    return report.close()


def _terraform_gates(report: Report, home: Path) -> None:
    copy = toolchain.copy_of_terraform(home)
    gates = _Gates(copy, home)
    if report.step("terraform and provider", gates.find):
        report.step("terraform fmt", gates.formatted)
        if report.step("terraform init", gates.initialised):
            report.step("terraform validate", gates.valid)
            report.step("terraform test", gates.tested)
            for name in PLANNED:
                report.step(f"policies over {name}'s plan", lambda name=name: gates.planned(name))
    report.step("every validation has a test", lambda: _validations(copy))
    report.step("checkov terraform", lambda: _checkov_terraform(copy, home))


@dataclass
class _Gates:
    copy: Path
    home: Path
    tools: Toolchain | None = None

    def find(self) -> str:
        self.tools = toolchain.find()
        return ""

    def in_folder(self, folder: Path) -> Terraform:
        assert self.tools is not None
        return Terraform(self.tools, folder, self.home, {"AWS_REGION": "ap-southeast-2"})

    def formatted(self) -> str:
        done = self.in_folder(self.copy).run("fmt", "-check", "-recursive", "-diff", "-no-color", allowed=(0, 3))
        if done.returncode:
            raise Failed(f"run terraform fmt -recursive terraform\n{done.stdout}")
        return ""

    def initialised(self) -> str:
        folders = sources.folders(self.copy)
        _all(lambda folder: self.in_folder(folder).init("-backend=false"), folders)
        return f"{len(folders)} directories"

    def valid(self) -> str:
        folders = sources.folders(self.copy)
        _all(lambda folder: self.in_folder(folder).run("validate", "-no-color"), folders)
        return f"{len(folders)} directories"

    def tested(self) -> str:
        folders = [folder for folder in sources.folders(self.copy) if sources.test_files(folder)]
        counts = _all(self._runs, folders)
        runs = sum(counts)
        asserts = sum(sources.asserts(folder) for folder in folders)
        if runs < FEWEST_RUNS or asserts < FEWEST_ASSERTS:
            raise Failed(f"{runs} runs and {asserts} asserts; at least {FEWEST_RUNS} and {FEWEST_ASSERTS} are wanted")
        return f"{runs} runs, {asserts} asserts in {len(folders)} directories"

    def planned(self, name: str) -> str:
        """The whole stack as the real provider plans it, against the stand-in for AWS, judged by the policies."""
        assert self.tools is not None
        home = self.home / name
        home.mkdir()
        with running_moto(managed_policies=True) as moto:
            cycle = Cycle(VARIANTS[name], self.tools, home, moto.url)
            cycle.prepare()
            cycle.plan_everything()
            return cycle.judge_plan()

    def _runs(self, folder: Path) -> int:
        """How many runs passed. Raises Failed with what each failed one said."""
        done = self.in_folder(folder).run("test", "-json", "-no-color", allowed=(0, 1))
        events = [json.loads(each) for each in done.stdout.splitlines() if each.startswith("{")]
        summary = next((each["test_summary"] for each in events if each.get("type") == "test_summary"), None)
        if done.returncode or summary is None or summary["failed"] or summary["errored"] or not summary["passed"]:
            said = [_complaint(each) for each in events if each.get("@level") == "error"]
            raise Failed(f"{folder.name}: " + "\n".join([*said, done.stderr.strip()]).strip())
        return int(summary["passed"])


def _complaint(event: dict) -> str:
    found = event.get("diagnostic", {})
    place = found.get("range", {})
    where = f" ({place['filename']}:{place['start']['line']})" if place else ""
    return f"{event.get('@message', '')}{where} {found.get('detail', '')}".strip()


def _all(work, folders: Sequence[Path]) -> list:
    """Run in every folder, a few at a time; raises Failed with every complaint."""
    complaints: list[str] = []

    def one(folder: Path):
        try:
            return work(folder)
        except Failed as failure:
            complaints.append(str(failure))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(one, folders))
    if complaints:
        raise Failed("\n\n".join(complaints))
    return results


def _validations(copy: Path) -> str:
    wanted, lacking = 0, []
    for folder in sources.folders(copy):
        refused = Counter(sources.refused_variables(folder))
        for name, blocks in sources.validations(folder).items():
            wanted += blocks
            if refused[name] < blocks:
                where = folder.relative_to(copy.parent)
                lacking.append(f"{where}: var.{name} has {blocks} validations and {refused[name]} runs that expect one")
    if lacking:
        raise Failed("\n".join(lacking))
    return f"{wanted} validations"


def _checkov_terraform(copy: Path, home: Path) -> str:
    skips = sources.skips(copy)
    silent = [where for where, reason in skips if len(reason.split()) < 3]
    if silent or len(skips) > MOST_SKIPS:
        raise Failed(f"{len(skips)} skips of at most {MOST_SKIPS}; without a reason: {', '.join(silent) or 'none'}")
    return f"{_checkov(home, 'terraform', '-d', str(copy))}, {len(skips)} skips"


def _checkov(home: Path, framework: str, *target: str) -> str:
    command = [toolchain.gate_tool("checkov"), "--skip-download", "--framework", framework, "--quiet", "--compact"]
    done = _run([*command, "-o", "json", *target], home)
    if done.returncode not in (0, 1):
        raise Failed(done.stderr[-3000:])
    found = json.loads(done.stdout)
    summary = found.get("summary", found)
    failures = found.get("results", {}).get("failed_checks", [])
    if failures or summary.get("parsing_errors") or not summary.get("passed"):
        said = [f"{one['check_id']} {one['check_name']}: {one['resource']} {one['file_path']}" for one in failures]
        raise Failed("\n".join([*sorted(set(said)), f"parsing errors: {summary.get('parsing_errors', 0)}"]))
    return f"{summary['passed']} checks"


def _file_gates(report: Report, home: Path) -> None:
    for path in sorted(ROOT.glob("Dockerfile*")):
        report.step(f"hadolint {path.name}", lambda path=path: _lint("hadolint", str(path), home=home))
        report.step(f"checkov {path.name}", lambda path=path: _checkov(home, "dockerfile", "-f", str(path)))
    workflows = ROOT / ".github"
    if workflows.is_dir():
        report.step("zizmor", lambda: _lint("zizmor", "--offline", "--no-progress", str(workflows), home=home))


def _lint(tool: str, *arguments: str, home: Path) -> str:
    done = _run([toolchain.gate_tool(tool), *arguments], home)
    if done.returncode:
        raise Failed(f"{done.stdout}\n{done.stderr}".strip())
    return ""


def _run(command: Sequence[str], home: Path) -> subprocess.CompletedProcess[str]:
    """Where no configuration file of the person who runs it lies."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LOG_LEVEL": "ERROR"}
    try:
        return subprocess.run(command, cwd=home, env=environment, text=True, capture_output=True, check=False)
    except OSError as error:
        raise Missing(f"{command[0]} does not start: {error}") from None


if __name__ == "__main__":
    sys.exit(main())

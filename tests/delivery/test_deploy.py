"""`tradingbot aws deploy` against moto: out, back, and with the rights that terraform gives the role.

tests/delivery/test_deploy_failures.py has every other way it can go wrong; `make test-long` runs it.
"""

import re

from tests.architecture.skeleton import ROOT
from tests.aws.server import moto, moto_process  # noqa: F401 - fixtures
from tests.delivery.cluster import OLD
from tests.delivery.site import API, VENUE, WORKER, Site, a_site  # noqa: F401 - a fixture

ROLE = (ROOT / "terraform" / "modules" / "ci" / "main.tf").read_text()


def test_a_release_goes_out_in_order_and_is_noted(site: Site) -> None:
    site.play.rollouts = {"worker": ["COMPLETED", "IN_PROGRESS", "COMPLETED"]}
    result = site.deploy_and_verify()
    assert result.exit_code == 0, result.output
    assert site.running() == {WORKER: site.new, API: site.new, VENUE: site.new}
    assert site.play.updates == [(name, f"{name}:2") for name in (WORKER, API, VENUE)]
    assert site.noted() == site.new
    assert f"{WORKER}: 1 of 2 tasks run {WORKER}:2" in result.output
    assert f"{site.health} answers: ok, release r2" in result.output
    assert "WARNING" not in result.output


def test_a_failed_rollout_is_set_back_and_leaves_no_trace(site: Site) -> None:
    site.play.rollouts = {"api": ["COMPLETED", "IN_PROGRESS", "FAILED"]}
    result = site.deploy_and_verify()
    assert result.exit_code == 1
    assert site.running() == {WORKER: OLD, API: OLD, VENUE: OLD}
    assert set(site.newest().values()) == {OLD}  # the backup schedule takes the newest
    assert site.noted() == OLD


def test_the_role_allows_what_a_deployment_asks_for(site: Site) -> None:
    site.play.rollouts = {"venue": ["COMPLETED", "FAILED"]}
    assert site.deploy_and_verify().exit_code == 1
    site.play.rollouts = {}
    assert site.deploy_and_verify().exit_code == 0
    asked = {operation for operation, _ in site.play.asked}
    assert {"ecs:RegisterTaskDefinition", "ecs:DeregisterTaskDefinition", "ssm:PutParameter"} <= asked
    # Tags on a revision, and a task that is started with its roles, need these besides.
    assert {action for action in asked | {"ecs:TagResource", "iam:PassRole"} if f'"{action}"' not in ROLE} == set()


def test_the_role_allows_what_the_scripts_ask_for() -> None:
    text = "\n".join((ROOT / "deploy" / name).read_text() for name in ("push.sh", "promote.sh", "set_back.sh"))
    words = set(re.findall(r"\baws (ecr|ecs|ssm) ([a-z-]+)", text))
    actions = {f"{service}:{''.join(word.capitalize() for word in name.split('-'))}" for service, name in words}
    actions = actions - {"ecr:GetLoginPassword"} | {"ecr:GetAuthorizationToken"}  # what it is called to AWS
    assert {"ecr:DescribeImages", "ssm:GetParameter", "ecs:UpdateService"} <= actions
    assert {action for action in actions if f'"{action}"' not in ROLE} == set()

"""The settings that the bot keeps as secrets are those that the stack keeps as secrets, or makes itself."""

from tests.terraform import policies, sources
from tests.terraform.toolchain import TERRAFORM
from tests.terraform.variants import SECRETS

# The database's own service makes and rotates it; the stack injects it and takes none from the operator.
OF_THE_DATABASE = "DATABASE_PASSWORD"


def test_every_secret_of_the_bot_is_taken_in_an_ephemeral_variable_or_made_by_the_stack() -> None:
    own = {*sources.listed(TERRAFORM, "own_settings"), OF_THE_DATABASE}
    assert policies.secret_fields() - {*SECRETS} - own == set()


def test_every_ephemeral_variable_is_a_secret_of_the_bot_or_its_strategies() -> None:
    assert {*SECRETS} - policies.secret_fields() == {"STRATEGIES"}


def test_the_names_that_are_stored_are_those_of_the_ephemeral_variables() -> None:
    assert sorted([*sources.listed(TERRAFORM, "secret_names"), "STRATEGIES"]) == sorted(SECRETS)

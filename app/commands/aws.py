"""`tradingbot aws`: what the stack in terraform/ costs, and how a new image gets into it."""

import typer

from app.commands import aws_cost, aws_deploy

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def aws() -> None:
    """The stack on AWS: its price, and the rollout of a new image."""


app.command()(aws_cost.cost)
app.command()(aws_deploy.deploy)

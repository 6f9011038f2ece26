"""`tradingbot why`: one alert's story on one screen, from what was recorded and nothing else."""

import asyncio
from typing import Annotated

import typer

from app.adapters.db.database import Database
from app.commands import shared
from app.commands.storage import open_database
from app.commands.story_view import render
from app.domain.alert import Alert
from app.domain.errors import OperatorError
from app.domain.events import Recorded
from app.domain.ids import AlertId
from app.domain.story import Story

ID_LENGTH = 26
SHOWN = 10  # of several alerts that are meant

app = typer.Typer(rich_markup_mode=None)


@app.command()
def why(
    alert_id: Annotated[str | None, typer.Argument(help="The alert's id, or the beginning of it.")] = None,
    last: Annotated[bool, typer.Option("--last", help="The newest alert.")] = False,
    json: shared.Json = False,
) -> None:
    """Tell one alert's whole story: what arrived, who voted how, the numbers, the orders, the outcome.

    With --json the same data as GET /api/v1/alerts/{id}.
    """
    if (alert_id is None) is not last:
        raise typer.BadParameter("give the beginning of an alert id, or --last")
    alert, recorded = asyncio.run(_look(alert_id))
    if json:
        # Loaded only when asked for: the web framework takes a second, and the story for people needs none of it.
        from app.api.alerts import story_data  # noqa: PLC0415

        shared.print_json(story_data(alert, recorded))
    else:
        shared.console().print(render(alert, Story.of(recorded)))


async def _look(beginning: str | None) -> tuple[Alert, list[Recorded]]:
    async with open_database(shared.settings()) as database:
        found = await database.queries.alert(await _chosen(database, beginning))
    if found is None:
        raise OperatorError("the alert has just been removed")
    return found[0], list(found[1])


async def _chosen(database: Database, beginning: str | None) -> AlertId:
    """The one alert that is meant. Raises OperatorError when there is none or more than one."""
    if beginning is None:
        newest = await database.queries.alerts(limit=1)
        if not newest:
            raise OperatorError("there are no alerts yet")
        return newest[0].alert.alert_id
    # Ids are sorted: those that begin like this stand right before the highest id that could.
    highest = AlertId(beginning + "z" * (ID_LENGTH - len(beginning)) + "z")
    lines = await database.queries.alerts(limit=SHOWN, before=highest)
    meant = [line.alert.alert_id for line in lines if line.alert.alert_id.startswith(beginning)]
    if not meant:
        raise OperatorError(f"no alert's id begins with {beginning}")
    if len(meant) > 1 and beginning not in meant:
        raise OperatorError(f"several alerts' ids begin with {beginning}: {', '.join(meant)}")
    return meant[0]

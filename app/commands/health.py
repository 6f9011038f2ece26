"""`tradingbot health`: does the process beside us answer? For a container's health check, so it loads next to nothing.

Only PORT is read, from the environment and not from .env: a health check that reads all settings takes longer to start
than the answer it waits for.
"""

import http.client
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None)
HOST = "127.0.0.1"


@app.command()
def health(
    port: Annotated[int, typer.Option(envvar="PORT", min=1, max=65_535, help="Of the process that is asked.")] = 8001,
    path: Annotated[str, typer.Option(help="What is asked for. /api/v1/ready says whether it can work.")] = (
        "/api/v1/health"
    ),
    timeout_s: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait for the answer.")] = 3.0,
) -> None:
    """Ask a process on this machine whether it lives. Exit code 0 when it answers 2xx, else 1."""
    what = f"http://{HOST}:{port}{path}"
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = " ".join(answer.read(500).decode(errors="replace").split())
    except (OSError, http.client.HTTPException) as error:
        typer.echo(f"{what} does not answer: {str(error) or type(error).__name__}")
        raise typer.Exit(1) from None
    finally:
        connection.close()
    typer.echo(f"{what} answers {answer.status}: {text}")
    if not http.client.OK <= answer.status < http.client.MULTIPLE_CHOICES:
        raise typer.Exit(1)

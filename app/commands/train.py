"""`tradingbot train`: fit the LSTM seat on candles and say honestly how good it is. Needs the `train` extra."""

import importlib.util
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.commands import shared
from app.domain.errors import OperatorError
from app.history import CandleSeries, load_series, synthetic

if TYPE_CHECKING:
    from ai.lstm.train import TrainReport

app = typer.Typer(rich_markup_mode=None)

_START = datetime(2019, 1, 1, tzinfo=UTC)  # of generated candles
_NEEDED = ("tensorflow", "keras", "tf2onnx", "onnx")


@app.command()
def train(
    *,
    symbol: Annotated[str, typer.Option(help="Market to learn from.")] = "BTCUSDT",
    interval: Annotated[str, typer.Option(help="Length of a candle.")] = "1h",
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of Parquet candles; generated candles without it.", envvar="DATA_DIR"),
    ] = None,
    bars: Annotated[int, typer.Option(help="Newest candles to use, or to generate.", min=1)] = 60_000,
    epochs: Annotated[int, typer.Option(help="At most; ends when validation stops improving.", min=1)] = 25,
    seed: Annotated[int, typer.Option(help="Of the weights, and of generated candles.")] = 7,
    out: Annotated[Path, typer.Option(help="Folder for model.onnx and model.json.")] = Path("var/lstm"),
    json: shared.Json = False,
) -> None:
    """Train the LSTM seat on candles.

    Without --data-dir the candles are generated, and the defaults make the weights that ship with the product.
    """
    _check_extra()
    series = load_series(data_dir, symbol, interval) if data_dir else synthetic(symbol, interval, bars, seed, _START)
    report = _train(series[-bars:], seed=seed, epochs=epochs, out=out, quiet=json or not sys.stderr.isatty())
    if json:
        shared.print_json({"folder": str(report.folder), "epochs": len(report.epochs), **report.about})
    else:
        shared.console().print(_summary(report))
        typer.echo(f"written to {report.folder}")


def _check_extra() -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise OperatorError(
            f"training needs the 'train' extra ({', '.join(missing)} missing); install it with: make setup-dev"
            " (or: pip install '.[train]')"
        )


def _train(series: CandleSeries, *, seed: int, epochs: int, out: Path, quiet: bool) -> "TrainReport":
    from ai.lstm.train import train as fit  # noqa: PLC0415 - TensorFlow: 20 s and 500 MB that --help need not pay

    progress: Any = nullcontext()
    if not quiet:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        progress = Progress(*columns, console=Console(stderr=True))
    with progress as shown:
        task = shown.add_task("epochs", total=epochs) if shown else None

        def on_progress(epoch: Any) -> None:
            if shown:
                text = f"loss {epoch.loss:.4f}, on validation {epoch.validation_loss:.4f}"
                shown.update(task, completed=epoch.number, description=text)

        return fit(series, seed=seed, epochs=epochs, out_dir=out, on_progress=on_progress)


def _summary(report: "TrainReport") -> Table:
    """The figures on the part of the market that training never saw, each beside what knowing nothing gets."""
    test, data = report.test, report.about["data"]
    table = Table(title=f"{data['symbol']} {data['interval']}, {data['source']}: the newest 15 %, unseen until now")
    for name in ("", "model", "without a model"):
        table.add_column(name)
    table.add_row("windows", f"{test.windows:,}", "")
    table.add_row("class named right", f"{test.accuracy:.1%}", f"{test.majority_accuracy:.1%} (always the commonest)")
    table.add_row("log loss", f"{test.log_loss:.4f}", f"{test.prior_log_loss:.4f} (always the class shares)")
    table.add_row("calibration error", f"{test.calibration_error:.1%}", "")
    table.add_row("would have named a side", f"{test.voted_share:.1%} of the time", "")
    right = f"{test.voted_right:.1%} ± {test.voted_right_error:.1%}" if test.voted_share else "never"
    table.add_row("and been right about it", right, "50 % (a coin)")
    return table

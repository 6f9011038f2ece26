"""Report files: the same bytes for the same run, nothing half-written, numbers that programs can read."""

import json
import re
import struct
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from app.backtest.statistics import Rivals
from app.domain.errors import BadSettings
from app.reports import FORMATS, write_report
from app.reports.data import document
from tests.unit.backtest.runs import run_of
from tests.unit.reports.given import a_report, a_run, a_surface

SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def write(folder: Path, formats=FORMATS, run=None, **more) -> dict[str, Path]:
    report = a_report(run, Rivals(9, 0.001))
    return write_report(report.run, report.metrics, report.statistics, folder, formats, **more)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    return write(tmp_path_factory.mktemp("reports"), surface=a_surface())


def test_every_format_is_written_and_nothing_else(files) -> None:
    folder = files["html"].parent
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"report.{one}" for one in FORMATS)


def test_the_same_run_gives_the_same_bytes(files, tmp_path) -> None:
    again = write(tmp_path, surface=a_surface())
    for one, path in files.items():
        assert again[one].read_bytes() == path.read_bytes(), one


@pytest.mark.parametrize(
    ("run", "formats"),
    [
        (run_of([]), ("html", "xlsx", "json", "png")),
        (run_of([1.0, 1.0]), ("html", "xlsx")),
        (run_of([5.0, -1.0, -1.0]), ("html", "xlsx", "png")),
    ],
    ids=["none", "idle", "ruined"],
)
def test_runs_with_nothing_in_them_have_reports_too(run, formats, tmp_path) -> None:
    assert all(path.stat().st_size for path in write(tmp_path, formats, run=run).values())


def test_unknown_formats_are_refused_before_anything_is_written(tmp_path) -> None:
    with pytest.raises(BadSettings, match="unknown report format 'docx'; choose from html, png, pdf, xlsx, json"):
        write(tmp_path, ["html", "docx"])
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file(tmp_path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(BadSettings, match="cannot be written"):
        write(tmp_path / "taken", ["json"])


def test_a_failure_half_way_leaves_the_old_report(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, ["json"])["json"]
    before = path.read_text()

    def fails_at_the_end(self: Path, data: str, encoding: str) -> int:
        with self.open("w", encoding=encoding) as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fails_at_the_end)
    with pytest.raises(BadSettings, match="No space left"):
        write(tmp_path, ["json"], run=a_run(trades=3))
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


# --- JSON --------------------------------------------------------------------------------------------


def refuse(word: str) -> None:
    raise AssertionError(word)


def test_json_has_every_figure_and_trade(files) -> None:
    found = json.loads(files["json"].read_text(), parse_constant=refuse)
    report = a_report(among=Rivals(9, 0.001))
    assert found["metrics"]["growth"]["sharpe"] == report.metrics.growth.sharpe
    assert found["statistics"]["dsr"] == report.statistics.dsr
    assert found["rules"]["stop_rate"] is None  # NaN: none
    assert found["rules"]["sizing"] == "risk"
    assert len(found["trades"]) == 40
    first = found["trades"][0]
    assert first["entry_bar_opens"] == "2024-01-01T01:00:00+00:00"
    assert (first["side"], first["reason"], first["fees"]) == ("short", "signal", 0.5)
    assert sum(trade["pnl"] for trade in found["trades"]) == pytest.approx(report.run.trades["pnl"].sum())


def test_json_of_a_run_without_figures() -> None:
    found = document(a_report(run_of([])))
    assert json.loads(json.dumps(found, allow_nan=False), parse_constant=refuse)["metrics"]["growth"]["sharpe"] is None


# --- pictures ----------------------------------------------------------------------------------------


def test_png_is_a_picture_of_its_size(files) -> None:
    data = files["png"].read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (1500, 1050)


def test_pdf_has_four_pages_and_no_date(files) -> None:
    data = files["pdf"].read_bytes()
    assert data.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", data)) == 4
    assert b"CreationDate" not in data


# --- workbook ----------------------------------------------------------------------------------------


def sheet(path: Path, number: int) -> ET.Element:
    with zipfile.ZipFile(path) as book:
        return ET.fromstring(book.read(f"xl/worksheets/sheet{number}.xml"))  # noqa: S314 - ours


def test_workbook_has_its_sheets(files) -> None:
    with zipfile.ZipFile(files["xlsx"]) as book:
        names = re.findall(r'<sheet name="(\w+)"', book.read("xl/workbook.xml").decode())
    assert names == ["Figures", "Trades", "Equity", "Months", "Inputs"]


def test_workbook_numbers_are_numbers_and_dates_are_dates(files) -> None:
    rows = sheet(files["xlsx"], 2).findall(f".//{SHEET}row")
    assert len(rows) == 41
    cells = {cell.get("r"): cell for cell in rows[1].findall(f"{SHEET}c")}
    serial = float(cells["A2"].findtext(f"{SHEET}v") or 0)
    assert serial == pytest.approx(45_292 + 1 / 24)  # 2024-01-01 01:00, in days since 1899-12-30
    report = a_report()
    assert float(cells["I2"].findtext(f"{SHEET}v") or 0) == pytest.approx(float(report.run.trades["pnl"][0]))
    with zipfile.ZipFile(files["xlsx"]) as book:
        assert 'formatCode="yyyy\\-mm\\-dd\\ hh:mm"' in book.read("xl/styles.xml").decode().replace(
            "yyyy-mm-dd hh:mm", "yyyy\\-mm\\-dd\\ hh:mm"
        )
    assert len(sheet(files["xlsx"], 3).findall(f".//{SHEET}row")) == 401


def test_names_never_become_formulas(tmp_path) -> None:
    path = write(tmp_path, ["xlsx"], run=a_run(strategy='=HYPERLINK("http://x","y")', parameters="=1+1"))["xlsx"]
    for number in range(1, 6):
        assert not sheet(path, number).findall(f".//{SHEET}f")
        assert not sheet(path, number).findall(f".//{SHEET}hyperlink")


def test_the_json_schema_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "concepts" / "metrics.md").read_text()
    found = document(a_report())
    names = {*found, *found["data"], *found["metrics"], *found["statistics"], *found["trades"][0]}
    assert not {name for name in names if not re.search(rf"`[^`]*\b{name}\b[^`]*`", page)}

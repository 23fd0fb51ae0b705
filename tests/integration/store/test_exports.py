"""Exports: every row once, in three formats, harmless to spreadsheets, written down."""

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from inspection.errors import NotFoundError
from inspection.store import exports, ledger
from inspection.store.audit import list_changes
from inspection.store.database import Database
from inspection.store.exports import ExportFormat
from inspection.store.history_query import HistoryFilter
from tests import factories
from tests.factories import NOON


@pytest.fixture
def past(site_database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """25 inspections of two cameras, several at one moment; pages have seven rows."""
    monkeypatch.setattr(exports, "PAGE", 7)
    made = []
    for number in range(1, 26):
        given: dict[str, Any] = {
            "camera": f"cam-{1 + number % 2}",
            "sequence_number": number,
            "captured_at": NOON + timedelta(seconds=number // 5),
        }
        frame = factories.frame(**given, part_serial=f"S-{number}", lot='=cmd|"/C calc"!A0')
        made.append(factories.inspected(**given, frame=frame, score=number / 100))
    with site_database.write() as connection:
        ledger.record(connection, made, at=NOON + timedelta(minutes=1))
    return site_database


def exported(database: Database, written: ExportFormat, **asked: Any) -> bytes:
    filters = HistoryFilter(**asked)
    return b"".join(exports.begin(database, filters, written, at=NOON, who="anna"))


def test_all_formats_hold_every_row_once_and_in_order(past: Database) -> None:
    table = pyarrow.parquet.read_table(pa.BufferReader(exported(past, ExportFormat.PARQUET)))
    lines = exported(past, ExportFormat.JSONL).decode().splitlines()
    rows = list(csv.DictReader(io.StringIO(exported(past, ExportFormat.CSV).decode())))

    serials = [f"S-{number}" for number in range(1, 26)]
    assert sorted(table["part_serial"].to_pylist(), key=serials.index) == serials
    assert [json.loads(line)["part_serial"] for line in lines] == table["part_serial"].to_pylist()
    assert [row["part_serial"] for row in rows] == table["part_serial"].to_pylist()
    assert [float(row["score"]) for row in rows] == table["score"].to_pylist()
    assert table["captured_at"].to_pylist() == sorted(table["captured_at"].to_pylist())
    first = json.loads(lines[0])
    assert list(first) == table.column_names == list(rows[0])
    assert (first["line"], first["threshold"], first["threshold_version"]) == ("line-1", 0.5, 1)
    assert first["captured_at"] == "2026-03-02T12:00:00.000000Z"


def test_formulas_are_defused_in_csv_and_kept_elsewhere(past: Database) -> None:
    rows = list(csv.DictReader(io.StringIO(exported(past, ExportFormat.CSV).decode())))
    lines = exported(past, ExportFormat.JSONL).decode().splitlines()

    assert {row["lot"] for row in rows} == {'\'=cmd|"/C calc"!A0'}
    assert {json.loads(line)["lot"] for line in lines} == {'=cmd|"/C calc"!A0'}


def test_export_takes_the_filters_of_the_history(past: Database) -> None:
    lines = exported(past, ExportFormat.JSONL, camera="cam-1", score_max=0.1).splitlines()

    assert [json.loads(line)["sequence_number"] for line in lines] == [2, 4, 6, 8, 10]


def test_empty_export_is_a_whole_file(past: Database) -> None:
    nothing = {"part_serial": "none"}

    table = pyarrow.parquet.read_table(
        pa.BufferReader(exported(past, ExportFormat.PARQUET, **nothing))
    )
    assert (table.num_rows, table.schema) == (0, exports.SCHEMA)
    assert exported(past, ExportFormat.JSONL, **nothing) == b""
    assert exported(past, ExportFormat.CSV, **nothing).startswith(b'"inspection","captured_at"')


def test_every_export_is_in_the_audit_and_a_refused_one_is_not(past: Database) -> None:
    exported(past, ExportFormat.CSV, line="line-1", from_at=NOON)

    with pytest.raises(NotFoundError, match="line-1, line-2"):
        exported(past, ExportFormat.CSV, line="line-9")

    with past.read() as connection:
        (change,) = list_changes(connection, thing="inspections")
    assert (change.who, change.action, change.name) == ("anna", "exported", "line-1")
    assert change.after == {"format": "csv", "line": "line-1", "from_at": NOON.isoformat()}

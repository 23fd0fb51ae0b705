"""Inspections taken away in one piece: CSV, Parquet or JSON Lines, of any number, in little memory.

Pages are read one after another, the oldest exposure first, each in a transaction of its own: an
export of hours holds nobody up. Rows that come late, behind the page being read, are not in it.
"""

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from pyarrow import compute
from sqlalchemy import Connection, Row, Text, and_, select, tuple_, type_coerce

from inspection.store import tables
from inspection.store.audit import Change, add_change
from inspection.store.database import Database
from inspection.store.history_query import HistoryFilter, Sought

#: Rows that are in memory at a time.
PAGE: Final = 10_000
#: What spreadsheets take for the beginning of a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False).encode
#: What JSON does not write as it is.
_ESCAPED: Final = r'["\\\x00-\x1f]'
_MOMENT: Final = pa.timestamp("us", tz="UTC")

SCHEMA: Final = pa.schema(
    [
        pa.field("inspection", pa.int64(), nullable=False),
        pa.field("captured_at", _MOMENT, nullable=False),
        pa.field("line", pa.string(), nullable=False),
        pa.field("station", pa.string(), nullable=False),
        pa.field("camera", pa.string(), nullable=False),
        pa.field("sequence_number", pa.int64(), nullable=False),
        pa.field("product", pa.string()),
        pa.field("part_serial", pa.string()),
        pa.field("lot", pa.string()),
        pa.field("trigger_id", pa.string()),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("threshold", pa.float64()),
        pa.field("threshold_version", pa.int64()),
        pa.field("threshold_id", pa.int64()),
        pa.field("distance", pa.float64()),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("review", pa.string()),
        pa.field("checkpoint", pa.string(), nullable=False),
        pa.field("reference_hash", pa.string()),
        pa.field("waited_ms", pa.float64(), nullable=False),
        pa.field("inference_ms", pa.float64(), nullable=False),
        pa.field("latency_ms", pa.float64(), nullable=False),
        pa.field("picture", pa.string()),
        pa.field("recorded_at", _MOMENT, nullable=False),
    ]
)
#: Columns of rows that are shown as they are, or by another name.
_SHOWN: Final = (
    "ledger_id",
    "line_id",
    "station_id",
    "camera_id",
    "product",
    "part_serial",
    "lot",
    "score",
    "threshold_value",
    "threshold_id",
    "distance",
    "verdict",
    "review",
    "checkpoint_hash",
    "reference_hash",
    "waited_ms",
    "inference_ms",
    "latency_ms",
)
#: What is looked up by a row id.
_NAMED: Final = {
    "line": "line_id",
    "station": "station_id",
    "camera": "camera_id",
    "threshold_version": "threshold_id",
}
#: Columns of text that comes from outside and may be anything.
_FOREIGN: Final = ("product", "part_serial", "lot", "trigger_id")


class ExportFormat(StrEnum):
    """How inspections are written."""

    CSV = "csv"
    PARQUET = "parquet"
    JSONL = "jsonl"

    @property
    def media_type(self) -> str:
        """The media type of a file."""
        return {
            ExportFormat.CSV: "text/csv; charset=utf-8",
            ExportFormat.PARQUET: "application/vnd.apache.parquet",
            ExportFormat.JSONL: "application/jsonl",
        }[self]


def begin(
    database: Database, asked: HistoryFilter, written: ExportFormat, *, at: datetime, who: str
) -> Iterator[bytes]:
    """Write down that somebody takes inspections away, and return what they take, piece by piece.

    Raises:
        NotFoundError: there is no such line or camera; nothing was written down.
    """
    filters = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asked.asked.items()
    }
    with database.write() as connection:
        Sought(connection, asked)
        change = Change(
            at=at,
            who=who,
            action="exported",
            thing="inspections",
            name=asked.line or "all lines",
            after={"format": written.value, **filters},
        )
        add_change(connection, change)
    tables_of_pages = (_table(page, names) for page, names in _pages(database, asked))
    writers = {
        ExportFormat.CSV: _csv,
        ExportFormat.PARQUET: _parquet,
        ExportFormat.JSONL: _jsonl,
    }
    return writers[written](tables_of_pages)


#: Names of lines, stations and cameras and versions of thresholds, by row id.
_Names = dict[str, dict[int, Any]]


def _pages(database: Database, asked: HistoryFilter) -> Iterator[tuple[Sequence[Row[Any]], _Names]]:
    place: tuple[datetime, int] | None = None
    is_last = False
    while not is_last:
        with database.read() as connection:
            names = _names(connection)
            page = _page(connection, asked, place)
        is_last = len(page) < PAGE
        if page:
            place = _moment(page[-1].captured_at), page[-1].ledger_id
            yield page, names


def _page(
    connection: Connection, asked: HistoryFilter, place: tuple[datetime, int] | None
) -> Sequence[Row[Any]]:
    row, ledger = tables.inspections.c, tables.ledger.c
    sought = Sought(connection, asked)
    conditions = [*sought.time(row), *sought.others(row)]
    if place is not None:
        conditions += [tuple_(row.captured_at, row.ledger_id) > place, row.captured_at >= place[0]]
    order = (row.captured_at, row.ledger_id)
    of_page = select(tables.inspections).where(*conditions).order_by(*order).limit(PAGE).subquery()
    shown = of_page.c
    # Times as the driver gives them: to make each one aware takes longer than all the rest.
    times = (shown.captured_at, ledger.recorded_at)
    statement = (
        select(
            *(shown[name] for name in _SHOWN),
            *(type_coerce(time, Text).label(time.name) for time in times),
            ledger.sequence_number,
            ledger.trigger_id,
            ledger.picture_sha256,
        )
        .join(
            tables.ledger,
            and_(ledger.id == shown.ledger_id, ledger.captured_at == shown.captured_at),
        )
        .order_by(shown.captured_at, shown.ledger_id)
    )
    rows: Sequence[Any] = connection.execute(statement).all()
    return rows


def _names(connection: Connection) -> _Names:
    def of(table: Any, column: str) -> dict[int, Any]:
        rows = connection.execute(select(table.c.id, table.c[column]))
        return {row[0]: row[1] for row in rows}

    return {
        "line": of(tables.lines, "name"),
        "station": of(tables.stations, "name"),
        "camera": of(tables.cameras, "name"),
        "threshold_version": of(tables.thresholds, "version"),
    }


def _table(page: Sequence[Row[Any]], names: _Names) -> pa.Table:
    columns = dict(zip(page[0]._fields, zip(*page, strict=True), strict=True))
    columns |= {
        "inspection": columns["ledger_id"],
        "threshold": columns["threshold_value"],
        "checkpoint": columns["checkpoint_hash"],
        "picture": columns["picture_sha256"],
    }
    for name, by in _NAMED.items():
        columns[name] = tuple(map(names[name].get, columns[by]))
    arrays = [
        _moments(columns[field.name])
        if field.type == _MOMENT
        else pa.array(columns[field.name], field.type)
        for field in SCHEMA
    ]
    return pa.table(arrays, SCHEMA)


def _moments(values: Sequence[Any]) -> pa.Array:
    if not isinstance(values[0], str):
        return pa.array(values, _MOMENT)
    # SQLite keeps text, in UTC and without saying so.
    return compute.assume_timezone(pa.array(values).cast(pa.timestamp("us")), "UTC")


def _moment(value: datetime | str) -> datetime:
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value


def _csv(pages: Iterable[pa.Table]) -> Iterator[bytes]:
    sink = io.BytesIO()
    with pyarrow.csv.CSVWriter(sink, SCHEMA) as writer:
        for page in pages:
            writer.write_table(_defused(page))
            yield _taken(sink)
    yield _taken(sink)


def _defused(page: pa.Table) -> pa.Table:
    """Put an apostrophe before text that a spreadsheet would run as a formula."""
    for name in _FOREIGN:
        texts = page.column(name).to_pylist()
        if any(text is not None and text.startswith(_FORMULA) for text in texts):
            safe = [
                f"'{text}" if text is not None and text.startswith(_FORMULA) else text
                for text in texts
            ]
            number = SCHEMA.get_field_index(name)
            page = page.set_column(number, SCHEMA.field(number), pa.array(safe, pa.string()))
    return page


def _parquet(pages: Iterable[pa.Table]) -> Iterator[bytes]:
    sink = _Sink()
    with pyarrow.parquet.ParquetWriter(pa.PythonFile(sink, "w"), SCHEMA) as writer:
        for page in pages:
            writer.write_table(page)
            yield sink.taken()
    yield sink.taken()


def _jsonl(pages: Iterable[pa.Table]) -> Iterator[bytes]:
    for page in pages:
        parts: list[Any] = []
        for number, field in enumerate(SCHEMA):
            parts += [f'{"," if number else "{"}"{field.name}":', _encoded(page.column(number))]
        lines = compute.binary_join_element_wise(*parts, "}\n", "").combine_chunks()
        all_lines = pa.ListArray.from_arrays([0, len(lines)], lines)
        yield compute.binary_join(all_lines, "")[0].as_buffer().to_pybytes()


def _encoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the values of a column as JSON writes them, all at once: one by one takes long."""
    if column.type == _MOMENT:
        # Without its zone: to look that up for each takes longer than all the rest.
        moments = column.cast(pa.timestamp("us")).cast(pa.string())
        moments = compute.binary_replace_slice(moments, 10, 11, "T")
        texts = compute.binary_join_element_wise('"', moments, 'Z"', "")
    elif not pa.types.is_string(column.type):
        texts = column.cast(pa.string())
    elif compute.any(compute.match_substring_regex(column, _ESCAPED)).as_py():
        encoded = [None if text is None else _ENCODE(text) for text in column.to_pylist()]
        texts = pa.chunked_array([pa.array(encoded, pa.string())])
    else:
        texts = compute.binary_join_element_wise('"', column, '"', "")
    return compute.fill_null(texts, "null")


def _taken(sink: io.BytesIO) -> bytes:
    data = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return data


class _Sink(io.RawIOBase):
    """A file that gives away what was written to it, and still knows how much that was."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._size_bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._size_bytes += len(part)
        return len(part)

    def tell(self) -> int:
        return self._size_bytes

    def taken(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data

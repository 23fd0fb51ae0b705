"""Digests: links that say what rows were like when they were recorded, made aside, by the keeper.

A digest covers the rows of a range of ids; each digest's range begins where the one before ended.
Ids are given before the commit, so a range must be final before it is covered: no transaction may
be open that could still add to it. On PostgreSQL `horizon` draws a transaction number after it has
seen the newest id; everybody who has a smaller id drew his number before, because whoever records
locks the cameras first. Once every transaction before that number has ended, the range is final.
Of small tables the writers are waited for. On SQLite, with its one writer, whatever is visible is.

A row has a mark for each of its parts, so that the one that was changed later can be named. What a
part's mark is made of is canonical JSON: a list of the row's id and the values of the columns that
the digest names, moments as `2026-03-02 12:00:00.000000`. A part whose first column is empty is not
there, and its mark is eight zeros.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, FromClause, String, Table, func, select, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from inspection.domain.chain import (
    MARK_BYTES,
    AuditKeys,
    LinkKind,
    canonical,
    fingerprint,
    mark,
    mark_key,
)
from inspection.errors import ConfigurationError
from inspection.store import chain, tables
from inspection.store.columns import Moment, metadata
from inspection.store.review_tables import reviews

#: Rows of one digest, at most: what is read and kept in memory at a time.
ROWS: Final = 5_000
#: The mark of a part that is not there.
ABSENT: Final = bytes(MARK_BYTES)
#: Several times as fast as `canonical`, which it agrees with for lists of simple values.
_encode: Final = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode
#: Retention takes it later, and the row then says so.
PICTURE: Final = "picture"

#: Names of columns by part; a part has the name of its table, but for the ledger's picture.
Parts = dict[str, list[str]]


@dataclass(frozen=True, kw_only=True)
class Source:
    """What one kind of digest covers."""

    kind: LinkKind
    #: Its column `id` orders the rows.
    table: Table
    parts: Parts
    #: Few write to it: they may be waited for.
    is_small: bool = False


@dataclass(frozen=True, kw_only=True)
class Horizon:
    """A range of ids that becomes final."""

    up_to: int
    #: Transactions before this one may still add to it; None: nobody can.
    transaction: int | None


@dataclass(frozen=True, kw_only=True)
class Span:
    """Ids after one and up to another."""

    after: int
    up_to: int
    #: Rows at most; None: all.
    limit: int | None = None


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows in the order of their ids, as their marks say them."""

    ids: list[int]
    #: By part, for each row: its text; None when the part is not there.
    texts: dict[str, list[str | None]]

    def marks(self, secret: bytes) -> dict[str, list[bytes]]:
        """Return the marks by part, for each row."""
        key = mark_key(secret)
        return {
            part: [ABSENT if said is None else mark(key, said) for said in texts]
            for part, texts in self.texts.items()
        }


def _but(table: Table, *names: str) -> list[str]:
    return [column.name for column in table.c if column.name not in names]


LEDGER: Final = Source(
    kind=LinkKind.LEDGER,
    table=tables.ledger,
    parts={
        "ledger": _but(
            tables.ledger,
            "keep_class",
            "picture_sha256",
            "picture_media_type",
            "picture_size_bytes",
            "picture_gone",
            "map_gone",
        ),
        "inspections": _but(tables.inspections, "review"),
        PICTURE: ["picture_sha256"],
    },
)


#: What a re-driven row is written down with: the picture may still go.
LASTING: Final[Parts] = {part: names for part, names in LEDGER.parts.items() if part != PICTURE}


def _small(kind: LinkKind, table: Table) -> Source:
    return Source(kind=kind, table=table, parts={table.name: _but(table)}, is_small=True)


#: Everything that is written once and never changed.
SOURCES: Final = (
    LEDGER,
    _small(LinkKind.REVIEWS, reviews),
    _small(LinkKind.THRESHOLDS, tables.thresholds),
    _small(LinkKind.RECIPES, tables.recipes),
)


def covered_up_to(connection: Connection, kind: LinkKind) -> int:
    """Return the last id of the newest digest, 0 when there is none."""
    return _end(connection, kind)[0]


def horizon(connection: Connection, source: Source) -> Horizon | None:
    """Return a range that becomes final; None when no row is left to be covered.

    Args:
        connection: of a `Database.write`.
        source: what is to be covered.
    """
    last = select(func.max(source.table.c.id))
    newest = connection.scalar(last)
    if newest is None or newest <= covered_up_to(connection, source.kind):
        return None
    if connection.dialect.name == "sqlite":
        return Horizon(up_to=newest, transaction=None)
    if source.is_small:
        # Waits until everybody has ended who has written to it.
        connection.execute(text(f"LOCK TABLE {source.table.name} IN SHARE MODE"))
        return Horizon(up_to=connection.scalar(last) or newest, transaction=None)
    number = connection.scalar(text("SELECT CAST(CAST(pg_current_xact_id() AS text) AS bigint)"))
    return Horizon(up_to=newest, transaction=number)


def is_final(connection: Connection, one: Horizon) -> bool:
    """Say whether everybody who could add to a range has ended.

    Args:
        connection: of the `Database.read` that then reads the rows: both see the same moment.
        one: the range.
    """
    if one.transaction is None:
        return True
    oldest = connection.scalar(
        text("SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)")
    )
    return oldest is not None and oldest >= one.transaction


def digest(
    connection: Connection, source: Source, one: Horizon, keys: AuditKeys, *, at: datetime
) -> chain.Note | None:
    """Make the next digest of a final range, of `ROWS` rows at most; None when there is no more.

    Raises:
        ConfigurationError: the chain is made with a key that is not here.
    """
    after, number = _end(connection, source.kind)
    if after >= one.up_to:
        return None
    last = chain.newest(connection)
    key_id = keys.newest if last is None else last.next_key_id
    secret = keys.secret(key_id)
    if secret is None:
        raise ConfigurationError(f"the audit is sealed with the key {key_id}, which is not here")
    span = Span(after=after, up_to=one.up_to, limit=ROWS)
    rows = read(connection, source.table, source.parts, span)
    blob = joined(rows.marks(secret))
    said = {
        "after": after,
        "up_to": rows.ids[-1] if len(rows.ids) == ROWS else one.up_to,
        "ids": ranges(rows.ids),
        "key": key_id,
        "parts": source.parts,
        "marks": hashlib.sha256(blob).hexdigest(),
        "seen": 0 if last is None else last.number,
    }
    return chain.Note(
        kind=source.kind, at=at, statement=canonical(said), marks=blob, follows=number
    )


def read(
    connection: Connection, table: Table, parts: Parts, span: Span, *only: ColumnElement[bool]
) -> Rows:
    """Read rows of a range, in order, those for which all of `only` hold.

    Raises:
        ConfigurationError: a column is not there any more.
    """
    columns = [_column(table, part, name) for part, names in parts.items() for name in names]
    statement = (
        select(table.c.id, *columns)
        .select_from(_joined_tables(table, parts, span))
        .where(table.c.id > span.after, table.c.id <= span.up_to, *only)
        .order_by(table.c.id)
        .limit(span.limit)
    )
    found = connection.execute(statement).all()
    texts: dict[str, list[str | None]] = {}
    first = 1
    for part, names in parts.items():
        last = first + len(names)
        texts[part] = [
            None if row[first] is None else _encode((row[0], *row[first:last])) for row in found
        ]
        first = last
    return Rows(ids=[row[0] for row in found], texts=texts)


def fingerprints(connection: Connection, ids: Sequence[int], parts: Parts) -> dict[int, str]:
    """Return the SHA-256 of rows of the ledger as they are now, by id.

    Raises:
        ConfigurationError: a column is not there any more.
    """
    span = Span(after=min(ids) - 1, up_to=max(ids))
    rows = read(connection, LEDGER.table, parts, span, LEDGER.table.c.id.in_(ids))
    return {
        row_id: fingerprint(canonical({part: texts[n] for part, texts in rows.texts.items()}))
        for n, row_id in enumerate(rows.ids)
    }


def joined(marks: Mapping[str, Sequence[bytes]]) -> bytes:
    """Return marks as a link holds them: part after part by name, each in the order of the rows."""
    return b"".join(b"".join(marks[part]) for part in sorted(marks))


def ranges(ids: Iterable[int]) -> list[list[int]]:
    """Return rising ids as ranges, each with its first and its last one."""
    found: list[list[int]] = []
    for each in ids:
        if found and found[-1][1] == each - 1:
            found[-1][1] = each
        else:
            found.append([each, each])
    return found


def _end(connection: Connection, kind: LinkKind) -> tuple[int, int]:
    """Return the last id that is covered, and the number of the link that says so."""
    link = chain.newest(connection, kind)
    return (0, 0) if link is None else (int(link.said["up_to"]), link.number)


def _joined_tables(table: Table, parts: Parts, span: Span) -> FromClause:
    if "inspections" not in parts:
        return table
    inspection = tables.inspections.c
    is_same = (inspection.ledger_id == table.c.id) & (inspection.captured_at == table.c.captured_at)
    # The bounds are said twice: a database does not see that they hold for both.
    is_near = (inspection.ledger_id > span.after) & (inspection.ledger_id <= span.up_to)
    return table.outerjoin(tables.inspections, is_same & is_near)


def _column(table: Table, part: str, name: str) -> ColumnElement[Any]:
    home = table if part == PICTURE else metadata.tables.get(part)
    if home is None or name not in home.c:
        raise ConfigurationError(
            f"a digest of the audit covers {part}.{name}, which this version does not know; "
            "verify it with the version that made it"
        )
    column = home.c[name]
    if isinstance(column.type, Moment):
        return _MomentText(column).label(f"{part}_{name}")
    return column.label(f"{part}_{name}")


class _MomentText(FunctionElement[str]):
    """A moment as both databases write it: `2026-03-02 12:00:00.000000`, in UTC."""

    type = String()
    inherit_cache = True


@compiles(_MomentText, "sqlite")
def _of_sqlite(element: _MomentText, compiler: SQLCompiler, **_options: Any) -> str:
    # As it is stored.
    return compiler.process(element.clauses)


@compiles(_MomentText, "postgresql")
def _of_postgresql(element: _MomentText, compiler: SQLCompiler, **_options: Any) -> str:
    moment = compiler.process(element.clauses)
    return f"to_char({moment} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"

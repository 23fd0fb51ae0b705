"""Digests: links that say what rows were like when they were recorded, made aside, by the keeper.

A digest covers the rows of a range of ids; each digest's range begins where the one before ended.
Ids are given before the commit, so a range must be final before it is covered: no transaction may
be open that could still add to it. On PostgreSQL `horizon` draws a transaction number after it has
seen the newest id; everybody who has a smaller id drew his number before, because whoever records
locks the cameras first. Once every transaction before that number has ended, the range is final.
On SQLite, with its one writer, whatever is visible is.

A row has a mark for each of its parts, so that the one that was changed later can be named.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, func, select, text

from inspection.domain.chain import MARK_BYTES, AuditKeys, LinkKind, canonical, fingerprint, mark
from inspection.errors import ConfigurationError
from inspection.store import chain, tables
from inspection.store.columns import metadata

#: Rows of one digest, at most: what is read and kept in memory at a time.
ROWS: Final = 5_000
#: The mark of a part that is not there.
ABSENT: Final = bytes(MARK_BYTES)
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


@dataclass(frozen=True, kw_only=True)
class Horizon:
    """A range of ids that becomes final."""

    up_to: int
    #: Transactions before this one may still add to it; None: nobody can.
    transaction: int | None


@dataclass(frozen=True, kw_only=True)
class SourceRow:
    """One row, as its marks say it."""

    row_id: int
    #: By part: its text; None when the part is not there.
    texts: dict[str, str | None]

    def marks(self, secret: bytes) -> dict[str, bytes]:
        """Return the mark of each part."""
        return {
            part: ABSENT if said is None else mark(secret, part, said)
            for part, said in self.texts.items()
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


def sources() -> list[Source]:
    """Return what is covered, as far as this database's tables are known."""
    reviews = metadata.tables.get("reviews")
    if reviews is None:
        return [LEDGER]
    return [
        LEDGER,
        Source(kind=LinkKind.REVIEWS, table=reviews, parts={"reviews": _but(reviews)}),
    ]


def covered_up_to(connection: Connection, kind: LinkKind) -> int:
    """Return the last id of the newest digest, 0 when there is none."""
    return _end(connection, kind)[0]


def horizon(connection: Connection, source: Source) -> Horizon | None:
    """Return a range that becomes final; None when no row is left to be covered.

    Args:
        connection: of a `Database.write`.
        source: what is to be covered.
    """
    newest = connection.scalar(select(func.max(source.table.c.id)))
    if newest is None or newest <= covered_up_to(connection, source.kind):
        return None
    if connection.dialect.name == "sqlite":
        return Horizon(up_to=newest, transaction=None)
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
    rows = list(read(connection, source.table, source.parts, after, one.up_to, limit=ROWS))
    blob = marks_of([row.marks(secret) for row in rows], source.parts)
    said = {
        "after": after,
        "up_to": rows[-1].row_id if len(rows) == ROWS else one.up_to,
        "ids": ranges(row.row_id for row in rows),
        "key": key_id,
        "parts": source.parts,
        "marks": hashlib.sha256(blob).hexdigest(),
        "seen": 0 if last is None else last.number,
    }
    return chain.Note(
        kind=source.kind, at=at, statement=canonical(said), marks=blob, follows=number
    )


def read(
    connection: Connection,
    table: Table,
    parts: Parts,
    after: int,
    up_to: int,
    *,
    limit: int | None = None,
) -> Iterator[SourceRow]:
    """Read the rows with ids after one and up to another, in order.

    Raises:
        ConfigurationError: a column is not there any more.
    """
    is_chosen = (table.c.id > after) & (table.c.id <= up_to)
    yield from _read(connection, table, parts, is_chosen, (after, up_to), limit)


def fingerprints(connection: Connection, ids: Sequence[int], parts: Parts) -> dict[int, str]:
    """Return the SHA-256 of rows of the ledger as they are now, by id.

    Raises:
        ConfigurationError: a column is not there any more.
    """
    is_chosen = LEDGER.table.c.id.in_(ids)
    found = _read(connection, LEDGER.table, parts, is_chosen, (min(ids) - 1, max(ids)), None)
    return {row.row_id: fingerprint(canonical(row.texts)) for row in found}


def marks_of(marks: Sequence[dict[str, bytes]], parts: Iterable[str]) -> bytes:
    """Return marks as a link holds them: part after part by name, each in the order of the rows."""
    return b"".join(b"".join(row[part] for row in marks) for part in sorted(parts))


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


def _read(
    connection: Connection,
    table: Table,
    parts: Parts,
    is_chosen: ColumnElement[bool],
    bounds: tuple[int, int],
    limit: int | None,
) -> Iterator[SourceRow]:
    columns = [_column(table, part, name) for part, names in parts.items() for name in names]
    source: Any = table
    if "inspections" in parts:
        beside = tables.inspections.c.ledger_id
        is_same = (beside == table.c.id) & (tables.inspections.c.captured_at == table.c.captured_at)
        # The bounds are said twice: a database does not see that they hold for both.
        source = table.outerjoin(
            tables.inspections, is_same & (beside > bounds[0]) & (beside <= bounds[1])
        )
    statement = (
        select(table.c.id.label("row_id"), *columns)
        .select_from(source)
        .where(is_chosen)
        .order_by(table.c.id)
        .limit(limit)
    )
    slices, start = {}, 1
    for part, names in parts.items():
        slices[part] = slice(start, start + len(names))
        start += len(names)
    for row in connection.execute(statement):
        yield SourceRow(
            row_id=row[0],
            texts={part: _said(row[0], row[where]) for part, where in slices.items()},
        )


def _said(row_id: int, values: Sequence[Any]) -> str | None:
    if values.count(None) == len(values):
        return None
    return canonical([row_id, *values])


def _column(table: Table, part: str, name: str) -> ColumnElement[Any]:
    home = table if part == PICTURE else metadata.tables.get(part)
    if home is None or name not in home.c:
        raise ConfigurationError(
            f"a digest of the audit covers {part}.{name}, which this version does not know; "
            "verify it with the version that made it"
        )
    return home.c[name].label(f"{part}_{name}")

"""Files of pictures that rows have let go of: removed once it is certain that no row keeps them.

1. The transaction that clears a row's picture notes its file here.
2. Whoever finds it due claims it, by moving on when it is due.
3. If a row keeps the same bytes the file stays; if not, and nobody has kept it lately, it goes.
4. The note goes last. Whoever is killed in between leaves it to be found due again.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, func, literal, select, tuple_, update

from inspection.domain.ledger import Picture
from inspection.store import tables
from inspection.store.engine import insert_replacing
from inspection.store.evidence_tables import picture_removals

#: A picture is kept before its row is written; after so long that has happened or has failed. It
#: is also how long a claim holds.
GRACE: Final = timedelta(minutes=5)

_KEY: Final = ("sha256", "media_type")


def note(connection: Connection, pictures: Collection[Picture], *, at: datetime) -> None:
    """Note files that may have to go."""
    rows = {
        (picture.sha256, picture.media_type): {
            "sha256": picture.sha256,
            "media_type": picture.media_type,
            "size_bytes": picture.size_bytes,
            "due_at": at,
        }
        for picture in pictures
    }
    if rows:
        # One that is noted already may have been looked at before this row let go of it.
        statement = insert_replacing(connection, picture_removals, *_KEY)
        connection.execute(statement, [rows[key] for key in sorted(rows)])


def note_of(connection: Connection, is_chosen: ColumnElement[bool], *, at: datetime) -> None:
    """Note the files of the rows of the ledger for which `is_chosen` holds."""
    ledger = tables.ledger.c
    pictures = (
        select(
            ledger.picture_sha256,
            ledger.picture_media_type,
            func.max(ledger.picture_size_bytes),
            literal(at, picture_removals.c.due_at.type),
        )
        .where(is_chosen, ledger.picture_sha256.is_not(None))
        .group_by(ledger.picture_sha256, ledger.picture_media_type)
        .order_by(ledger.picture_sha256, ledger.picture_media_type)
    )
    # One that is noted already may have been looked at before these rows let go of it.
    names = [column.name for column in picture_removals.c]
    statement = insert_replacing(connection, picture_removals, *_KEY).from_select(names, pictures)
    connection.execute(statement)


def claim(connection: Connection, *, at: datetime, limit: int) -> list[Picture]:
    """Take files that are due, for as long as `GRACE`; no two get the same."""
    removal = picture_removals.c
    due = (
        select(removal.sha256, removal.media_type)
        .where(removal.due_at <= at)
        .order_by(removal.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(
        update(picture_removals)
        .where(tuple_(removal.sha256, removal.media_type).in_(due), removal.due_at <= at)
        .values(due_at=at + GRACE)
        .returning(removal.sha256, removal.media_type, removal.size_bytes)
    )
    return [
        Picture(sha256=row.sha256, media_type=row.media_type, size_bytes=row.size_bytes)
        for row in rows
    ]


def kept(connection: Connection, pictures: Sequence[Picture]) -> set[str]:
    """Return the hashes of those pictures that a row keeps."""
    sha256 = tables.ledger.c.picture_sha256
    asked = [picture.sha256 for picture in pictures]
    return set(connection.scalars(select(sha256).where(sha256.in_(asked)).distinct()))


def forget(connection: Connection, pictures: Collection[Picture], *, claimed_at: datetime) -> None:
    """Remove the notes of files that are settled, unless somebody has noted them since."""
    removal = picture_removals.c
    keys = [(picture.sha256, picture.media_type) for picture in pictures]
    if keys:
        connection.execute(
            delete(picture_removals).where(
                tuple_(removal.sha256, removal.media_type).in_(keys),
                removal.due_at == claimed_at + GRACE,
            )
        )


def waiting_bytes(connection: Connection) -> int:
    """Return the bytes of the files that are noted."""
    return int(connection.scalar(select(func.sum(picture_removals.c.size_bytes))) or 0)

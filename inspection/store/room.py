"""The disk that pictures are kept on: how much room is left, counting what will come free."""

from dataclasses import dataclass

from sqlalchemy import Connection

from inspection.errors import UnavailableError
from inspection.store import removals
from inspection.store.database import Database
from inspection.store.pictures import PictureStore


@dataclass(frozen=True, kw_only=True)
class Room:
    """Bytes on the disk of the pictures."""

    free_bytes: int
    #: Pages of the SQLite file that are empty and used before it grows.
    reusable_bytes: int
    #: Files that are noted to be removed.
    leaving_bytes: int
    #: Bytes of the SQLite file; 0 when the database is not on this disk.
    database_bytes: int

    @property
    def size_bytes(self) -> int:
        """Bytes that can be used without removing anything else."""
        return self.free_bytes + self.reusable_bytes + self.leaving_bytes


def room(database: Database, pictures: PictureStore) -> Room | None:
    """Return the room on the disk of the pictures; None when they are kept elsewhere.

    Raises:
        UnavailableError: the database or the disk does not answer.
    """
    free_bytes = pictures.free_bytes()
    if free_bytes is None:
        return None
    with database.read() as connection:
        is_here = _is_beside(database, pictures)
        return Room(
            free_bytes=free_bytes,
            reusable_bytes=_reusable_bytes(connection) if is_here else 0,
            leaving_bytes=removals.waiting_bytes(connection),
            database_bytes=database.file.stat().st_size if is_here and database.file else 0,
        )


def _reusable_bytes(connection: Connection) -> int:
    pages, page_bytes = (
        connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
        for name in ("freelist_count", "page_size")
    )
    return int(pages) * int(page_bytes)


def _is_beside(database: Database, pictures: PictureStore) -> bool:
    """Say whether the tables are in a file on the disk of the pictures."""
    folder = pictures.folder
    if database.file is None or folder is None:
        return False
    while not folder.exists():
        folder = folder.parent
    try:
        return database.file.stat().st_dev == folder.stat().st_dev
    except OSError as error:
        raise UnavailableError(f"the disk of the pictures does not answer: {error}") from error

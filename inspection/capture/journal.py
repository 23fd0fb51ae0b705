"""A camera's memory on disk: which identities it gave, and what became of them.

One SQLite file a camera, written before an identity is used. Its states:

    held      given; nobody has confirmed that the frame reached the stream or was dropped
    settled   done; kept only when the exposure has a key, so that it is not given again
    dropped   dropped while the server of the streams was away; to be told to it later

A commit outlives the end of the process at any moment, `kill -9` included. After a power failure
the last moments may be missing; `Journal.resume_from` makes up for them with what the stream and
the database know.
"""

import fcntl
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Self

from inspection.domain.frame import FrameIdentity, milliseconds, moment
from inspection.domain.ledger import Cause, Dropped
from inspection.errors import ConfigurationError, UnavailableError

#: Version of the tables below, in the file's `user_version`; 0 is a file without tables.
VERSION = 2

_TABLES = """
BEGIN IMMEDIATE;
CREATE TABLE camera (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    last_sequence_number INTEGER NOT NULL,
    product TEXT
);
INSERT INTO camera VALUES (1, 0, NULL);
CREATE TABLE exposure (
    sequence_number INTEGER PRIMARY KEY,
    captured_at_ms INTEGER NOT NULL,
    key TEXT UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('held', 'settled', 'dropped')),
    cause TEXT
);
CREATE INDEX exposure_open ON exposure (state) WHERE state <> 'settled';
PRAGMA user_version = 1;
COMMIT;
"""
#: What version 2 adds: whose journal it is, and what the camera normally sees of each product.
_OWNER_AND_VIEWS = """
BEGIN IMMEDIATE;
ALTER TABLE camera ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE camera ADD COLUMN view_accepted_at_ms INTEGER;
CREATE TABLE view (product TEXT PRIMARY KEY, history TEXT NOT NULL);
PRAGMA user_version = 2;
COMMIT;
"""
# `state <> 'settled'` lets SQLite use the partial index.
_OPEN = (
    "SELECT sequence_number, captured_at_ms, key, cause FROM exposure"
    " WHERE state <> 'settled' AND state = ? ORDER BY sequence_number LIMIT ?"
)
_NO_LIMIT = -1


@dataclass(frozen=True, kw_only=True)
class Held:
    """An identity that was given and whose frame nobody has confirmed."""

    identity: FrameIdentity
    #: Of its exposure; None when that cannot be had again.
    key: str | None


@dataclass(frozen=True, kw_only=True)
class JournalState:
    """What a camera's journal says at one moment."""

    #: Identities given so far: the numbers 1 to this one.
    last_sequence_number: int
    #: Held: on their way into the stream, or in it already.
    held: tuple[FrameIdentity, ...]
    #: Dropped, and the server of the streams does not know it yet.
    dropped: tuple[Dropped, ...]


class Journal:
    """The journal of one camera, open for writing by one process."""

    def __init__(
        self, connection: sqlite3.Connection, *, camera: str, path: Path, lock: IO[str] | None
    ) -> None:
        self._connection = connection
        self._camera = camera
        self._path = path
        self._lock = lock

    @classmethod
    def open(cls, folder: Path, camera: str) -> Self:
        """Open the journal of `camera` in `folder`; both are made when they are not there.

        Raises:
            ConfigurationError: the file is no journal, is damaged, or of a newer version.
            UnavailableError: it cannot be written to, or another process has it.
        """
        path = journal_path(folder, camera)
        with ExitStack() as on_failure:
            lock = on_failure.enter_context(_locked(path.with_suffix(".lock"), camera))
            with _translated(path):
                connection = sqlite3.connect(path, isolation_level=None)
                on_failure.callback(connection.close)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                if _version(connection, path) == 0:
                    connection.executescript(_TABLES)
                if _version(connection, path) == 1:
                    connection.executescript(_OWNER_AND_VIEWS)
                connection.execute(
                    "UPDATE camera SET owner = ? WHERE owner = ''", (uuid.uuid4().hex,)
                )
            on_failure.pop_all()
        return cls(connection, camera=camera, path=path, lock=lock)

    @property
    def last_sequence_number(self) -> int:
        """Number of the newest identity; 0 before the first."""
        return int(self._rows("SELECT last_sequence_number FROM camera")[0][0])

    @property
    def product(self) -> str | None:
        """Product that was being made when somebody last said."""
        product: str | None = self._rows("SELECT product FROM camera")[0][0]
        return product

    def remember_product(self, product: str | None) -> None:
        """Keep `product` for a start at which nobody can be asked."""
        self._rows("UPDATE camera SET product = ?", product)

    @property
    def owner(self) -> str:
        """What tells this journal from any other of the same camera."""
        return str(self._rows("SELECT owner FROM camera")[0][0])

    def view(self, product: str | None) -> str | None:
        """Return what was kept of the camera's view of `product`, None when nothing was."""
        rows = self._rows("SELECT history FROM view WHERE product = ?", product or "")
        return str(rows[0][0]) if rows else None

    def remember_view(self, product: str | None, history: str) -> None:
        """Keep what the camera normally sees of `product`."""
        self._rows(
            "INSERT INTO view VALUES (?, ?) ON CONFLICT DO UPDATE SET history = excluded.history",
            product or "",
            history,
        )

    def forget_views(self, accepted_at: datetime) -> bool:
        """Forget every view, unless that was done already for what was accepted then.

        Returns:
            Whether they were forgotten now.
        """
        accepted_at_ms = milliseconds(accepted_at)
        with self._transaction():
            changed = self._connection.execute(
                "UPDATE camera SET view_accepted_at_ms = ? WHERE view_accepted_at_ms IS NOT ?",
                (accepted_at_ms, accepted_at_ms),
            )
            if changed.rowcount:
                self._connection.execute("DELETE FROM view")
        return changed.rowcount > 0

    def resume_from(self, sequence_number: int) -> None:
        """Give no number up to `sequence_number`, which others have seen, again."""
        self._rows(
            "UPDATE camera SET last_sequence_number = max(last_sequence_number, ?)",
            sequence_number,
        )

    def give(self, key: str | None, captured_at: datetime) -> FrameIdentity | None:
        """Give an exposure its identity, recorded before it is returned.

        An exposure with a key gets the identity it had before, with the time of then; None if it
        is settled already.
        """
        if key is not None and (known := self._known(key)) is not None:
            sequence_number, captured_at_ms, state = known
            return self._identity(sequence_number, captured_at_ms) if state == "held" else None
        captured_at_ms = milliseconds(captured_at)
        with self._transaction():
            self._connection.execute(
                "UPDATE camera SET last_sequence_number = last_sequence_number + 1"
            )
            self._connection.execute(
                "INSERT INTO exposure (sequence_number, captured_at_ms, key, state)"
                " SELECT last_sequence_number, ?, ?, 'held' FROM camera",
                (captured_at_ms, key),
            )
        return self._identity(self.last_sequence_number, captured_at_ms)

    def is_settled(self, key: str) -> bool:
        """Whether the exposure with this key is done."""
        known = self._known(key)
        return known is not None and known[2] != "held"

    def settle(self, identity: FrameIdentity) -> None:
        """Record that the frame reached the stream, or that the server knows it was dropped."""
        self._close([identity.sequence_number])

    def drop(self, identity: FrameIdentity, cause: Cause) -> None:
        """Record that the frame was dropped; the server of the streams is to be told."""
        self._rows(
            "UPDATE exposure SET state = 'dropped', cause = ? WHERE sequence_number = ?",
            cause.value,
            identity.sequence_number,
        )

    def held(self) -> list[Held]:
        """Return identities that were given and neither settled nor dropped, in their order."""
        return [
            Held(identity=self._identity(number, captured_at_ms), key=key)
            for number, captured_at_ms, key, _ in self._rows(_OPEN, "held", _NO_LIMIT)
        ]

    def undelivered_drops(self, *, limit: int = _NO_LIMIT) -> list[Dropped]:
        """Return the first `limit` drops the server of the streams does not know, in order."""
        return [
            Dropped(identity=self._identity(number, captured_at_ms), cause=Cause(cause))
            for number, captured_at_ms, _, cause in self._rows(_OPEN, "dropped", limit)
        ]

    def forget_drops(self, identities: Sequence[FrameIdentity]) -> None:
        """Record that the server of the streams knows these drops."""
        self._close([identity.sequence_number for identity in identities])

    def close(self) -> None:
        """Close the file; another process may have it."""
        self._connection.close()
        if self._lock is not None:
            self._lock.close()

    def _close(self, numbers: Sequence[int]) -> None:
        each = [(number,) for number in numbers]
        with self._transaction():
            self._connection.executemany(
                "DELETE FROM exposure WHERE sequence_number = ? AND key IS NULL", each
            )
            self._connection.executemany(
                "UPDATE exposure SET state = 'settled', cause = NULL WHERE sequence_number = ?",
                each,
            )

    def _known(self, key: str) -> tuple[int, int, str] | None:
        rows = self._rows(
            "SELECT sequence_number, captured_at_ms, state FROM exposure WHERE key = ?", key
        )
        known: tuple[int, int, str] | None = rows[0] if rows else None
        return known

    def _identity(self, sequence_number: int, captured_at_ms: int) -> FrameIdentity:
        return FrameIdentity(
            camera=self._camera,
            sequence_number=sequence_number,
            captured_at=moment(captured_at_ms),
        )

    def _rows(self, statement: str, *values: object) -> list[Any]:
        with _translated(self._path):
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _translated(self._path), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield


def journal_path(folder: Path, camera: str) -> Path:
    """Return where the journal of `camera` is kept."""
    return folder / f"{camera}.sqlite"


def read_journal(path: Path) -> JournalState:
    """Read the journal at `path`, also while the camera's process writes to it.

    Raises:
        ConfigurationError: the file is no journal, is damaged, or of a newer version.
        UnavailableError: it is not there or cannot be read.
    """
    with (
        _translated(path),
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection,
    ):
        connection.execute("BEGIN")
        if _version(connection, path) == 0:
            return JournalState(last_sequence_number=0, held=(), dropped=())
        journal = Journal(connection, camera=path.stem, path=path, lock=None)
        return JournalState(
            last_sequence_number=journal.last_sequence_number,
            held=tuple(held.identity for held in journal.held()),
            dropped=tuple(journal.undelivered_drops()),
        )


def _locked(path: Path, camera: str) -> IO[str]:
    # Beside the journal, not on it: SQLite loses its own locks when another handle is closed.
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("w")
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written to: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise UnavailableError(
            f"camera {camera!r} is being captured by another process; end that one"
        ) from error
    return lock


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise ConfigurationError(
            f"the journal {path} was written by a newer version of this program; install that one"
        )
    return version


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise UnavailableError(f"the journal {path} cannot be used for now: {error}") from error
    except sqlite3.DatabaseError as error:
        raise ConfigurationError(
            f"the journal {path} is damaged ({error}); move it away: numbers go on from the stream "
            "and the database, and files are sent again"
        ) from error

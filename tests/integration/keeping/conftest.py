"""A line whose frames are kept for real: rows in a database, pictures in a folder."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from inspection.domain.evidence import Amount, KeepClass
from inspection.domain.inspection import Verdict
from inspection.store import evidence, ledger, lines, tables, thresholds
from inspection.store.database import Database
from inspection.store.pictures import PictureStore
from tests import factories
from tests.conftest import Clock
from tests.factories import NOON

#: Bytes of a kept picture, far more than a map.
PICTURE_BYTES = 10_000


def payload(name: object) -> bytes:
    return hashlib.sha256(str(name).encode()).digest() * (PICTURE_BYTES // 32)


@dataclass(frozen=True, kw_only=True)
class Plant:
    """A database, its pictures, and the time."""

    database: Database
    pictures: PictureStore
    clock: Clock

    def record(self, *numbers: int, verdict: Verdict = Verdict.OK, content: object = None) -> None:
        """Keep a picture of each frame and write its row, as an inspector does."""
        entries = []
        for number in numbers:
            picture = self.pictures.put(payload(content or number), "image/jpeg")
            entries.append(
                factories.inspected(
                    sequence_number=number,
                    captured_at=self.clock(),
                    score=0.9 if verdict is Verdict.NG else 0.1,
                    verdict=verdict,
                    picture=picture,
                )
            )
        with self.database.write() as connection:
            ledger.record(connection, entries, at=self.clock())

    def age(self) -> None:
        """Make all files old."""
        assert self.pictures.folder is not None
        for file in self.pictures.folder.rglob("*.*"):
            os.utime(file, (0, 0))

    @property
    def files(self) -> set[str]:
        """Hashes of the pictures that are there."""
        return {picture.sha256 for some in self.pictures.listed() for picture in some}

    @property
    def numbers(self) -> list[int]:
        """Sequence numbers of the rows."""
        with self.database.read() as connection:
            return list(connection.scalars(select(tables.ledger.c.sequence_number)))

    @property
    def whole(self) -> list[int]:
        """Sequence numbers of the rows whose picture is kept; each of them can be read."""
        row = tables.ledger.c
        with self.database.read() as connection:
            rows = connection.execute(
                select(row.sequence_number, row.picture_sha256)
                .where(row.picture_sha256.is_not(None))
                .order_by(row.sequence_number)
            ).all()
        for each in rows:
            picture = factories.picture(sha256=each.picture_sha256)
            self.pictures.restore(picture)
            self.pictures.get(picture)
        return [each.sequence_number for each in rows]

    @property
    def kept(self) -> Amount:
        """What the counters say is kept, which is what the rows say."""
        row, maps = tables.ledger.c, tables.maps.c
        with self.database.read() as connection:
            counted = sum(evidence.kept(connection).values(), Amount())
            sums = connection.execute(
                select(
                    func.count(row.picture_sha256),
                    func.coalesce(func.sum(row.picture_size_bytes), 0),
                    func.count(maps.ledger_id),
                    func.coalesce(func.sum(func.length(maps.data)), 0),
                ).outerjoin(tables.maps, maps.ledger_id == row.id)
            ).one()
        assert [int(each) for each in sums] == [
            counted.picture_count,
            counted.picture_bytes,
            counted.map_count,
            counted.map_bytes,
        ]
        return counted

    def kept_of(self, keep_class: KeepClass) -> Amount:
        with self.database.read() as connection:
            return evidence.kept(connection)[keep_class]


Build = Callable[[str, Path], Plant]


@pytest.fixture
def build() -> Iterator[Build]:
    """Make a plant of a migrated database and a folder for its pictures."""
    opened: list[Database] = []

    def built(url: str, folder: Path) -> Plant:
        database = Database.open(url)
        opened.append(database)
        with database.write() as connection:
            lines.create_missing(connection, factories.site(), at=NOON, by="test")
            thresholds.set_threshold(
                connection, factories.scope(), 0.5, at=NOON, by="test", reason="first", lead_s=0
            )
        # Files have the machine's time.
        clock = Clock(datetime.now(UTC))
        return Plant(database=database, pictures=PictureStore(str(folder)), clock=clock)

    yield built
    for database in opened:
        database.close()


@pytest.fixture
def plant(build: Build, database_url: str, tmp_path: Path) -> Plant:
    """A plant on each kind of database."""
    return build(database_url, tmp_path / "pictures")

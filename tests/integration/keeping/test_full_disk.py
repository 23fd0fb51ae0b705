"""A disk that is full: inspections go on, pictures are dropped first, and nothing is lost."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from inspection.domain.evidence import Gone, Limits
from inspection.domain.inspection import Latencies
from inspection.domain.ledger import Inspected
from inspection.errors import FullError, UnavailableError
from inspection.keeping.keeper import Keeper
from inspection.serving.recorder import Judged, Recorder
from inspection.serving.request import Scored
from inspection.store import evidence, inspections, ledger
from inspection.store import pictures as pictures_module
from inspection.store.inspections import HistoryQuery
from inspection.store.pictures import PictureStore
from tests import factories
from tests.integration.keeping.conftest import PICTURE_BYTES, Build, payload

MIB = 2**20
DISK_BYTES = 8 * MIB


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB; making one takes root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs"]
    made = subprocess.run(["mount", *options, str(folder)], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"no file system can be made here: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the disk before every picture, not once a second."""
    monkeypatch.setattr(pictures_module, "LOOK_S", 0.0)


def judged(number: int) -> Judged:
    return Judged(
        frame=factories.frame(sequence_number=number, payload=payload(number)),
        scored=Scored(
            score=0.9,
            anomaly_map=factories.anomaly_map(),
            checkpoint_hash=factories.CHECKPOINT_HASH,
            reference_hash=None,
        ),
        latencies=Latencies(waited_ms=1.0, inference_ms=2.0),
    )


def fill(folder: Path) -> Path:
    """Use up what is left of a disk."""
    file = folder / "filler"
    with file.open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(b"\0" * 4_096):
            pass
    return file


@pytest.mark.usefixtures("watched")
def test_pictures_are_dropped_and_counted_until_the_keeper_has_made_room(
    build: Build, sqlite_url: str, small_disk: Path
) -> None:
    plant = build(sqlite_url, small_disk / "pictures")
    limits = Limits(reserve_bytes=4 * MIB)
    store = PictureStore(str(small_disk / "pictures"), reserve_bytes=limits.reserve_bytes)
    recorder = Recorder(plant.database, store, clock=plant.clock)
    plant.record(*range(1, 301))
    plant.age()
    room_count = (DISK_BYTES - 4 * MIB) // PICTURE_BYTES

    entries = recorder.record([judged(number) for number in range(301, 501)])

    assert all(isinstance(entry, Inspected) for entry in entries)
    dropped = [entry for entry in entries if entry.picture_gone is Gone.FULL]
    assert 500 - room_count <= len(dropped) <= 200
    assert store.free_bytes() >= limits.reserve_bytes
    assert plant.kept.map_count == 500

    report = Keeper(
        plant.database, store, limits, clock=plant.clock, stop=threading.Event()
    ).round()

    # OK evidence went, the oldest first, and only as much as the margin above the reserve asks.
    taken = report.amounts[Gone.DISK].picture_count
    assert 0 < taken < 200
    assert report.file_count == taken
    assert plant.whole[0] == taken + 1
    (entry,) = recorder.record([judged(501)])
    assert (entry.picture is not None, entry.picture_gone) == (True, None)
    with plant.database.read() as connection:
        gone = evidence.gone(connection)
    assert gone[Gone.FULL].picture_count == len(dropped)
    assert gone[Gone.FULL].picture_bytes == len(dropped) * len(payload(1))


def test_full_disk_of_the_database_is_waited_out_and_nothing_is_lost(
    build: Build, migrated_sqlite: Path, small_disk: Path
) -> None:
    file = small_disk / "inspection.sqlite"
    file.write_bytes(migrated_sqlite.read_bytes())
    plant = build(f"sqlite:///{file}", small_disk / "pictures")
    entries = [factories.inspected(sequence_number=number) for number in range(1, 501)]
    filler = fill(small_disk)

    def record() -> None:
        with plant.database.write() as connection:
            ledger.record(connection, entries, at=plant.clock())

    for _ in range(3):
        with pytest.raises(UnavailableError):
            record()
    # A process that has just started is no worse off.
    plant.database.close()
    with pytest.raises(UnavailableError):
        record()
    filler.unlink()
    record()

    with plant.database.read() as connection:
        rows = inspections.history(connection, HistoryQuery(limit=1_000))
        assert ledger.doubled_numbers(connection, "cam-1") == []
        integrity = connection.exec_driver_sql("PRAGMA integrity_check").scalar()
    assert (len(rows), integrity) == (500, "ok")


def test_picture_store_on_a_full_disk_says_so_without_a_reserve(
    small_disk: Path,
) -> None:
    store = PictureStore(str(small_disk / "pictures"))
    store.put(payload(1), "image/jpeg")
    fill(small_disk)

    with pytest.raises(FullError, match="No space left"):
        store.put(payload(2), "image/jpeg")

    assert sum(map(len, store.listed())) == 1

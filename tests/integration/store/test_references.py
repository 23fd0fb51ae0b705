"""References: versions, which of them is in force, and their files."""

import hashlib
import threading
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, update

from inspection.domain.reference import LineReference, ReferencePlace, ReferenceSource
from inspection.errors import CheckpointError, ConfigurationError, NotFoundError
from inspection.store import audit, references, tables
from inspection.store.database import Database
from inspection.store.references import BuiltReference
from tests.factories import CHECKPOINT_HASH, NOON

LATER = NOON + timedelta(hours=1)
TOP = ReferencePlace(line="line-1", station="station-1", product="washer")
BY_ANN = {"at": LATER, "by": "ann", "reason": "why"}


def add(
    database: Database, data: bytes = b"one", *, place: ReferencePlace = TOP, is_final: bool = True
) -> LineReference:
    built = BuiltReference(
        place=place,
        data=data,
        checkpoint_hash=CHECKPOINT_HASH,
        images_count=16,
        source=ReferenceSource.FOLDER,
        is_final=is_final,
    )
    with database.write() as connection:
        return references.add_reference(connection, built, at=LATER, by="ann", reason="why")


def in_force(database: Database) -> list[tuple[ReferencePlace, int]]:
    with database.read() as connection:
        found = references.list_references(connection, is_in_force=True)
    return [(reference.place, reference.version) for reference in found]


def test_new_reference_gets_the_next_version_and_is_in_force_at_once(
    site_database: Database,
) -> None:
    add(site_database, b"one")

    second = add(site_database, b"two", is_final=False)

    assert second == LineReference(
        line="line-1",
        product="washer",
        station="station-1",
        version=2,
        content_hash=hashlib.sha256(b"two").hexdigest(),
        checkpoint_hash=CHECKPOINT_HASH,
        images_count=16,
        source=ReferenceSource.FOLDER,
        is_final=False,
        is_in_force=True,
        made_at=LATER,
        made_by="ann",
        reason="why",
    )
    with site_database.read() as connection:
        newest, first = references.list_references(connection, line="line-1")
        assert references.reference_file(connection, second.content_hash) == b"two"
    assert newest == second
    assert (first.version, first.is_in_force) == (1, False)


def test_references_of_every_product_and_station_stand_by_themselves(
    site_database: Database,
) -> None:
    side = ReferencePlace(line="line-1", station="station-2", product="washer")
    nut = ReferencePlace(line="line-1", station="station-1", product="nut")
    label = ReferencePlace(line="line-2", station="station-1", product="washer")

    for place in (TOP, side, nut, label):
        add(site_database, place=place)

    assert in_force(site_database) == [(nut, 1), (TOP, 1), (side, 1), (label, 1)]
    with site_database.read() as connection:
        (of_line_2,) = references.list_references(connection, line="line-2")
    assert of_line_2.place == label


def test_file_of_equal_references_is_kept_once(site_database: Database) -> None:
    for product in ("washer", "nut", "washer"):
        add(
            site_database, place=ReferencePlace(line="line-1", station="station-1", product=product)
        )

    with site_database.read() as connection:
        files = connection.scalar(select(func.count()).select_from(tables.reference_files))
        assert len(references.list_references(connection)) == 3
    assert files == 1


def test_withdrawing_leaves_no_version_in_force(site_database: Database) -> None:
    add(site_database, b"one")
    add(site_database, b"two")

    with site_database.write() as connection:
        withdrawn = references.withdraw_reference(connection, TOP, **BY_ANN)

    assert (withdrawn.version, withdrawn.is_in_force) == (2, False)
    assert in_force(site_database) == []


def test_restored_version_is_in_force_in_place_of_any_other(site_database: Database) -> None:
    for data in (b"one", b"two", b"three"):
        add(site_database, data)

    with site_database.write() as connection:
        restored = references.restore_reference(connection, TOP, 2, **BY_ANN)

    assert restored.content_hash == hashlib.sha256(b"two").hexdigest()
    assert in_force(site_database) == [(TOP, 2)]
    assert add(site_database, b"four").version == 4
    assert in_force(site_database) == [(TOP, 4)]


def test_building_withdrawing_and_restoring_are_audited(site_database: Database) -> None:
    one = add(site_database, b"one")
    with site_database.write() as connection:
        references.withdraw_reference(connection, TOP, **BY_ANN)
        references.restore_reference(connection, TOP, 1, **BY_ANN)

    with site_database.read() as connection:
        changes = audit.list_changes(connection, thing="reference")
    name = "line=line-1 station=station-1 product=washer"
    assert {(change.name, change.who, change.at) for change in changes} == {(name, "ann", LATER)}
    restored, withdrawn, created = changes
    brief = {"version": 1, "content_hash": one.content_hash}
    assert [change.action for change in changes] == ["restored", "withdrawn", "created"]
    assert created.before is None
    assert created.after == brief | {"images_count": 16, "source": "folder", "reason": "why"}
    assert (withdrawn.before, withdrawn.after) == (brief, {"version": None, "reason": "why"})
    assert (restored.before, restored.after) == (None, brief | {"reason": "why"})


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (ReferencePlace(line="line-9", station="station-1"), "there is no line 'line-9'"),
        (ReferencePlace(line="line-2", station="top"), "no station 'top'; it has: station-1"),
    ],
)
def test_reference_of_what_is_not_there_is_refused(
    site_database: Database, place: ReferencePlace, words: str
) -> None:
    with pytest.raises(NotFoundError, match=words):
        add(site_database, place=place)

    assert in_force(site_database) == []


def test_reference_of_a_product_without_name_is_refused(site_database: Database) -> None:
    with pytest.raises(ConfigurationError, match="needs a name"):
        add(site_database, place=ReferencePlace(line="line-1", station="station-1", product=" "))


def test_what_is_not_in_force_cannot_be_withdrawn_and_what_is_not_there_not_restored(
    site_database: Database,
) -> None:
    add(site_database)
    with site_database.write() as connection:
        references.withdraw_reference(connection, TOP, **BY_ANN)

    with (
        pytest.raises(NotFoundError, match="no reference in force"),
        site_database.write() as connection,
    ):
        references.withdraw_reference(connection, TOP, **BY_ANN)
    with pytest.raises(NotFoundError, match="no version 2"), site_database.write() as connection:
        references.restore_reference(connection, TOP, 2, **BY_ANN)


def test_file_that_is_gone_or_damaged_is_not_handed_out_until_it_is_built_anew(
    site_database: Database,
) -> None:
    one = add(site_database, b"one")
    damage = update(tables.reference_files).values(data=b"on")
    with site_database.write() as connection:
        connection.execute(damage)

    with site_database.read() as connection, pytest.raises(CheckpointError, match="damaged"):
        references.reference_file(connection, one.content_hash)
    with site_database.read() as connection, pytest.raises(NotFoundError, match="not in the store"):
        references.reference_file(connection, "ab" * 32)
    add(site_database, b"one")
    with site_database.read() as connection:
        assert references.reference_file(connection, one.content_hash) == b"one"


def test_references_added_at_the_same_time_all_get_a_version_and_one_is_in_force(
    site_database: Database,
) -> None:
    def add_some() -> None:
        for number in range(5):
            add(site_database, bytes([number]))

    threads = [threading.Thread(target=add_some) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with site_database.read() as connection:
        versions = [found.version for found in references.list_references(connection)]
    assert versions == list(range(15, 0, -1))
    assert in_force(site_database) == [(TOP, 15)]


def test_file_of_a_version_cannot_be_deleted(site_database: Database) -> None:
    add(site_database)

    with pytest.raises(Exception, match=r"(?i)foreign key"), site_database.write() as connection:
        connection.execute(delete(tables.reference_files))

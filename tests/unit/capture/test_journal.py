import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from inspection.capture.journal import Journal, journal_path, read_journal
from inspection.domain.frame import FrameIdentity
from inspection.domain.ledger import Cause, Dropped
from inspection.errors import ConfigurationError, UnavailableError
from tests.factories import NOON

LATER = NOON + timedelta(seconds=1)

#: A process that gives identities as fast as it can and says each one aloud.
GIVER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from inspection.capture.journal import Journal

journal = Journal.open(Path(sys.argv[1]), "cam-1")
while True:
    print(journal.give(None, datetime.now(UTC)).sequence_number, flush=True)
"""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal.open(tmp_path, "cam-1")) as journal:
        yield journal


def given(journal: Journal, key: str | None = None) -> FrameIdentity:
    identity = journal.give(key, NOON)
    assert identity is not None
    return identity


def test_journal_gives_numbers_from_one_without_gaps(journal: Journal) -> None:
    assert journal.last_sequence_number == 0
    assert [given(journal).sequence_number for _ in range(3)] == [1, 2, 3]
    assert journal.last_sequence_number == 3


def test_journal_gives_identities_in_whole_milliseconds(journal: Journal) -> None:
    identity = journal.give(None, NOON + timedelta(microseconds=1600))

    assert identity == FrameIdentity(
        camera="cam-1", sequence_number=1, captured_at=NOON + timedelta(milliseconds=2)
    )


def test_journal_gives_a_held_exposure_the_same_identity_again(journal: Journal) -> None:
    first = given(journal, "a.jpg")
    given(journal, "b.jpg")

    assert journal.give("a.jpg", LATER) == first


def test_journal_gives_a_settled_exposure_no_identity(journal: Journal) -> None:
    journal.settle(given(journal, "a.jpg"))

    assert journal.give("a.jpg", LATER) is None
    assert journal.is_settled("a.jpg")
    assert journal.last_sequence_number == 1


def test_journal_does_not_take_a_held_or_unknown_exposure_for_settled(journal: Journal) -> None:
    given(journal, "a.jpg")

    assert not journal.is_settled("a.jpg")
    assert not journal.is_settled("b.jpg")


def test_journal_holds_what_is_neither_settled_nor_dropped(journal: Journal) -> None:
    identities = [given(journal, key) for key in ("a.jpg", "b.jpg", "c.jpg", None)]

    journal.settle(identities[0])
    journal.drop(identities[1], Cause.UNAVAILABLE)

    assert [(held.identity, held.key) for held in journal.held()] == [
        (identities[2], "c.jpg"),
        (identities[3], None),
    ]


def test_journal_keeps_drops_until_somebody_knows_them(journal: Journal) -> None:
    identities = [given(journal) for _ in range(3)]
    for identity in identities:
        journal.drop(identity, Cause.UNAVAILABLE)

    journal.forget_drops(identities[:2])

    assert journal.undelivered_drops() == [Dropped(identity=identities[2], cause=Cause.UNAVAILABLE)]


def test_journal_gives_the_first_drops_first(journal: Journal) -> None:
    identities = [given(journal) for _ in range(3)]
    for identity in reversed(identities):
        journal.drop(identity, Cause.INTERRUPTED)

    assert [drop.identity for drop in journal.undelivered_drops(limit=2)] == identities[:2]


def test_journal_does_not_give_a_dropped_exposure_again(journal: Journal) -> None:
    identity = given(journal, "a.jpg")
    journal.drop(identity, Cause.INTERRUPTED)
    before = journal.give("a.jpg", LATER)

    journal.forget_drops([identity])

    assert (before, journal.give("a.jpg", LATER)) == (None, None)


@pytest.mark.parametrize(("known", "following"), [(10, 11), (1, 3)])
def test_journal_goes_on_after_the_highest_number_anybody_knows(
    journal: Journal, known: int, following: int
) -> None:
    for _ in range(2):
        given(journal)

    journal.resume_from(known)

    assert given(journal).sequence_number == following


def test_journal_remembers_what_was_being_made(journal: Journal) -> None:
    assert journal.product is None

    journal.remember_product("washer")

    assert journal.product == "washer"


def test_journal_survives_being_closed_and_opened(tmp_path: Path) -> None:
    with closing(Journal.open(tmp_path / "new" / "folder", "cam-1")) as journal:
        journal.settle(given(journal, "a.jpg"))
        held = given(journal, "b.jpg")

    with closing(Journal.open(tmp_path / "new" / "folder", "cam-1")) as journal:
        assert journal.is_settled("a.jpg")
        assert [one.identity for one in journal.held()] == [held]
        assert given(journal).sequence_number == 3


def test_journal_knows_every_identity_after_kill_minus_nine(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", GIVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as giver:
        assert giver.stdout is not None
        for line in giver.stdout:
            if int(line) == 50:
                os.kill(giver.pid, signal.SIGKILL)
                break
        said = [50, *(int(line) for line in giver.stdout if line.endswith("\n"))]

    with closing(Journal.open(tmp_path, "cam-1")) as journal:
        numbers = [held.identity.sequence_number for held in journal.held()]

        assert numbers == list(range(1, len(numbers) + 1))
        assert journal.last_sequence_number == len(numbers) >= said[-1]


def test_journal_belongs_to_one_process_at_a_time(journal: Journal, tmp_path: Path) -> None:
    given(journal)

    with pytest.raises(UnavailableError, match="'cam-1' is being captured by another process"):
        Journal.open(tmp_path, "cam-1")


def test_journal_can_be_read_while_its_camera_writes(journal: Journal, tmp_path: Path) -> None:
    first, second, third = (given(journal, key) for key in ("a.jpg", "b.jpg", None))
    journal.settle(first)
    journal.drop(third, Cause.UNAVAILABLE)

    state = read_journal(journal_path(tmp_path, "cam-1"))
    given(journal)

    assert state.last_sequence_number == 3
    assert state.held == (second,)
    assert state.dropped == (Dropped(identity=third, cause=Cause.UNAVAILABLE),)


def test_journal_can_be_read_after_its_camera_ended(tmp_path: Path) -> None:
    with closing(Journal.open(tmp_path, "cam-1")) as journal:
        held = given(journal)

    assert read_journal(journal_path(tmp_path, "cam-1")).held == (held,)


def test_journal_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"cam-9\.sqlite"):
        read_journal(journal_path(tmp_path, "cam-9"))


def test_journal_that_is_damaged_is_refused_with_a_cure(tmp_path: Path) -> None:
    journal_path(tmp_path, "cam-1").write_bytes(b"this is no journal" * 100)

    with pytest.raises(ConfigurationError, match="move it away"):
        Journal.open(tmp_path, "cam-1")


def test_journal_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(journal_path(tmp_path, "cam-1"))) as connection:
        connection.execute("PRAGMA user_version = 99")

    with pytest.raises(ConfigurationError, match="newer version"):
        Journal.open(tmp_path, "cam-1")


def test_journal_in_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UnavailableError, match="cannot be written to"):
        Journal.open(tmp_path / "file" / "journals", "cam-1")


def test_journal_of_the_version_before_goes_on(tmp_path: Path) -> None:
    with closing(Journal.open(tmp_path, "cam-1")) as journal:
        given(journal)
    with closing(sqlite3.connect(journal_path(tmp_path, "cam-1"), isolation_level=None)) as old:
        old.execute("DROP TABLE view")
        old.execute("ALTER TABLE camera DROP COLUMN owner")
        old.execute("ALTER TABLE camera DROP COLUMN view_accepted_at_ms")
        old.execute("PRAGMA user_version = 1")

    with closing(Journal.open(tmp_path, "cam-1")) as journal:
        assert given(journal).sequence_number == 2
        assert journal.view(None) is None
        assert len(journal.owner) == 32


def test_journal_has_the_same_owner_for_ever_and_another_one_another(tmp_path: Path) -> None:
    owners = []
    for folder in ("a", "a", "b"):
        with closing(Journal.open(tmp_path / folder, "cam-1")) as journal:
            owners.append(journal.owner)

    assert owners[0] == owners[1] != owners[2]


def test_journal_keeps_the_view_of_each_product(journal: Journal) -> None:
    journal.remember_view("nut", "first")
    journal.remember_view("nut", "second")
    journal.remember_view(None, "of nobody knows what")

    assert journal.view("nut") == "second"
    assert journal.view(None) == "of nobody knows what"
    assert journal.view("bolt") is None


def test_journal_forgets_views_once_for_each_time_one_was_accepted(journal: Journal) -> None:
    journal.remember_view("nut", "before")

    assert journal.forget_views(NOON)
    assert journal.view("nut") is None
    journal.remember_view("nut", "after")
    assert not journal.forget_views(NOON)
    assert journal.view("nut") == "after"
    assert journal.forget_views(LATER)

"""References are learnt from the frames of lines that ask for it."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Reason
from inspection.domain.reference import LineReference, ReferencePlace, ReferenceSource
from inspection.errors import UnavailableError
from inspection.model.reference import Survey
from inspection.serving.learning import Learning
from inspection.serving.request import Refused, Request
from inspection.serving.scorer import Scorer
from inspection.store import ledger, lines, references, thresholds
from inspection.store.database import Database
from inspection.store.pictures import PictureStore
from inspection.store.references import BuiltReference
from tests import factories
from tests.factories import NOON
from tests.integration.serving.conftest import png

#: Frames line-1 wants to learn from; line-2 wants none.
LEARN = 16
WASHER = ReferencePlace(line="line-1", station="station-1", product="washer")


@dataclass
class Replicas:
    """What Ray Serve does for the learner, in this process; it can be made to fail."""

    scorer: Scorer
    is_out: bool = False
    #: Stands for another checkpoint, when set.
    other_hash: str | None = None
    surveyed: int = field(default=0)

    def checkpoint_hash(self) -> str:
        return self.other_hash or self.scorer.checkpoint_hash

    def survey(self, requests: Sequence[Request], *, of_count: int) -> list[Survey | Refused]:
        if self.is_out:
            raise UnavailableError("the replica is gone")
        self.surveyed += len(requests)
        return self.scorer.survey(requests, self.scorer.decode(requests), of_count=of_count)


@dataclass
class Hall:
    """Two lines, what was inspected there, and learners to be started."""

    database: Database
    pictures: PictureStore
    replicas: Replicas

    def add(self, numbers: range, *, verdict: Verdict = Verdict.PENDING, **changes: Any) -> None:
        threshold = None if verdict is Verdict.PENDING else factories.threshold()
        with self.database.write() as connection:
            for number in numbers:
                identity = factories.identity(
                    sequence_number=number,
                    captured_at=NOON + timedelta(seconds=number),
                    camera=changes.get("camera", "cam-1"),
                )
                inspection = factories.inspection(
                    identity=identity,
                    verdict=verdict,
                    threshold=threshold,
                    score=0.75 if verdict is Verdict.NG else 0.25,
                )
                entry = factories.inspected(
                    frame=factories.frame(identity=identity, product=changes.get("product")),
                    inspection=inspection,
                    picture=self.pictures.put(png(number), "image/png"),
                )
                ledger.record(connection, [entry], at=NOON)

    def learning(self) -> Learning:
        return Learning(self.database, self.pictures, self.replicas, clock=lambda: NOON)

    def learn(self, learning: Learning | None = None) -> None:
        """Let a learner work until there is nothing left to do."""
        learning = learning or self.learning()
        while learning.round():
            pass

    def known(self) -> list[LineReference]:
        with self.database.read() as connection:
            return references.list_references(connection)

    def versions(self) -> list[tuple[int, bool, bool]]:
        """Return version, whether final and whether in force, the oldest first."""
        return [(one.version, one.is_final, one.is_in_force) for one in reversed(self.known())]


@pytest.fixture
def hall(sqlite_url: str, tmp_path: Path, scorer: Scorer) -> Iterator[Hall]:
    with closing(Database.open(sqlite_url)) as database:
        site = factories.site(
            lines=(factories.line(learn_count=LEARN), factories.line(name="line-2")),
            cameras=(factories.camera(), factories.camera(name="cam-2", line="line-2")),
        )
        with database.write() as connection:
            lines.create_missing(connection, site, at=NOON, by="test")
            thresholds.set_threshold(
                connection, factories.scope(), 0.5, at=NOON, by="test", reason="", lead_s=0
            )
        yield Hall(database, PictureStore(str(tmp_path / "pictures")), Replicas(scorer))


def test_line_that_asks_for_it_gets_better_references_until_it_has_learnt_its_frames(
    hall: Hall,
) -> None:
    hall.add(range(1, 8), product="washer")
    learning = hall.learning()
    hall.learn(learning)
    before = hall.versions()

    hall.add(range(8, 13), product="washer")
    hall.learn(learning)
    first = hall.versions()
    hall.add(range(13, 41), product="washer")
    hall.learn(learning)

    assert before == []
    assert first == [(1, False, True)]
    assert hall.versions() == [(1, False, False), (2, True, True)]
    (newest, _) = hall.known()
    assert newest.place == WASHER
    assert newest.source is ReferenceSource.STREAM
    assert newest.checkpoint_hash == hall.replicas.scorer.checkpoint_hash


def test_nothing_is_surveyed_of_what_is_learnt_already_or_nobody_asked_for(hall: Hall) -> None:
    hall.add(range(1, 60), product="washer")
    hall.learn()
    surveyed = hall.replicas.surveyed
    hall.add(range(60, 70), product="washer")
    hall.add(range(1, 10), camera="cam-2", product="washer")

    hall.learn()

    assert hall.replicas.surveyed == surveyed < 59


def test_products_are_learnt_each_by_itself(hall: Hall) -> None:
    for number in range(1, 4 * LEARN):
        hall.add(range(number, number + 1), product=["washer", None][number % 2])

    hall.learn()

    final = [one.place.product for one in hall.known() if one.is_final]
    assert final == ["object", "washer"]


def test_ng_frames_are_never_learnt_and_ok_ones_are(hall: Hall) -> None:
    hall.add(range(1, 9), product="washer", verdict=Verdict.NG)
    hall.add(range(9, 17), product="washer", verdict=Verdict.OK)

    hall.learn()

    assert hall.replicas.surveyed == 8
    assert hall.versions() == [(1, False, True)]


def test_frames_that_wait_for_a_reference_are_learnt(hall: Hall) -> None:
    with hall.database.write() as connection:
        for number in range(1, 9):
            entry = factories.uninspected(
                sequence_number=number,
                reason=Reason.REFERENCE,
                frame=factories.frame(sequence_number=number),
                picture=hall.pictures.put(png(number), "image/png"),
            )
            ledger.record(connection, [entry], at=NOON)

    hall.learn()

    assert hall.versions() == [(1, False, True)]


def test_learner_that_was_restarted_begins_with_the_kept_pictures_and_versions_go_on(
    hall: Hall,
) -> None:
    hall.add(range(1, 13), product="washer")
    hall.learn()

    hall.add(range(13, 41), product="washer")
    hall.learn(hall.learning())

    assert hall.versions() == [(1, False, False), (2, True, True)]


def test_pictures_that_are_gone_or_damaged_are_passed_over(hall: Hall, tmp_path: Path) -> None:
    hall.add(range(1, 11), product="washer")
    gone, damaged, *_ = sorted((tmp_path / "pictures").rglob("*.png"))
    gone.unlink()
    damaged.write_bytes(b"half")

    hall.learn()

    assert hall.replicas.surveyed == 8
    assert hall.versions() == [(1, False, True)]


def test_outage_of_the_replicas_neither_loses_nor_doubles_a_frame(hall: Hall) -> None:
    hall.add(range(1, LEARN + 1), product="washer")
    learning = hall.learning()
    learning.round()
    hall.replicas.is_out = True
    with pytest.raises(UnavailableError):
        learning.round()

    hall.replicas.is_out = False
    hall.learn(learning)

    assert hall.replicas.surveyed == LEARN
    assert hall.versions()


def test_place_where_somebody_decided_otherwise_is_left_alone(hall: Hall) -> None:
    hall.add(range(1, 9), product="washer")
    learning = hall.learning()
    hall.learn(learning)
    with hall.database.write() as connection:
        references.withdraw_reference(connection, WASHER, at=NOON, by="ann", reason="bad")

    hall.add(range(9, 60), product="washer")
    hall.learn(learning)

    assert hall.versions() == [(1, False, False)]


def test_reference_built_by_hand_is_not_replaced(hall: Hall) -> None:
    built = BuiltReference(
        place=WASHER,
        data=b"file",
        checkpoint_hash=hall.replicas.scorer.checkpoint_hash,
        images_count=3,
        source=ReferenceSource.FOLDER,
    )
    with hall.database.write() as connection:
        references.add_reference(connection, built, at=NOON, by="ann", reason="")

    hall.add(range(1, 40), product="washer")
    hall.learn()

    assert hall.versions() == [(1, True, True)]


def test_nothing_is_learnt_while_replicas_change_over_to_another_checkpoint(hall: Hall) -> None:
    hall.add(range(1, 9), product="washer")
    hall.replicas.other_hash = "ab" * 32
    learning = hall.learning()
    hall.learn(learning)
    before = hall.versions()

    hall.replicas.other_hash = None
    hall.learn(learning)

    assert before == []
    assert hall.versions() == [(1, False, True)]


def test_learner_ends_when_it_is_asked_to(hall: Hall) -> None:
    hall.replicas.is_out = True
    hall.add(range(1, 9), product="washer")
    stop = threading.Event()
    thread = threading.Thread(target=hall.learning().run, args=[stop], kwargs={"poll_s": 0.01})

    thread.start()
    stop.set()
    thread.join(timeout=30)

    assert not thread.is_alive()

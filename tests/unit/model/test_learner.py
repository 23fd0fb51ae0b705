import pickle

import pytest

from inspection.errors import CheckpointError
from inspection.model.learner import Learner
from tests.unit.model.surveys import CHECKPOINT, survey, surveys


def test_learner_publishes_at_eight_frames_and_at_twice_as_many() -> None:
    learner = Learner(CHECKPOINT, frames_count=32)

    published = []
    for each in surveys(40):
        learner.take([each])
        published.append(0 if learner.reference is None else learner.reference.images_count)

    assert published[6:8] == [0, 8]
    assert sorted(set(published)) == [0, 8, 16, 32]


def test_learner_is_complete_when_it_has_its_frames_and_learns_no_more() -> None:
    learner = Learner(CHECKPOINT, frames_count=16)
    learner.take(surveys(16))
    complete = learner.reference

    learner.take(surveys(100, first=200, product=1))

    assert learner.is_complete
    assert learner.reference is complete


def test_learner_needs_fewer_frames_than_eight_when_told_so() -> None:
    learner = Learner(CHECKPOINT, frames_count=3)

    learner.take(surveys(3))

    assert learner.is_complete
    assert learner.reference is not None


def test_learner_still_sees_a_defect_of_every_50th_part_after_5000_parts() -> None:
    learner = Learner(CHECKPOINT, frames_count=512)

    for index in range(5000):
        learner.take([survey(index, is_defective=index % 50 == 5)])

    assert learner.is_complete
    assert learner.reference is not None
    assert not learner.reference.resembles(survey(5005, is_defective=True))
    assert learner.reference.resembles(survey(5006))


def test_learner_takes_in_no_frame_with_a_defect_once_it_knows_the_others() -> None:
    learner = Learner(CHECKPOINT, frames_count=32)
    learner.take(surveys(8))

    learner.take([survey(100 + number, is_defective=True) for number in range(50)])

    assert learner.refused_count == 50
    assert not learner.is_complete


def test_learner_is_complete_also_when_it_sees_one_picture_all_the_time() -> None:
    learner = Learner(CHECKPOINT, frames_count=16)

    learner.take([survey(1)] * 16)

    assert learner.is_complete
    assert learner.reference is not None
    assert learner.reference.images_count == 1


def test_learner_goes_on_after_pickling() -> None:
    learner = Learner(CHECKPOINT, frames_count=16)
    learner.take(surveys(10))

    again = pickle.loads(pickle.dumps(learner))  # noqa: S301
    for each in (learner, again):
        each.take(surveys(6, first=10))

    assert learner.reference is not None
    assert again.reference is not None
    assert again.is_complete
    assert again.reference.content_hash == learner.reference.content_hash


def test_learner_refuses_surveys_by_another_checkpoint() -> None:
    learner = Learner(CHECKPOINT, frames_count=1)

    with pytest.raises(CheckpointError, match="another checkpoint"):
        learner.take([survey(1, checkpoint_hash="d" * 64)])

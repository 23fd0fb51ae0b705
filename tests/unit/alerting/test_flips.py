"""The stretch of inspections that fulfils a rule is found around the frame in question."""

from inspection.alerting.flips import stretch
from inspection.domain.rule import NgCondition


def newest_first(verdicts: str) -> list[bool]:
    """Read verdicts written oldest first: `x` is NG."""
    return [sign == "x" for sign in reversed(verdicts)]


def test_stretch_is_the_frame_itself_when_any_ng_part_alerts() -> None:
    assert stretch(NgCondition(), newest_first(".x."), 1) == slice(1, 2)


def test_stretch_is_missing_when_no_part_is_ng() -> None:
    assert stretch(NgCondition(), newest_first("."), 0) is None


def test_stretch_ends_with_the_frame_when_it_is_the_newest() -> None:
    assert stretch(NgCondition(k=2, n=3), newest_first("..x.x"), 0) == slice(0, 3)


def test_stretch_is_missing_when_the_ng_parts_are_too_far_apart() -> None:
    assert stretch(NgCondition(k=2, n=3), newest_first("x..x"), 0) is None


def test_stretch_reaches_to_younger_frames_when_the_frame_was_recorded_late() -> None:
    assert stretch(NgCondition(k=2, n=3), newest_first("...x.x"), 2) == slice(0, 3)


def test_stretch_that_ends_with_the_frame_is_preferred_to_younger_ones() -> None:
    assert stretch(NgCondition(k=2, n=3), newest_first("xxx"), 1) == slice(1, 4)


def test_stretch_holds_the_frame_when_only_younger_frames_are_ng_enough() -> None:
    assert stretch(NgCondition(k=2, n=2), newest_first("x.xx"), 3) is None

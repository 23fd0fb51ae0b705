"""A part's verdict is the worst of its frames'."""

from itertools import combinations_with_replacement

import pytest

from inspection.domain.inspection import Verdict
from inspection.domain.part import PartVerdict, part_verdict

#: Frames, the worst first.
RANKED = (
    (Verdict.NG, PartVerdict.NG),
    (None, PartVerdict.UNINSPECTED),
    (Verdict.PENDING, PartVerdict.PENDING),
    (Verdict.OK, PartVerdict.OK),
)


def test_part_is_as_bad_as_its_worst_frame() -> None:
    for frames in combinations_with_replacement(range(4), 3):
        for order in (frames, tuple(reversed(frames))):
            verdict = part_verdict(RANKED[rank][0] for rank in order)

            assert verdict is RANKED[min(frames)][1]


@pytest.mark.parametrize(("frame", "verdict"), RANKED)
def test_part_of_one_frame_is_what_its_frame_is(
    frame: Verdict | None, verdict: PartVerdict
) -> None:
    assert part_verdict([frame]) is verdict


def test_part_that_nobody_saw_is_not_ok() -> None:
    assert part_verdict([]) is PartVerdict.UNINSPECTED

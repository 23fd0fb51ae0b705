"""Parts: one physical piece, of which there may be many frames."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from inspection.domain.inspection import Verdict


class PartVerdict(StrEnum):
    """What the frames of a part say of it together."""

    NG = "NG"
    #: No frame is NG, but at least one was not inspected: nobody can say that the part is OK.
    UNINSPECTED = "uninspected"
    PENDING = "pending"
    OK = "OK"


#: The worst first.
_WORST: Final = tuple(PartVerdict)
_OF_FRAME: Final = {
    Verdict.NG: PartVerdict.NG,
    Verdict.PENDING: PartVerdict.PENDING,
    Verdict.OK: PartVerdict.OK,
    None: PartVerdict.UNINSPECTED,
}


def part_verdict(frames: Iterable[Verdict | None]) -> PartVerdict:
    """Return the worst of a part's frames; None stands for one that was not inspected.

    A part without frames is uninspected. A frame without serial number is a part of its own.
    """
    found = {_OF_FRAME[verdict] for verdict in frames}
    return next((verdict for verdict in _WORST if verdict in found), PartVerdict.UNINSPECTED)

"""How long a call to the replicas may take."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from inspection.domain.recipe import Recipe
from inspection.serving.request import Answer, Lacking, Refused, Request
from inspection.serving.scoring import DEADLINE_FLOOR_S, FIRST_DEADLINE_S, RayScoring

NUT = [Request(payload=b"", recipe=Recipe(product="nut"))]
CRACKED = [Request(payload=b"", recipe=Recipe(product="nut", defects=("with a crack",)))]


class Handle:
    """A handle whose replica refuses every frame, at once, or lacks its reference."""

    @property
    def score(self) -> "Handle":
        return self

    async def remote(self, requests: Sequence[Request], files: Mapping[str, bytes]) -> list[Answer]:
        return [
            Refused(reason="empty", detail="")
            if request.reference is None or request.reference in files
            else Lacking(reference=request.reference)
            for request in requests
        ]


async def test_call_with_a_recipe_that_is_met_first_may_take_as_long_as_the_first_call() -> None:
    scoring = RayScoring(cast("Any", Handle()))
    before = scoring.deadline_s(NUT)

    for _ in range(2):
        await scoring.score(NUT)

    assert before == FIRST_DEADLINE_S
    assert scoring.deadline_s(NUT) == DEADLINE_FLOOR_S
    assert scoring.deadline_s(NUT + CRACKED) == FIRST_DEADLINE_S


async def test_call_that_brings_references_may_take_as_long_as_the_first_call() -> None:
    scoring = RayScoring(cast("Any", Handle()))
    for _ in range(2):
        await scoring.score(NUT)

    await scoring.score(NUT, {"ab": b"file"})

    assert scoring.deadline_s(NUT, has_files=True) == FIRST_DEADLINE_S
    assert scoring.deadline_s(NUT) == DEADLINE_FLOOR_S


async def test_recipe_of_a_frame_whose_reference_is_lacking_is_not_met_yet() -> None:
    scoring = RayScoring(cast("Any", Handle()))
    for _ in range(2):
        await scoring.score(NUT)
    lacking = [replace(CRACKED[0], reference="ab")]

    await scoring.score(lacking)
    before = scoring.deadline_s(lacking)
    await scoring.score(lacking, {"ab": b"file"})

    assert before == FIRST_DEADLINE_S
    assert scoring.deadline_s(lacking) == DEADLINE_FLOOR_S

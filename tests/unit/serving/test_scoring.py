"""How long a call to the replicas may take."""

from collections.abc import Sequence
from typing import Any, cast

from inspection.domain.recipe import Recipe
from inspection.serving.request import Answer, Refused, Request
from inspection.serving.scoring import DEADLINE_FLOOR_S, FIRST_DEADLINE_S, RayScoring

NUT = [Request(payload=b"", recipe=Recipe(product="nut"))]
CRACKED = [Request(payload=b"", recipe=Recipe(product="nut", defects=("with a crack",)))]


class Handle:
    """A handle whose replica refuses every frame, at once."""

    @property
    def score(self) -> "Handle":
        return self

    async def remote(self, requests: Sequence[Request]) -> list[Answer]:
        return [Refused(reason="empty", detail="") for _ in requests]


async def test_call_with_a_recipe_that_is_met_first_may_take_as_long_as_the_first_call() -> None:
    scoring = RayScoring(cast("Any", Handle()))
    before = scoring.deadline_s(NUT)

    for _ in range(2):
        await scoring.score(NUT)

    assert before == FIRST_DEADLINE_S
    assert scoring.deadline_s(NUT) == DEADLINE_FLOOR_S
    assert scoring.deadline_s(NUT + CRACKED) == FIRST_DEADLINE_S

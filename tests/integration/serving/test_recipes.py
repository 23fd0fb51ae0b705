"""Recipes in force reach the detector, also while inspectors run and the database is away."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psycopg
import pytest
from sqlalchemy.engine import make_url

from inspection.domain.recipe import Recipe
from inspection.serving.request import Request, Scored
from inspection.stream.backlog import in_flight
from tests.integration.serving.conftest import CAMERA, Floor, eventually, png

PLAIN = Recipe(product="metal nut")
CRACKED = Recipe(product="metal nut", defects=("with a crack", "with a bent pin"))
#: What the detector says about the same picture differs by less, whatever else is in its batch.
SAME = 1e-5


def score(floor: Floor, recipe: Recipe) -> float:
    """Return what the detector says about picture 1 when it is asked directly."""
    requests = [Request(payload=png(1), recipe=recipe)]
    (scored,) = floor.replicas.scorer.score(requests, floor.replicas.scorer.decode(requests))
    assert isinstance(scored, Scored)
    return scored.score


@contextmanager
def unreachable(url: str) -> Iterator[None]:
    """Cut a PostgreSQL database off from everybody for as long as the block lasts."""
    name = make_url(url).database
    server_url = make_url(url).set(database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        try:
            yield
        finally:
            server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


async def test_defects_change_the_score_of_the_same_picture_while_inspectors_run(
    floor: Floor,
) -> None:
    numbers = count(1)
    plain, cracked = score(floor, PLAIN), score(floor, CRACKED)

    def newest_is(score: float) -> bool:
        floor.add(next(numbers), png(1), product="metal nut")
        return floor.scores()[:1] == [pytest.approx(score, abs=SAME)]

    async with floor.inspector(), floor.inspector("another"):
        await eventually(lambda: newest_is(plain))
        floor.recipe(CRACKED)
        await eventually(lambda: newest_is(cracked))
        floor.recipe(PLAIN)
        await eventually(lambda: newest_is(plain))

    assert abs(plain - cracked) > 10 * SAME
    allowed = [pytest.approx(plain, abs=SAME), pytest.approx(cracked, abs=SAME)]
    assert all(found in allowed for found in floor.scores())


async def test_frame_of_which_nobody_said_what_is_on_it_has_the_recipe_of_the_general_product(
    floor: Floor,
) -> None:
    general = Recipe(product="object", defects=("with a crack",))
    floor.recipe(CRACKED)
    floor.recipe(general)
    floor.add(1, png(1), product=None)

    async with floor.inspector():
        await eventually(lambda: bool(floor.scores()))

    assert floor.scores() == [pytest.approx(score(floor, general), abs=SAME)]


async def test_last_known_recipe_counts_while_the_database_is_away(
    postgres_floor: Floor, postgres_database_url: str
) -> None:
    floor = postgres_floor
    floor.recipe(CRACKED)
    floor.add(1, png(1), product="metal nut")

    async with floor.inspector():
        await eventually(lambda: len(floor.scores()) == 1)
        floor.replicas.recipes = []
        with unreachable(postgres_database_url):
            floor.add(2, png(1), product="metal nut")
            await eventually(lambda: bool(floor.replicas.recipes))
            assert in_flight(floor.client, CAMERA).sequence_numbers
        await eventually(lambda: len(floor.scores()) == 2)

    assert floor.replicas.recipes == [CRACKED]
    assert floor.scores() == [pytest.approx(score(floor, CRACKED), abs=SAME)] * 2

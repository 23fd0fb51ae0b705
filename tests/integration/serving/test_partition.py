"""The inspector behind a wire that is cut: nothing is refused, nothing arrives, nothing is lost."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from inspection.store import tables
from inspection.store.database import Database
from inspection.stream.backlog import in_flight
from tests.chaos.proxy import Wire
from tests.integration.serving.conftest import CAMERA, Floor, eventually

pytestmark = pytest.mark.timeout(120)

#: Longer than any wait here: what is found again is found without it.
NEVER_MS = 3_600_000


def inspected(floor: Floor) -> int:
    with floor.database.read() as connection:
        return connection.scalar(select(func.count()).select_from(tables.inspections)) or 0


def through(url: str, wire: Wire, **options: str) -> str:
    """Return an address that leads to the same server by way of the wire."""
    found = make_url(url).set(port=wire.port).update_query_dict(options)
    return found.render_as_string(hide_password=False)


async def settled(floor: Floor, count: int) -> None:
    await eventually(lambda: not in_flight(floor.client, CAMERA).sequence_numbers)
    assert inspected(floor) == count


@pytest.mark.parametrize("is_old_revived", [True, False])
async def test_frames_outlast_a_cut_between_inspector_and_database(
    postgres_floor: Floor, postgres_database_url: str, *, is_old_revived: bool
) -> None:
    floor = postgres_floor
    wire = Wire(make_url(postgres_database_url).port or 0)
    with wire.forwarding():
        url = through(postgres_database_url, wire, answer_timeout_s="1", connect_timeout="2")
        behind = replace(floor, database=Database.open(url))
        floor.add(1)
        async with behind.inspector():
            await eventually(lambda: inspected(floor) == 1)

            wire.cut()
            for number in range(2, 30):
                floor.add(number)
            await asyncio.sleep(1.5)
            assert inspected(floor) == 1
            wire.mend(is_old_revived=is_old_revived)

            await settled(floor, 29)
        behind.database.close()


@pytest.mark.parametrize("is_old_revived", [True, False])
async def test_frames_outlast_a_cut_between_inspector_and_streams(
    floor: Floor, *, is_old_revived: bool
) -> None:
    wire = Wire(make_url(floor.redis_url).port or 0)
    with wire.forwarding():
        behind = replace(floor, redis_url=through(floor.redis_url, wire))
        floor.add(1)
        async with behind.inspector(reclaim_idle_ms=NEVER_MS):
            await eventually(lambda: inspected(floor) == 1)

            wire.cut()
            for number in range(2, 30):
                floor.add(number)
            await asyncio.sleep(1.0)
            assert inspected(floor) == 1
            wire.mend(is_old_revived=is_old_revived)

            await settled(floor, 29)

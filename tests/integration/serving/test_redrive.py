"""Dead letters are inspected again when somebody asks, once, whatever is killed meanwhile."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, true, update

from inspection.accounting import CameraAccount, accounts, audit
from inspection.domain.dead_letter import DeadLetter, DeadLetterState
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Account
from inspection.serving import inspector, redrive
from inspection.serving.recorder import Recorder
from inspection.serving.redrive import Redrive
from inspection.serving.scorer import Scorer
from inspection.store import accounts as store_accounts
from inspection.store import alert_tables, dead_letters, redriving, retention, tables
from inspection.store.dead_letters import DeadLetterQuery
from inspection.store.ledger_tables import dead_letters as letter_table
from inspection.stream.codec import dead_letter_index_key, dead_letters_key
from inspection.stream.dead_letters import DeadLetters
from tests.integration.serving.conftest import CAMERA, Floor, Replicas, eventually, floor_on, png

LETTERS = dead_letters_key(CAMERA)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let inspectors look around often; how often changes nothing else."""
    for name in ("REDRIVE_S", "SWEEP_S", "RECLAIM_S", "FLOOR_S"):
        monkeypatch.setattr(inspector, name, 0.05)
    monkeypatch.setattr(inspector, "BLOCK_MS", 50)
    monkeypatch.setattr(redrive, "ON_ITS_WAY_S", 0.1)


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(params=["sqlite_url", "postgres_database_url"])
def either_floor(
    request: pytest.FixtureRequest, redis_url: str, tmp_path: Path, scorer: Scorer
) -> Iterator[Floor]:
    """A floor on either database."""
    url = request.getfixturevalue(request.param)
    with floor_on(url, redis_url, tmp_path / "pictures", scorer) as floor:
        yield floor


def letters(floor: Floor) -> list[DeadLetter]:
    with floor.database.read() as connection:
        return dead_letters.list_letters(connection, DeadLetterQuery())


def states(floor: Floor) -> set[str]:
    return {letter.state.value for letter in letters(floor)}


def ask(floor: Floor) -> None:
    ids = [letter.letter_id for letter in letters(floor)]
    with floor.database.write() as connection:
        assert dead_letters.request(connection, ids, at=datetime.now(UTC), by="anna") == sorted(ids)


def account(floor: Floor, tmp_path: Path) -> Account:
    """Return the camera's account, after counting every row as well."""
    (part,) = accounts(floor.database, floor.client, tmp_path)
    assert_audited(floor, part)
    return part.account


def assert_audited(floor: Floor, part: CameraAccount) -> None:
    found = audit(floor.database, part)
    assert part.account.is_balanced
    assert (found.missing, found.doubled, found.differences) == ([], [], [])


def inspection_count(floor: Floor) -> int:
    with floor.database.read() as connection:
        return connection.scalar(select(func.count()).select_from(tables.inspections)) or 0


async def refuse(floor: Floor, *numbers: int) -> None:
    """Let frames become dead letters that could be inspected now."""
    floor.replicas.refused = {png(number) for number in numbers}
    for number in numbers:
        floor.add(number, product="washer")
    async with floor.inspector():
        await eventually(lambda: floor.client.xlen(LETTERS) == len(numbers))
    floor.replicas.refused = set()


def is_swept(floor: Floor) -> bool:
    return not floor.client.xlen(LETTERS) and not any(each.is_kept for each in letters(floor))


async def test_redriven_frame_moves_from_uninspected_to_inspected_and_its_bytes_go(
    either_floor: Floor, tmp_path: Path
) -> None:
    floor = either_floor
    await refuse(floor, 1, 2)
    (ledger_id,) = {each.ledger_id for each in letters(floor) if each.identity.sequence_number == 1}
    before = account(floor, tmp_path)
    floor.threshold(-1.0)

    ask(floor)
    async with floor.inspector():
        await eventually(lambda: is_swept(floor))

    assert before.uninspected == {"reference": 2}
    after = account(floor, tmp_path)
    assert (after.accepted, after.inspected, after.uninspected) == (2, 2, {})
    rows = floor.rows()
    assert rows[0].inspection_id == ledger_id
    assert {row.verdict for row in rows} == {Verdict.NG}
    assert all(row.picture is not None and row.product == "washer" for row in rows)
    assert states(floor) == {"redriven"}
    assert {(each.settled_by, each.attempt_count) for each in letters(floor)} == {("anna", 1)}
    assert floor.client.hgetall(dead_letter_index_key(CAMERA)) == {b"size_bytes": b"0"}
    with floor.database.read() as connection:
        kinds = connection.scalars(select(alert_tables.alert_outbox.c.kind)).all()
    assert kinds == ["ng", "ng"]


async def test_frame_refused_again_waits_with_the_new_reason_and_one_attempt_more(
    floor: Floor, tmp_path: Path
) -> None:
    floor.add(1, b"no picture at all")
    async with floor.inspector():
        await eventually(lambda: floor.client.xlen(LETTERS) == 1)
        floor.replicas.refused = {b"no picture at all"}
        ask(floor)
        await eventually(lambda: letters(floor)[0].attempt_count == 1)

    (letter,) = letters(floor)
    assert (letter.state, letter.reason, letter.is_kept) == ("waiting", "reference", True)
    assert letter.detail == "its reference is not there yet"
    assert account(floor, tmp_path).uninspected == {"reference": 1}
    assert floor.client.xlen(LETTERS) == 1


async def test_outage_of_the_replicas_leaves_letters_requested_until_they_are_back(
    floor: Floor, tmp_path: Path
) -> None:
    await refuse(floor, 1, 2, 3)
    floor.replicas.is_out = True
    floor.replicas.calls.clear()

    ask(floor)
    async with floor.inspector():
        await eventually(lambda: len(floor.replicas.calls) > 3)
        assert states(floor) == {"requested"}
        floor.replicas.is_out = False
        await eventually(lambda: is_swept(floor))

    assert account(floor, tmp_path).inspected == 3


async def test_frame_that_ends_the_replica_is_given_up_and_harms_no_other(
    floor: Floor, tmp_path: Path
) -> None:
    await refuse(floor, 1, 2, 3)
    floor.replicas.deadly = {png(2)}

    ask(floor)
    async with floor.inspector():
        await eventually(lambda: "requested" not in states(floor))
        floor.add(4)
        await eventually(lambda: len(floor.rows()) == 3)

    became = {each.identity.sequence_number: each for each in letters(floor)}
    assert [became[number].state.value for number in (1, 2, 3)] == [
        "redriven",
        "waiting",
        "redriven",
    ]
    assert became[2].reason == "deliveries"
    assert account(floor, tmp_path).uninspected == {"deliveries": 1}


async def test_poison_that_was_cured_is_inspected_when_it_is_asked_for_again(floor: Floor) -> None:
    """Attempts of an earlier request do not count."""
    await refuse(floor, 1)
    floor.replicas.deadly = {png(1)}
    ask(floor)
    async with floor.inspector():
        await eventually(lambda: states(floor) == {"waiting"})
        floor.replicas.deadly = set()
        ask(floor)
        await eventually(lambda: states(floor) == {"redriven"})

    assert len(floor.rows()) == 1


def killing(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, is_before: bool = False
) -> None:
    """End the process before or after a step, whenever it comes to it."""
    step: Callable[..., Any] = getattr(owner, name)

    def kill(*args: Any, **options: Any) -> Any:
        if not is_before:
            step(*args, **options)
        raise Killed

    async def kill_async(*args: Any, **options: Any) -> Any:
        if not is_before:
            await step(*args, **options)
        raise Killed

    monkeypatch.setattr(owner, name, kill_async if asyncio.iscoroutinefunction(step) else kill)


@pytest.mark.parametrize(
    ("owner", "name", "is_before"),
    [
        pytest.param(redriving, "claim", False, id="claimed-not-committed"),
        pytest.param(Redrive, "_claim", False, id="claimed"),
        pytest.param(DeadLetters, "read", False, id="read"),
        pytest.param(Replicas, "score", True, id="before-scoring"),
        pytest.param(Replicas, "score", False, id="scored"),
        pytest.param(Recorder, "redrive", True, id="before-recording"),
        pytest.param(redriving, "settle", False, id="settled-not-committed"),
        pytest.param(Recorder, "redrive", False, id="committed"),
        pytest.param(DeadLetters, "remove", True, id="before-removing"),
        pytest.param(DeadLetters, "remove", False, id="removed"),
        pytest.param(redriving, "sweep", False, id="swept-not-committed"),
        pytest.param(Redrive, "_swept", False, id="swept"),
    ],
)
async def test_inspector_killed_between_two_steps_of_a_redrive_loses_and_doubles_nothing(
    floor: Floor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    is_before: bool,
) -> None:
    await refuse(floor, 1, 2)
    ask(floor)
    with monkeypatch.context() as patch:
        killing(patch, owner, name, is_before=is_before)
        with pytest.raises(BaseExceptionGroup) as ended:
            async with floor.inspector() as stop:
                await eventually(stop.is_set)
    assert ended.value.subgroup(Killed) is not None

    # Another one waits until the lease is over; under the same name it need not.
    async with floor.inspector():
        await eventually(lambda: is_swept(floor))

    assert states(floor) == {"redriven"}
    assert inspection_count(floor) == 2
    assert account(floor, tmp_path).inspected == 2


async def test_letters_of_a_killed_inspector_are_taken_over_when_its_lease_is_over(
    either_floor: Floor,
) -> None:
    floor = either_floor
    await refuse(floor, 1)
    ask(floor)
    now = datetime.now(UTC)
    with floor.database.write() as connection:
        (claim,) = redriving.claim(connection, by="killed", at=now, limit=9)

    def claimed(at: datetime) -> list[int]:
        with floor.database.write() as connection:
            found = redriving.claim(connection, by="other", at=at, limit=9)
        return [each.letter_id for each in found]

    assert claimed(now + timedelta(seconds=redriving.LEASE_S)) == []
    assert claimed(now + timedelta(seconds=redriving.LEASE_S + 1)) == [claim.letter_id]


async def test_two_inspectors_with_one_letter_record_it_once(floor: Floor, tmp_path: Path) -> None:
    await refuse(floor, 1, 2, 3)
    ask(floor)
    with floor.database.write() as connection:
        # As if the first had not renewed its leases in time.
        connection.execute(update(letter_table).values(claimed_by="inspector-2"))

    async with floor.inspector("inspector-1"), floor.inspector("inspector-2"):
        await eventually(lambda: is_swept(floor))

    assert inspection_count(floor) == 3
    assert account(floor, tmp_path).inspected == 3


async def test_discarded_letter_loses_its_bytes_and_stays_uninspected(
    floor: Floor, tmp_path: Path
) -> None:
    await refuse(floor, 1)
    (letter,) = letters(floor)
    with floor.database.write() as connection:
        dead_letters.discard(
            connection, [letter.letter_id], at=datetime.now(UTC), by="anna", note="a test"
        )

    async with floor.inspector():
        await eventually(lambda: is_swept(floor))

    (letter,) = letters(floor)
    assert (letter.state, letter.note) == (DeadLetterState.DISCARDED, "a test")
    assert account(floor, tmp_path).uninspected == {"reference": 1}


async def test_letter_whose_bytes_are_gone_waits_again_and_says_so(floor: Floor) -> None:
    await refuse(floor, 1)
    floor.client.delete(LETTERS, dead_letter_index_key(CAMERA))

    ask(floor)
    async with floor.inspector():
        await eventually(lambda: states(floor) == {"waiting"})

    assert not letters(floor)[0].is_kept


async def test_letter_of_a_row_that_retention_removed_goes_with_its_bytes(
    either_floor: Floor, tmp_path: Path
) -> None:
    floor = either_floor
    await refuse(floor, 1, 2)
    ask(floor)
    with floor.database.write() as connection:
        store_accounts.note_removed(connection)
        retention.delete_rows(connection, true())

    async with floor.inspector():
        await eventually(lambda: not letters(floor))

    assert floor.client.xlen(LETTERS) == 0
    assert inspection_count(floor) == 0
    assert account(floor, tmp_path).uninspected == {"reference": 2}


async def test_frame_dead_lettered_but_not_yet_acknowledged_is_waited_for(floor: Floor) -> None:
    """Its row is there, its bytes are still in the stream of frames."""
    floor.replicas.refused = {png(1)}
    frame = floor.add(1)
    async with floor.inspector():
        await eventually(lambda: floor.client.xlen(LETTERS) == 1)
    floor.client.delete(LETTERS, dead_letter_index_key(CAMERA), f"inspection:{{{CAMERA}}}:frames")
    floor.producer.add(frame)
    floor.client.xgroup_create(f"inspection:{{{CAMERA}}}:frames", "inspectors", id="0")
    floor.client.xreadgroup("inspectors", "killed", {f"inspection:{{{CAMERA}}}:frames": ">"})

    ask(floor)
    floor.replicas.refused = set()
    async with floor.inspector():
        await eventually(lambda: states(floor) == {"redriven"})

    assert inspection_count(floor) == 1


async def test_camera_whose_numbers_begin_again_loses_no_frame_unseen(
    either_floor: Floor, tmp_path: Path
) -> None:
    floor = either_floor
    floor.add(1)
    async with floor.inspector():
        await eventually(lambda: len(floor.rows()) == 1)
        floor.client.delete(f"inspection:{{{CAMERA}}}:frames")
        floor.add(1, png(7))
        await eventually(lambda: floor.client.xlen(LETTERS) == 1)

        (letter,) = letters(floor)
        assert letter.reason == "repeated_number"
        assert account(floor, tmp_path).uninspected == {"repeated_number": 1}
        ask(floor)
        await eventually(lambda: is_swept(floor))

    after = account(floor, tmp_path)
    assert (after.accepted, after.inspected) == (2, 2)

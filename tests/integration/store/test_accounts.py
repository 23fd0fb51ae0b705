"""The counters say what counting would say, whatever is recorded, removed or moved."""

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, and_

from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Cause, Entry, Outcome, Reason
from inspection.store import (
    accounts,
    dead_letters,
    gaps,
    ledger,
    lines,
    redriving,
    retention,
    tables,
)
from inspection.store.cameras import camera_id
from inspection.store.database import Database
from inspection.store.dead_letters import DeadLetterQuery
from tests import factories
from tests.factories import NOON
from tests.integration.store.recount import assert_scores_agree

CAMERA = "cam-1"
_numbers = itertools.count(1)


def at(number: int) -> dict[str, Any]:
    """Frame `number` of the camera, exposed `number` seconds into the shift."""
    return {"sequence_number": number, "captured_at": NOON + timedelta(seconds=number)}


def record(database: Database, *entries: Entry) -> ledger.RecordedCounts:
    with database.write() as connection:
        return ledger.record(connection, entries, at=NOON)


def remove(database: Database, *numbers: int, camera: str = CAMERA) -> None:
    """Remove rows as retention does."""
    row = tables.ledger.c
    with database.write() as connection:
        key = camera_id(connection, camera)
        is_chosen = and_(row.camera_id == key, row.sequence_number.in_(numbers))
        accounts.note_removed(connection, is_chosen)
        retention.delete_rows(connection, is_chosen)


def known(database: Database, *numbers: int) -> set[int]:
    with database.read() as connection:
        return ledger.known(connection, CAMERA, numbers)


def missing(database: Database, *, up_to: int, camera: str = CAMERA) -> list[int]:
    with database.read() as connection:
        key = camera_id(connection, camera)
        removed_up_to = accounts.counters(connection, key).removal.up_to
        found = gaps.noted(connection, key)
        found += gaps.between(connection, key, after=removed_up_to, up_to=up_to)
    return [number for gap in found for number in gap]


def assert_agreed(connection: Connection, camera: str) -> accounts.Counters:
    """Compare every counter with what there is."""
    key = camera_id(connection, camera)
    counters, rows = accounts.counters(connection, key), accounts.recounted(connection, key)
    counted = {kind: count for kind, count in counters.recorded.items() if count}
    there = {kind: rows[kind] + counters.removed.get(kind, 0) for kind in {*rows, *counted}}
    assert counted == there
    return counters


def test_counters_tell_kinds_of_rows_apart(site_database: Database) -> None:
    record(
        site_database,
        factories.inspected(**at(1)),
        factories.inspected(**at(2), score=0.9, verdict=Verdict.NG),
        factories.uninspected(**at(3), reason=Reason.CORRUPT),
        factories.dropped(**at(4), cause=Cause.UNAVAILABLE),
    )

    with site_database.read() as connection:
        counters = assert_agreed(connection, CAMERA)
    assert dict(counters.recorded) == {
        (Outcome.INSPECTED, "OK", False): 1,
        (Outcome.INSPECTED, "NG", False): 1,
        (Outcome.UNINSPECTED, "corrupt", False): 1,
        (Outcome.DROPPED, "unavailable", False): 1,
    }
    assert counters.last_sequence_number == 4


def test_removed_rows_go_on_counting_and_stay_known(site_database: Database) -> None:
    record(site_database, *[factories.inspected(**at(number)) for number in range(1, 6)])

    remove(site_database, 1, 2, 3)

    with site_database.read() as connection:
        account = ledger.account_rows(connection, CAMERA, up_to=5)
        counters = assert_agreed(connection, CAMERA)
        assert accounts.row_counts(connection) == (5, 3)
    assert (account.accepted, account.inspected, account.missing_count) == (5, 5, 0)
    assert (counters.removal.up_to, counters.removed_count) == (3, 3)
    assert known(site_database, 1, 2, 3, 4, 9) == {1, 2, 3, 4}


def test_removed_frame_that_is_delivered_again_is_there_already(site_database: Database) -> None:
    frame = factories.inspected(**at(1))
    record(site_database, frame, factories.inspected(**at(2)))
    remove(site_database, 1, 2)

    assert record(site_database, frame).repeated_count == 1


def test_new_exposure_with_the_number_of_a_removed_row_is_seen(site_database: Database) -> None:
    record(site_database, *[factories.inspected(**at(number)) for number in (1, 2)])
    remove(site_database, 1, 2)

    recorded = record(site_database, factories.inspected(sequence_number=1, captured_at=LATER))

    assert recorded.uninspected_count == 1


LATER = NOON + timedelta(days=1)


def test_missing_number_stays_missing_when_the_rows_around_it_are_removed(
    site_database: Database,
) -> None:
    record(site_database, *[factories.inspected(**at(number)) for number in (1, 2, 5, 6)])
    before = missing(site_database, up_to=6)

    remove(site_database, 1, 2, 5)

    assert before == missing(site_database, up_to=6) == [3, 4]
    assert known(site_database, *range(1, 7)) == {1, 2, 5, 6}


def test_frame_that_comes_after_its_neighbours_were_removed_closes_the_gap(
    site_database: Database,
) -> None:
    record(site_database, *[factories.inspected(**at(number)) for number in (1, 5)])
    remove(site_database, 1, 5)

    recorded = record(site_database, factories.inspected(**at(3)))

    assert recorded.inspected_count == 1
    assert missing(site_database, up_to=5) == [2, 4]
    with site_database.read() as connection:
        assert ledger.account_rows(connection, CAMERA, up_to=5).missing_count == 2


def test_gap_of_very_many_numbers_is_one_range(site_database: Database) -> None:
    record(site_database, factories.inspected(**at(1)), factories.inspected(sequence_number=2**40))

    with site_database.read() as connection:
        found = gaps.between(connection, camera_id(connection, CAMERA), after=0, up_to=2**40 + 5)

    assert found == [range(2, 2**40), range(2**40 + 1, 2**40 + 6)]


ENTRIES: dict[str, Callable[..., Entry]] = {
    "ok": factories.inspected,
    "ng": lambda **who: factories.inspected(**who, score=0.9, verdict=Verdict.NG),
    "corrupt": lambda **who: factories.uninspected(**who, size_bytes=7),
    "trimmed": lambda **who: factories.uninspected(**who, reason=Reason.TRIMMED),
    "dropped": factories.dropped,
}
NUMBER = st.integers(1, 12)
STEPS = st.one_of(
    st.tuples(st.just("record"), NUMBER, st.sampled_from(sorted(ENTRIES)), st.integers(0, 1)),
    st.tuples(st.just("remove"), NUMBER),
    st.tuples(st.just("redrive"), st.booleans()),
)


@settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(steps=st.lists(STEPS, max_size=14))
def test_counters_agree_with_the_rows_after_anything(
    site_database: Database, steps: list[tuple[Any, ...]]
) -> None:
    camera = f"random-{next(_numbers)}"
    site = factories.site(cameras=(factories.camera(name=camera),))
    with site_database.write() as connection:
        lines.create_missing(connection, site, at=NOON, by="test")

    ever: set[int] = set()
    for step in steps:
        match step:
            case "record", number, kind, shift_h:
                moment = NOON + timedelta(seconds=number, hours=shift_h)
                make = ENTRIES[kind]
                record(
                    site_database, make(camera=camera, sequence_number=number, captured_at=moment)
                )
                ever.add(number)
            case "remove", number:
                remove(site_database, *range(1, number + 1), camera=camera)
            case "redrive", is_judged:
                redrive(site_database, camera, is_judged=is_judged)

    last = max(ever, default=0)
    with site_database.read() as connection:
        counters = assert_agreed(connection, camera)
        assert_scores_agree(connection)
        account = ledger.account_rows(connection, camera, up_to=last)
        assert ledger.known(connection, camera, range(1, 13)) == ever
        assert ledger.doubled_numbers(connection, camera) == []
    assert counters.last_sequence_number == last
    assert missing(site_database, up_to=last, camera=camera) == sorted(
        set(range(1, last + 1)) - ever
    )
    assert account.missing_count == last - len(ever)


def redrive(database: Database, camera: str, *, is_judged: bool) -> None:
    """Ask for every dead letter of the camera and let it be judged or refused."""
    with database.write() as connection:
        letters = dead_letters.list_letters(connection, DeadLetterQuery(camera=camera))
        ids = [letter.letter_id for letter in letters]
        asked = dead_letters.request(connection, ids, at=NOON, by="test")
        claims = redriving.claim(connection, by="test", at=NOON, limit=100)
        make = factories.inspected if is_judged else factories.uninspected
        entries = {claim.letter_id: make(identity=claim.identity) for claim in claims}
        settled = redriving.settle(connection, entries, at=NOON)
    assert settled == set(asked)


def test_settled_letter_is_not_settled_again(site_database: Database) -> None:
    record(site_database, factories.uninspected(**at(1), size_bytes=7))
    redrive(site_database, CAMERA, is_judged=True)

    with site_database.write() as connection:
        (letter,) = dead_letters.list_letters(connection, DeadLetterQuery())
        entry = factories.inspected(identity=letter.identity)
        assert redriving.settle(connection, {letter.letter_id: entry}, at=NOON) == set()
        assert_agreed(connection, CAMERA)


@pytest.mark.parametrize("state", ["discarded", "waiting"])
def test_letter_nobody_asks_for_any_more_is_not_settled(
    site_database: Database, state: str
) -> None:
    record(site_database, factories.uninspected(**at(1), size_bytes=7))
    with site_database.write() as connection:
        (letter,) = dead_letters.list_letters(connection, DeadLetterQuery())
        if state == "discarded":
            dead_letters.request(connection, [letter.letter_id], at=NOON, by="test")
            dead_letters.discard(connection, [letter.letter_id], at=NOON, by="test", note="no")

        entry = factories.inspected(identity=letter.identity)
        assert redriving.settle(connection, {letter.letter_id: entry}, at=NOON) == set()
        assert accounts.counters(connection, 1).verdicts == {}

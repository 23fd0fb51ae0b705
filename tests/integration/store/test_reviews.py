"""What people decide about inspections: kept whole, counted once, measured by version."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from inspection.domain.evidence import Amount, KeepClass
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Entry
from inspection.domain.line import Threshold
from inspection.domain.review import Decision, NewReview
from inspection.errors import ConfigurationError, NotFoundError
from inspection.store import (
    evidence,
    ledger,
    measured_rates,
    opinions,
    retention,
    reviews,
    score_counts,
    tables,
    thresholds,
)
from inspection.store.audit import list_changes
from inspection.store.database import Database
from inspection.store.measured_rates import Asked
from inspection.store.reviews import ReviewQuery
from tests import factories
from tests.factories import NOON

HOUR = timedelta(hours=1)
DAY = Asked(line="line-1", from_at=NOON - 24 * HOUR, to_at=NOON + 24 * HOUR)


def record(database: Database, *entries: Entry) -> list[int]:
    """Record frames and return their ids, in the order of their numbers."""
    with database.write() as connection:
        ledger.record(connection, entries, at=NOON)
        return list(connection.scalars(select(tables.ledger.c.id).order_by(tables.ledger.c.id)))


def frame(number: int, score: float, *, at: datetime = NOON, **changes: Any) -> Entry:
    """Make the row of a frame judged by threshold 0.5 (id 1)."""
    verdict = Verdict.NG if score > 0.5 else Verdict.OK
    rest = {"sequence_number": number, "captured_at": at + timedelta(seconds=number)} | changes
    return factories.inspected(score=score, verdict=verdict, **rest)


def decide(database: Database, ids: list[int], decision: Decision, **changes: Any) -> None:
    new = NewReview(**{"decision": decision, "at": NOON, "by": "anna"} | changes)
    with database.write() as connection:
        reviews.add_reviews(connection, ids, new)


def decision_of(database: Database, inspection_id: int) -> str | None:
    row = tables.inspections.c
    with database.read() as connection:
        return connection.scalar(select(row.review).where(row.ledger_id == inspection_id))


def test_newest_review_of_an_inspection_counts_and_all_are_kept(site_database: Database) -> None:
    (ng,) = record(site_database, frame(1, 0.9))

    decide(site_database, [ng], Decision.OK, note="only dust")
    decide(site_database, [ng], Decision.NG, by="bert")

    assert decision_of(site_database, ng) == "NG"
    with site_database.read() as connection:
        found = reviews.list_reviews(connection, ReviewQuery(inspection_id=ng))
    assert [(one.reviewed_by, one.decision, one.is_override, one.note) for one in found] == [
        ("bert", Decision.NG, False, ""),
        ("anna", Decision.OK, True, "only dust"),
    ]
    assert (found[0].score, found[0].verdict, found[0].threshold_version) == (0.9, Verdict.NG, 1)


def test_review_is_written_into_the_audit(site_database: Database) -> None:
    (ng,) = record(site_database, frame(1, 0.9))

    decide(site_database, [ng], Decision.OK)
    decide(site_database, [ng], Decision.UNSURE, by="bert")

    with site_database.read() as connection:
        newest, first = list_changes(connection, thing="inspection", name=str(ng))
    assert (first.who, first.before, first.after) == ("anna", None, {"review": "OK", "note": ""})
    assert (newest.who, newest.before) == ("bert", {"review": "OK"})


def test_evidence_of_reviewed_inspections_goes_last_and_is_counted_there(
    site_database: Database,
) -> None:
    ids = record(
        site_database,
        frame(1, 0.9, picture=factories.picture()),
        frame(2, 0.1),
        frame(1, 0.2, camera="cam-2"),
    )
    with site_database.read() as connection:
        before = sum(evidence.kept(connection).values(), Amount())

    decide(site_database, ids[:2], Decision.OK)
    decide(site_database, ids[:2], Decision.NG)

    with site_database.read() as connection:
        kept = evidence.kept(connection)
    assert kept[KeepClass.REVIEWED].picture_bytes == 1234
    assert kept[KeepClass.REVIEWED].map_count == 2
    assert kept[KeepClass.NG] == Amount()
    assert kept[KeepClass.OK].map_count == 1
    assert sum(kept.values(), Amount()) == before


def test_review_of_what_is_no_inspection_writes_nothing(site_database: Database) -> None:
    uninspected = factories.uninspected(sequence_number=2, captured_at=NOON + HOUR)
    ng, dead = record(site_database, frame(1, 0.9), uninspected)

    with pytest.raises(NotFoundError, match=f"no inspection {dead}.*deadletter"):
        decide(site_database, [ng, dead], Decision.OK)

    assert decision_of(site_database, ng) is None
    with site_database.read() as connection:
        assert reviews.list_reviews(connection, ReviewQuery()) == []


def test_reviews_of_too_many_at_once_are_refused(site_database: Database) -> None:
    with pytest.raises(ConfigurationError, match="1 to 500"):
        decide(site_database, list(range(1, 502)), Decision.OK)


def test_reviews_stay_when_the_row_has_gone(site_database: Database) -> None:
    (ng,) = record(site_database, frame(1, 0.9))
    decide(site_database, [ng], Decision.OK)

    with site_database.write() as connection:
        retention.delete_rows(connection, tables.ledger.c.id == ng)

    with site_database.read() as connection:
        (left,) = reviews.list_reviews(connection, ReviewQuery(line="line-1"))
    assert (left.inspection_id, left.score) == (ng, 0.9)


def test_reviews_are_found_by_what_they_say(site_database: Database) -> None:
    ng, ok = record(site_database, frame(1, 0.9), frame(1, 0.1, camera="cam-2"))
    decide(site_database, [ng], Decision.OK)
    decide(site_database, [ok], Decision.OK, by="bert", at=NOON + HOUR)

    def found(**query: Any) -> list[int]:
        with site_database.read() as connection:
            rows = reviews.list_reviews(connection, ReviewQuery(**query))
        return [row.inspection_id for row in rows]

    assert found() == [ok, ng]
    assert found(limit=1) == [ok]
    assert found(camera="cam-1") == [ng]
    assert found(reviewed_by="bert") == [ok]
    assert found(is_override=True) == [ng]
    assert found(is_override=False) == [ok]
    assert found(from_at=NOON + HOUR) == [ok]
    assert found(to_at=NOON + HOUR) == [ng]
    assert found(decision=Decision.NG) == []
    assert found(line="line-2") == []


def test_scores_are_counted_exactly_at_broken_hours_and_whole_days(site_database: Database) -> None:
    begin = NOON - 120 * HOUR
    times = [begin + timedelta(minutes=17 * n) for n in range(350)]
    scores = [(n % 100) / 100 for n in range(350)]
    record(
        site_database,
        *(frame(n + 1, scores[n], captured_at=times[n]) for n in range(350)),
    )

    for first, last in ((0, 350), (3, 7), (10, 200), (90, 331)):
        with site_database.read() as connection:
            found = score_counts.sources(connection, 1)
            counts = score_counts.score_counts(
                connection, 1, found, from_at=times[first], to_at=times[last - 1]
            )
        expected = scores[first : last - 1]
        assert counts.total() == len(expected)
        above = sum(count for (_, verdict, _), count in counts.items() if verdict == "NG")
        assert above == sum(score > 0.5 for score in expected)


@pytest.fixture
def second(site_database: Database) -> Threshold:
    """Version 2 of line-1's threshold."""
    with site_database.write() as connection:
        return thresholds.set_threshold(
            connection, factories.scope(), 0.5, at=NOON, by="test", reason="again"
        )


def test_rates_are_measured_by_version_and_unsure_counts_for_nothing(
    site_database: Database, second: Threshold
) -> None:
    later = {
        "inspection": factories.inspection(
            sequence_number=9,
            captured_at=NOON + timedelta(seconds=9),
            score=0.8,
            verdict=Verdict.NG,
            threshold=second,
        )
    }
    ids = record(
        site_database,
        *(frame(n, 0.6 + n / 100) for n in range(1, 5)),
        *(frame(n, 0.1) for n in range(5, 9)),
        frame(9, 0.8, **later),
    )
    decide(site_database, ids[:3], Decision.NG)
    decide(site_database, ids[1:2], Decision.OK)
    decide(site_database, ids[3:4], Decision.UNSURE)

    with site_database.read() as connection:
        found = measured_rates.line_rates(connection, DAY)

    newest, first = found.versions
    assert (newest.threshold.version, first.threshold.version) == (2, 1)
    rejects = first.rates.false_rejects
    assert (rejects.total_count, rejects.decided_count, rejects.wrong_count) == (4, 3, 1)
    assert rejects.unsure_count == 1
    assert rejects.interval is not None
    assert rejects.interval.low < 1 / 3 < rejects.interval.high < 0.6
    assert newest.rates.false_rejects.sentence == "unknown (0 of 1 NG inspections reviewed)"
    assert found.rates.escapes.sentence == "unknown (0 of 4 OK inspections reviewed)"
    assert found.rates.false_rejects.interval is None


def test_next_case_is_the_unreviewed_one_nearest_to_the_threshold(site_database: Database) -> None:
    ids = record(site_database, *(frame(n, s) for n, s in enumerate((0.1, 0.45, 0.53, 0.9), 1)))

    def nearest() -> int:
        with site_database.read() as connection:
            return measured_rates.nearest_case(connection, DAY).inspection_id

    assert nearest() == ids[2]
    decide(site_database, [ids[2]], Decision.UNSURE)
    assert nearest() == ids[1]
    decide(site_database, ids, Decision.OK)
    with pytest.raises(NotFoundError, match="left to review"):
        nearest()


def test_case_by_chance_is_of_the_band_that_people_know_least_of(site_database: Database) -> None:
    ids = record(site_database, *(frame(n, 0.4 if n <= 40 else 0.1) for n in range(1, 101)))
    decide(site_database, ids[:39], Decision.OK)

    with site_database.read() as connection:
        found = [
            measured_rates.random_case(connection, DAY, Verdict.OK, draw=draw).inspection_id
            for draw in (0.0, 0.5004, 0.999)
        ]

    assert set(found) <= set(ids[40:])
    assert len(set(found)) > 1


def test_evidence_of_a_proposal_is_each_persons_newest_word(site_database: Database) -> None:
    ng, ok = record(site_database, frame(1, 0.6), frame(2, 0.4))
    decide(site_database, [ng, ok], Decision.NG)
    decide(site_database, [ng], Decision.OK)
    decide(site_database, [ng], Decision.UNSURE, by="bert")

    with site_database.read() as connection:
        found, version = opinions.evidence_of(connection, factories.scope(), DAY)

    assert (version, found.threshold) == (1, 0.5)
    assert found.ng.population == {600: 1}
    assert {(o.inspection_id, o.reviewer): o.decision for o in found.opinions} == {
        (ng, "anna"): Decision.OK,
        (ok, "anna"): Decision.NG,
        (ng, "bert"): Decision.UNSURE,
    }


def test_decision_on_the_inspection_is_that_of_the_newest_review_whoever_races(
    site_database: Database,
) -> None:
    ids = record(site_database, frame(1, 0.9), frame(2, 0.8))

    def review(number: int) -> None:
        decision = list(Decision)[number % 3]
        decide(site_database, ids, decision, by=f"reviewer {number}")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(review, range(12)))

    for inspection_id in ids:
        with site_database.read() as connection:
            found = reviews.list_reviews(connection, ReviewQuery(inspection_id=inspection_id))
        assert len(found) == 12
        assert decision_of(site_database, inspection_id) == found[0].decision

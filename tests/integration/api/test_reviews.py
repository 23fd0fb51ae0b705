"""Reviews by HTTP: decisions with a name, measured rates, and proposals that set nothing."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from inspection.domain.access import Role
from inspection.domain.inspection import Verdict
from inspection.domain.review import Decision, NewReview
from inspection.store import ledger, reviews, tables, thresholds
from inspection.store.database import Database
from tests import factories
from tests.conftest import Clock
from tests.factories import NOON
from tests.integration.api.conftest import Client

Recorded = Callable[..., list[int]]


@pytest.fixture
def recorded(site_database: Database, clock: Clock) -> Recorded:
    """`recorded(0.9, 0.1)`: record frames of these scores; their ids."""

    def made(*scores: float) -> list[int]:
        entries = [
            factories.inspected(
                sequence_number=number,
                captured_at=clock() - timedelta(seconds=len(scores) - number + 1),
                score=score,
                verdict=Verdict.NG if score > 0.5 else Verdict.OK,
            )
            for number, score in enumerate(scores, start=1)
        ]
        with site_database.write() as connection:
            ledger.record(connection, entries, at=clock())
            return list(connection.scalars(select(tables.ledger.c.id).order_by(tables.ledger.c.id)))

    return made


def test_review_is_kept_with_the_name_of_whoever_asks(client: Client, recorded: Recorded) -> None:
    (ng,) = recorded(0.9)
    operator = client(Role.OPERATOR)

    answer = operator.post(
        f"/api/v1/inspections/{ng}/reviews", json={"decision": "OK", "note": "only dust"}
    )
    listed = operator.get(f"/api/v1/inspections/{ng}/reviews").json()

    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/inspections/{ng}/reviews"
    assert listed == {"items": [answer.json()], "next_cursor": None}
    review = answer.json()
    assert "operator" in review["reviewed_by"]
    assert (review["decision"], review["verdict"], review["is_override"]) == ("OK", "NG", True)
    assert (review["note"], review["threshold_version"]) == ("only dust", 1)


def test_review_sent_again_with_its_key_is_written_once(client: Client, recorded: Recorded) -> None:
    (ng,) = recorded(0.9)
    operator = client(Role.OPERATOR)

    for _ in range(2):
        answer = operator.post(
            f"/api/v1/inspections/{ng}/reviews",
            json={"decision": "OK"},
            headers={"Idempotency-Key": "once"},
        )
        assert answer.status_code == 201

    assert len(operator.get("/api/v1/reviews").json()["items"]) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"decision": "maybe"}, 422),
        ({"decision": "OK", "note": "x" * 501}, 422),
        ({"decision": "OK", "note": "a\0b"}, 422),
        ({"decision": "OK", "extra": 1}, 422),
    ],
)
def test_review_that_says_nothing_known_is_refused(
    client: Client, recorded: Recorded, body: dict[str, object], status: int
) -> None:
    (ng,) = recorded(0.9)

    answer = client(Role.OPERATOR).post(f"/api/v1/inspections/{ng}/reviews", json=body)

    assert answer.status_code == status


def test_review_of_an_inspection_that_is_not_there_is_not_found(client: Client) -> None:
    operator = client(Role.OPERATOR)

    assert (
        operator.post("/api/v1/inspections/7/reviews", json={"decision": "OK"}).status_code == 404
    )
    assert operator.get("/api/v1/inspections/7/reviews").status_code == 404


def test_several_are_decided_at_once_or_none(client: Client, recorded: Recorded) -> None:
    ids = recorded(0.9, 0.8)
    operator = client(Role.OPERATOR)

    def send(inspection_ids: list[int]) -> int:
        body = {"decision": "NG", "inspection_ids": inspection_ids}
        return operator.post("/api/v1/reviews", json=body).status_code

    assert send([*ids, 999]) == 404
    assert operator.get("/api/v1/reviews").json()["items"] == []
    assert send(ids) == 201
    assert send([]) == 422
    assert send(list(range(1, 502))) == 422


def test_pages_of_reviews_follow_each_other(client: Client, recorded: Recorded) -> None:
    ids = recorded(0.9, 0.8, 0.1)
    operator = client(Role.OPERATOR)
    operator.post("/api/v1/reviews", json={"decision": "OK", "inspection_ids": ids})

    first = operator.get("/api/v1/reviews", params={"limit": 2}).json()
    second = operator.get("/api/v1/reviews", params={"cursor": first["next_cursor"]}).json()
    overrides = operator.get("/api/v1/reviews", params={"is_override": True}).json()

    assert [one["inspection_id"] for one in first["items"]] == ids[:0:-1]
    assert [one["inspection_id"] for one in second["items"]] == ids[:1]
    assert second["next_cursor"] is None
    assert [one["score"] for one in overrides["items"]] == [0.8, 0.9]
    assert operator.get("/api/v1/reviews", params={"cursor": "x"}).status_code == 400


def test_rates_say_what_they_do_not_know(client: Client, recorded: Recorded) -> None:
    ids = recorded(0.9, 0.8, 0.1)
    operator = client(Role.OPERATOR)
    operator.post(f"/api/v1/inspections/{ids[0]}/reviews", json={"decision": "OK"})
    operator.post(f"/api/v1/inspections/{ids[1]}/reviews", json={"decision": "NG"})

    found = operator.get("/api/v1/lines/line-1/measured-rates").json()

    assert found["false_rejects"]["interval"] == {"share": 0.5, "low": 0.5, "high": 0.5}
    assert found["escapes"]["interval"] is None
    assert found["escapes"]["sentence"] == "unknown (0 of 1 OK inspections reviewed)"
    assert [one["version"] for one in found["versions"]] == [1]
    assert operator.get("/api/v1/lines/line-9/measured-rates").status_code == 404


def test_next_to_review_is_the_hardest_or_one_by_chance(client: Client, recorded: Recorded) -> None:
    ids = recorded(0.9, 0.45, 0.1)
    viewer = client(Role.VIEWER)

    nearest = viewer.get("/api/v1/lines/line-1/next-review").json()
    ng = viewer.get(
        "/api/v1/lines/line-1/next-review", params={"order": "random", "verdict": "NG"}
    ).json()
    none = viewer.get("/api/v1/lines/line-2/next-review")

    assert nearest == {"inspection_id": ids[1]}
    assert ng == {"inspection_id": ids[0]}
    assert none.status_code == 404


def test_proposal_shows_its_evidence_and_sets_nothing(
    client: Client, recorded: Recorded, site_database: Database
) -> None:
    scores = [0.5001 + n / 10_000 for n in range(30)]
    ids = recorded(*scores, *[0.1] * 970)
    with site_database.write() as connection:
        for reviewer, part in (("anna", ids[:30:2]), ("bert", ids[1:30:2])):
            new = NewReview(decision=Decision.OK, at=NOON, by=reviewer)
            reviews.add_reviews(connection, [*part, *ids[30:42]], new)
    engineer = client(Role.ENGINEER)

    found = engineer.get("/api/v1/lines/line-1/threshold-proposal", params={"cost_ratio": 1}).json()

    assert found["threshold"] == 0.5
    assert 0.502 < found["value"] < 0.504
    assert found["reviewers"] == ["anna", "bert"]
    assert found["flipped_bad_count"] == 0
    assert found["flipped_reviewed_count"] == found["changed_at_most"]
    with site_database.read() as connection:
        (kept,) = thresholds.list_thresholds(connection, line="line-1")
    assert (kept.version, kept.value) == (1, 0.5)


def test_proposal_without_evidence_says_why(client: Client, recorded: Recorded) -> None:
    recorded(0.9)
    engineer = client(Role.ENGINEER)

    found = engineer.get("/api/v1/lines/line-1/threshold-proposal").json()

    assert found["value"] is None
    assert "at least two people" in found["reason"]
    assert engineer.get("/api/v1/lines/line-2/threshold-proposal").status_code == 404

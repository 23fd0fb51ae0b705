"""What people and programs do about alerts, rules, channels, references and dead letters."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from inspection.alerting import worker
from inspection.api.installation import Installation
from inspection.cli.trial import ChannelTrial
from inspection.domain.access import Role
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Reason
from inspection.domain.reference import ReferencePlace, ReferenceSource
from inspection.store import audit, ledger, references, thresholds
from inspection.store.database import Database
from inspection.store.references import BuiltReference
from tests import factories
from tests.conftest import Clock
from tests.factories import NOON
from tests.integration.api.conftest import Client
from tests.integration.api.streamed import CAMERA, FRAMES, add_gateway, streamed

API = "/api/v1"


@pytest.fixture
def installation(
    installation: Installation, redis_url: str, tmp_path: Path
) -> Iterator[Installation]:
    with streamed(installation, redis_url, tmp_path) as streaming:
        yield replace(streaming, trial=ChannelTrial(), checkpoint="pocket")


@pytest.fixture
def engineer(client: Client) -> TestClient:
    return client(Role.ENGINEER)


@pytest.fixture
def ng_parts(site_database: Database, clock: Clock) -> Callable[..., None]:
    """`ng_parts(1, 2)`: two NG parts of line-1 are recorded, and the alert worker looks."""

    def made(*numbers: int) -> None:
        with site_database.write() as connection:
            (threshold,) = thresholds.list_thresholds(connection, line="line-1")
            entries = [
                factories.inspected(
                    sequence_number=number,
                    inspection=factories.inspection(
                        sequence_number=number, score=0.83, verdict=Verdict.NG, threshold=threshold
                    ),
                )
                for number in numbers
            ]
            ledger.record(connection, entries, at=NOON)
        worker.once(site_database, clock())

    return made


def changes(database: Database, thing: str) -> list[tuple[str, str, str]]:
    with database.read() as connection:
        found = audit.list_changes(connection, thing=thing)
    return [(change.who, change.action, change.name) for change in reversed(found)]


def items(client: TestClient, path: str, **query: Any) -> list[dict[str, Any]]:
    """Return all items of a list, page by page, one item a page."""
    found, cursor = [], None
    while True:
        more = {} if cursor is None else {"cursor": cursor}
        answer = client.get(API + path, params={"limit": 1} | query | more)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return found


def test_alert_is_listed_shown_acknowledged_and_resolved(
    client: Client, site_database: Database, ng_parts: Callable[..., None]
) -> None:
    ng_parts(1, 2)
    operator = client(Role.OPERATOR)

    (listed,) = items(operator, "/alerts", line="line-1", kind="ng")
    shown = operator.get(f"{API}/alerts/1").json()
    acked = operator.post(f"{API}/alerts/1/acknowledge", json={"note": "changing the tool"}).json()
    resolved = operator.post(f"{API}/alerts/1/resolve", json={"note": "tool was changed"}).json()

    assert shown == listed | {"frames": ["cam-1/2", "cam-1/1"]}
    assert (shown["rule"], shown["frame_count"], shown["is_shelved"]) == ("ng", 2, False)
    assert (acked["acknowledged_by"], acked["acknowledged_note"]) == (
        "key operator",
        "changing the tool",
    )
    assert resolved["resolved_note"] == "tool was changed"
    assert items(operator, "/alerts") == []
    assert len(items(operator, "/alerts", state="all")) == 1
    assert changes(site_database, "alert") == [
        ("key operator", "acknowledged", "1"),
        ("key operator", "resolved", "1"),
    ]


def test_alerts_come_page_by_page_and_the_newest_first(
    engineer: TestClient, clock: Clock, ng_parts: Callable[..., None]
) -> None:
    for number in (1, 2, 3):
        ng_parts(number)
        engineer.post(f"{API}/alerts/{number}/dismiss", json={"note": "test part"})
        engineer.post(f"{API}/alerts/{number}/resolve", json={"note": "test part"})
        clock.advance(1)

    assert [alert["alert"] for alert in items(engineer, "/alerts", state="all")] == [3, 2, 1]


def test_alert_needs_a_reason_to_be_dismissed(
    engineer: TestClient, ng_parts: Callable[..., None]
) -> None:
    ng_parts(1)

    assert engineer.post(f"{API}/alerts/1/dismiss", json={"note": "  "}).status_code == 422
    assert engineer.post(f"{API}/alerts/9/dismiss", json={"note": "why"}).status_code == 404


def test_shelf_says_until_when_and_is_ended(
    engineer: TestClient, ng_parts: Callable[..., None]
) -> None:
    ng_parts(1)
    body = {"line": "line-1", "rule": "ng", "until_at": "2026-03-02T13:00:00Z", "reason": "known"}

    shelf = engineer.post(f"{API}/shelves", json=body)
    (alert,) = items(engineer, "/alerts")
    (listed,) = items(engineer, "/shelves", line="line-1")
    ended = engineer.delete(f"{API}/shelves/{listed['shelf']}")

    assert shelf.status_code == 201
    assert (alert["is_shelved"], alert["shelved_until"]) == (True, "2026-03-02T13:00:00Z")
    assert listed == shelf.json()
    assert ended.status_code == 204
    assert items(engineer, "/shelves") == []
    assert engineer.delete(f"{API}/shelves/{listed['shelf']}").status_code == 404


def test_line_is_paused_and_resumed(engineer: TestClient) -> None:
    pause = {"line": "line-1", "is_pause": True, "reason": "new tool"}

    shelf = engineer.post(f"{API}/shelves", json=pause).json()

    assert (shelf["is_pause"], shelf["until_at"]) == (True, None)
    assert engineer.delete(f"{API}/shelves/{shelf['shelf']}").status_code == 204


def test_silence_that_cannot_be_is_refused(engineer: TestClient) -> None:
    bodies: list[dict[str, Any]] = [
        {},
        {"alert": 1, "line": "line-1", "until_at": "2026-03-02T13:00:00Z"},
        {"rule": "ng", "until_at": "2026-03-02T13:00:00Z"},
        {"line": "line-1"},
        {"line": "line-1", "until_at": "2026-03-02T11:00:00Z"},
        {"line": "line-1", "rule": "ng", "is_pause": True},
    ]

    for body in bodies:
        answer = engineer.post(f"{API}/shelves", json={"reason": "why"} | body)
        assert answer.status_code == 422, body


def test_rule_is_added_changed_and_removed_by_who_has_seen_it(
    engineer: TestClient, site_database: Database
) -> None:
    path = f"{API}/lines/line-1/rules/hourly"
    body = {"kind": "rate", "expected_rate": 0.01, "reason": "two shifts"}

    added = engineer.put(path, json=body)
    unseen = engineer.put(path, json=body | {"window_s": 600})
    changed = engineer.put(
        path, json=body | {"window_s": 600}, headers={"If-Match": added.headers["ETag"]}
    )
    stale = engineer.delete(path, headers={"If-Match": added.headers["ETag"]})
    removed = engineer.delete(path, headers={"If-Match": changed.headers["ETag"]})

    assert [added.status_code, unseen.status_code, changed.status_code] == [201, 428, 200]
    assert (changed.json()["window_s"], changed.json()["expected_rate"]) == (600, 0.01)
    assert [stale.status_code, removed.status_code] == [412, 204]
    assert engineer.get(path).status_code == 404
    assert [action for _, action, _ in changes(site_database, "rule")] == [
        "created",
        "changed",
        "removed",
    ]


def test_rule_every_line_has_is_reset_and_not_removed(engineer: TestClient) -> None:
    path = f"{API}/lines/line-1/rules/ng"
    engineer.put(path, json={"kind": "ng", "k": 2, "n": 10}, headers={"If-Match": "*"})

    removed = engineer.delete(path, headers={"If-Match": "*"})
    reset = engineer.post(f"{path}/reset").json()

    assert removed.status_code == 409
    assert (reset["k"], reset["n"]) == (1, 1)
    assert engineer.post(f"{API}/lines/line-1/rules/none/reset").status_code == 404


def test_rule_that_has_opened_alerts_stays(
    engineer: TestClient, ng_parts: Callable[..., None]
) -> None:
    path = f"{API}/lines/line-1/rules/also-ng"
    engineer.put(path, json={"kind": "ng"})
    ng_parts(1)

    assert engineer.delete(path, headers={"If-Match": "*"}).status_code == 409


def test_rule_that_cannot_be_is_refused(engineer: TestClient) -> None:
    bodies: list[dict[str, Any]] = [
        {"kind": "ng", "k": 3, "n": 2},
        {"kind": "ng", "limit_s": 3},
        {"kind": "rate"},
        {"kind": "rate", "expected_rate": 2},
        {"kind": "trend", "n": 7, "blocks": 3},
        {"kind": "backlog", "limit_s": 1e300},
        {"kind": "unheard of"},
    ]

    for body in bodies:
        answer = engineer.put(f"{API}/lines/line-2/rules/mine", json=body)
        assert answer.status_code == 422, body


def test_rules_are_listed_with_their_settings(engineer: TestClient) -> None:
    found = {rule["rule"]: rule for rule in items(engineer, "/lines/line-1/rules")}

    assert set(found) == {"ng", "uninspected", "drift", "camera", "backlog"}
    assert (found["camera"]["on_delay_s"], found["backlog"]["limit_s"]) == (30, 30)
    assert engineer.get(f"{API}/lines/none/rules").status_code == 404


HOOK = {"name": "hook", "kind": "webhook", "url": "https://example.org/s3cret-path"}
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_channel_is_made_changed_and_removed_and_its_secrets_never_given_back(
    engineer: TestClient, site_database: Database
) -> None:
    path = f"{API}/channels/hook"

    made = engineer.post(f"{API}/channels", json=HOOK | {"secret": SIGNING, "lines": ["line-1"]})
    twice = engineer.post(f"{API}/channels", json=HOOK)
    changed = engineer.patch(
        path, json={"events": ["opened"]}, headers={"If-Match": made.headers["ETag"]}
    )
    stale = engineer.patch(path, json={}, headers={"If-Match": made.headers["ETag"]})
    listed = items(engineer, "/channels")
    removed = engineer.delete(path, headers={"If-Match": "*"})

    assert (made.status_code, twice.status_code, stale.status_code) == (201, 409, 412)
    assert made.json()["address"] == "https://example.org"
    assert (changed.json()["has_secret"], changed.json()["lines"]) == (True, ["line-1"])
    assert changed.json()["events"] == ["opened"]
    assert [channel["name"] for channel in listed] == ["hook", "log"]
    assert (listed[0]["waiting"], listed[0]["delivered_at"]) == (0, None)
    for answer in (made.text, changed.text, str(listed)):
        assert SIGNING not in answer
        assert "s3cret" not in answer
    assert removed.status_code == 204
    assert [action for _, action, _ in changes(site_database, "channel")][-3:] == [
        "created",
        "changed",
        "removed",
    ]


def test_broker_keeps_its_password_when_something_else_is_changed(engineer: TestClient) -> None:
    body = {"name": "floor", "kind": "mqtt", "host": "broker.example.org", "password": "pass"}
    engineer.post(f"{API}/channels", json=body)

    changed = engineer.patch(
        f"{API}/channels/floor", json={"port": 2883}, headers={"If-Match": "*"}
    ).json()

    assert changed["address"] == "mqtt://broker.example.org:2883/inspection"
    assert changed["has_secret"]


@pytest.mark.parametrize("elsewhere", [{"host": "evil.example.org"}, {"tls": False}])
def test_password_of_a_broker_is_sent_nowhere_else_than_it_was_given_for(
    engineer: TestClient, elsewhere: dict[str, Any]
) -> None:
    path, anyhow = f"{API}/channels/floor", {"If-Match": "*"}
    body = {"name": "floor", "kind": "mqtt", "host": "broker.example.org", "password": "pass"}
    engineer.post(f"{API}/channels", json=body | {"tls": True})

    refused = engineer.patch(path, json=elsewhere, headers=anyhow)
    given = engineer.patch(path, json=elsewhere | {"password": "other"}, headers=anyhow)

    assert (refused.status_code, given.status_code) == (422, 200)
    assert "password" in refused.json()["detail"]


def test_channel_that_cannot_work_is_refused(engineer: TestClient) -> None:
    bodies: list[tuple[dict[str, Any], int]] = [
        ({"name": "a", "kind": "webhook"}, 422),
        ({"name": "a", "kind": "log", "url": "https://example.org"}, 422),
        (HOOK | {"secret": "not signing"}, 422),
        (HOOK | {"lines": ["none"]}, 404),
        (HOOK | {"events": []}, 422),
        ({"name": "a", "kind": "mqtt", "host": "a b"}, 422),
        ({"name": "a/b", "kind": "log"}, 422),
        ({"name": "a", "kind": "fax"}, 422),
    ]

    for body, status in bodies:
        assert engineer.post(f"{API}/channels", json=body).status_code == status, body


def test_test_of_a_channel_says_what_came_back(engineer: TestClient) -> None:
    engineer.post(f"{API}/channels", json=HOOK | {"url": "http://127.0.0.1:1/hook"})

    taken = engineer.post(f"{API}/channels/log/test").json()
    refused = engineer.post(f"{API}/channels/hook/test").json()

    assert (taken["is_taken"], taken["detail"]) == (True, "")
    assert not refused["is_taken"]
    assert refused["detail"]


def test_deliveries_of_a_channel_are_listed_page_by_page(
    engineer: TestClient, ng_parts: Callable[..., None]
) -> None:
    engineer.post(f"{API}/channels", json=HOOK)
    ng_parts(1)

    every = items(engineer, "/deliveries")
    of_hook = items(engineer, "/deliveries", channel="hook", state="waiting")

    assert {row["channel"] for row in every} == {"hook", "log"}
    assert [(row["event"], row["alert_id"]) for row in of_hook] == [("opened", 1)]
    assert engineer.get(f"{API}/deliveries?channel=none").status_code == 404
    assert engineer.post(f"{API}/channels/hook/retry").json() == {"count": 0}


def test_reference_is_withdrawn_and_restored(engineer: TestClient, site_database: Database) -> None:
    place = {"line": "line-1", "station": "station-1", "product": "washer"}
    with site_database.write() as connection:
        for data in (b"first", b"second"):
            built = BuiltReference(
                place=ReferencePlace(**place),
                data=data,
                checkpoint_hash=factories.CHECKPOINT_HASH,
                images_count=16,
                source=ReferenceSource.FOLDER,
            )
            references.add_reference(connection, built, at=NOON, by="test", reason="test")

    restored = engineer.post(
        f"{API}/references/restore", json=place | {"version": 1, "reason": "second was dirty"}
    ).json()
    in_force = items(engineer, "/references", is_in_force=True)
    withdrawn = engineer.post(f"{API}/references/withdraw", json=place | {"reason": "new lamp"})
    again = engineer.post(f"{API}/references/withdraw", json=place | {"reason": "new lamp"})

    assert (restored["version"], restored["is_in_force"]) == (1, True)
    assert in_force == [restored]
    assert not withdrawn.json()["is_in_force"]
    assert again.status_code == 404
    assert [row["version"] for row in items(engineer, "/references", line="line-1")] == [1, 2]


def test_checkpoints_are_what_inspections_were_made_with_and_what_is_set(
    engineer: TestClient, ng_parts: Callable[..., None]
) -> None:
    ng_parts(1, 2)

    (used,) = items(engineer, "/checkpoints")
    configured = engineer.get(f"{API}/checkpoints/configured").json()

    assert (used["checkpoint_hash"], used["line"]) == (factories.CHECKPOINT_HASH, "line-1")
    assert (used["inspection_count"], used["first_on"]) == (2, "2026-03-02")
    assert configured["checkpoint"] == "pocket"
    assert len(configured["checkpoint_hash"]) == 64
    assert configured["card"]


@pytest.fixture
def letters(site_database: Database) -> None:
    """Three dead letters of two lines; of the third no bytes are left."""
    entries = [
        factories.uninspected(sequence_number=1, size_bytes=700),
        factories.uninspected(
            camera="cam-3", sequence_number=9, reason=Reason.REFERENCE, size_bytes=900
        ),
        factories.uninspected(sequence_number=2, reason=Reason.TRIMMED),
    ]
    with site_database.write() as connection:
        ledger.record(connection, entries, at=NOON + timedelta(minutes=1))


@pytest.mark.usefixtures("letters")
def test_dead_letters_are_listed_by_what_is_asked(engineer: TestClient) -> None:
    def frames(**query: str) -> list[str]:
        return [row["frame"] for row in items(engineer, "/dead-letters", **query)]

    assert frames() == ["cam-1/2", "cam-3/9", "cam-1/1"]
    assert frames(line="line-2") == ["cam-3/9"]
    assert frames(reason="trimmed", camera="cam-1") == ["cam-1/2"]
    assert frames(state="redriven") == []
    assert engineer.get(f"{API}/dead-letters?camera=none").status_code == 404
    assert engineer.get(f"{API}/dead-letters?cursor=nonsense").status_code == 400


@pytest.mark.usefixtures("letters")
def test_dead_letters_are_asked_for_again_or_discarded(engineer: TestClient) -> None:
    asked = engineer.post(f"{API}/dead-letters/redrive", json={"letters": [1, 3, 99]}).json()
    discarded = engineer.post(
        f"{API}/dead-letters/discard", json={"letters": [3], "note": "test picture"}
    ).json()

    assert asked == {"letters": [1], "left_out": [3, 99]}
    assert discarded == {"letters": [3], "left_out": []}
    shown = engineer.get(f"{API}/dead-letters/1").json()
    assert (shown["state"], shown["requested_by"]) == ("requested", "key engineer")
    assert engineer.get(f"{API}/dead-letters/99").status_code == 404


def test_accounts_add_up_per_camera_and_together(
    engineer: TestClient, site_database: Database
) -> None:
    add_gateway(site_database)
    picture = {"content": factories.jpeg(), "headers": {"Content-Type": "image/jpeg"}}
    engineer.post(FRAMES, **picture)
    with site_database.write() as connection:
        ledger.record(connection, [factories.inspected()], at=NOON)

    found = engineer.get(f"{API}/accounts").json()

    cameras = {account["camera"]: account for account in found["cameras"]}
    assert (cameras[CAMERA]["accepted"], cameras[CAMERA]["in_flight"]) == (1, 1)
    assert cameras["cam-1"]["verdicts"] == {"OK": 1}
    total = found["total"]
    assert (total["accepted"], total["inspections"], total["in_flight"]) == (2, 1, 1)
    assert (total["missing_count"], total["is_balanced"]) == (0, True)


def test_health_names_what_nobody_has_looked_at(engineer: TestClient) -> None:
    found = engineer.get(f"{API}/health").json()

    assert {camera["state"] for camera in found["cameras"]} == {"unknown"}
    assert (found["is_well"], found["processes"]) == (False, [])
    assert found["disk"]["free_bytes"] > 0


def test_condition_of_a_camera_is_what_it_says_of_itself(
    engineer: TestClient, site_database: Database
) -> None:
    add_gateway(site_database)
    path = f"{API}/cameras/{CAMERA}/condition"
    silent = engineer.get(path).json()
    picture = {"content": factories.jpeg(), "headers": {"Content-Type": "image/jpeg"}}
    engineer.post(FRAMES, **picture)

    said = engineer.get(path).json()

    assert silent["says"] is None
    assert (said["says"]["state"], said["says"]["host"]) == ("live", "api-1")
    assert (said["waiting"], said["oldest_at"]) == (1, "2026-03-02T12:00:00Z")
    assert engineer.get(f"{API}/cameras/none/condition").status_code == 404


def test_view_of_a_camera_is_accepted(engineer: TestClient, site_database: Database) -> None:
    assert engineer.post(f"{API}/cameras/cam-1/view/accept").status_code == 204
    assert ("key engineer", "set", "cam-1") in changes(site_database, "camera")


def test_accounts_say_that_the_stream_server_is_not_known(
    client: Client, installation: Installation
) -> None:
    object.__setattr__(installation, "streams", None)

    assert client(Role.VIEWER).get(f"{API}/accounts").status_code == 503

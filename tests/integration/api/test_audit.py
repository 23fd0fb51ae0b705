"""The audit as administrators read it over HTTP."""

from contextlib import closing

from inspection.domain.access import Role
from inspection.domain.chain import AuditKeys
from inspection.keeping.sealing import Sealer
from inspection.store.audit import Change, add_change
from inspection.store.audit_state import write_result
from inspection.store.database import Database
from tests.conftest import Clock
from tests.factories import NOON
from tests.integration.api.conftest import Client

KEYS = AuditKeys.of("first-key-" * 4)


def test_changes_are_listed_in_pages_and_by_who_made_them(
    client: Client, site_database: Database
) -> None:
    with site_database.write() as connection:
        for name in ("line-1", "line-2", "line-3"):
            change = Change(at=NOON, who="anna", action="changed", thing="line", name=name)
            add_change(connection, change)
    auditor = client(Role.ADMINISTRATOR)

    first = auditor.get("/api/v1/audit", params={"who": "anna", "limit": 2}).json()
    cursor = first["next_cursor"]
    rest = auditor.get("/api/v1/audit", params={"who": "anna", "cursor": cursor}).json()
    later = auditor.get("/api/v1/audit", params={"from_at": "2026-03-02T12:00:01Z", "who": "anna"})
    wrong = auditor.get("/api/v1/audit", params={"cursor": "nonsense"})

    assert [item["name"] for item in first["items"]] == ["line-3", "line-2"]
    assert [item["name"] for item in rest["items"]] == ["line-1"]
    assert rest["next_cursor"] is None
    assert first["items"][0]["at"] == "2026-03-02T12:00:00Z"
    assert later.json()["items"] == []
    assert wrong.status_code == 400


def test_head_and_last_verification_are_shown(
    client: Client, site_database: Database, sqlite_url: str, clock: Clock
) -> None:
    auditor = client(Role.ADMINISTRATOR)
    before = auditor.get("/api/v1/audit/head").json()
    anchors = site_database.file.parent / "anchors" if site_database.file else None
    assert anchors is not None
    with closing(Database.open(sqlite_url, audit_keys=KEYS)) as database:
        Sealer(database, KEYS, anchors, clock=clock).round()
        with database.write() as connection:
            write_result(connection, {"is_intact": True}, at=NOON, by="anna")

    head = auditor.get("/api/v1/audit/head").json()
    state = auditor.get("/api/v1/audit/verification").json()

    assert before is None
    assert head["key"] == KEYS.newest
    assert state["head"] == head
    assert state["unsealed_count"] == 0
    assert (state["verified_by"], state["result"]) == ("anna", {"is_intact": True})
    assert client(Role.ENGINEER).get("/api/v1/audit").status_code == 403

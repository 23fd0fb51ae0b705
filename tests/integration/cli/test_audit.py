"""`inspection audit`: what an auditor is shown, and what he finds out."""

import hashlib
import hmac
import json
import stat
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from inspection.domain.chain import AuditKeys
from inspection.keeping.sealing import Sealer
from inspection.store import ledger
from inspection.store.database import Database
from tests import factories
from tests.integration.cli.console import Console

pytestmark = pytest.mark.timeout(120)


def tamper(database: Database, statement: str) -> None:
    with database.write() as connection:
        connection.execute(text(statement))


def set_threshold(console: Console, value: float) -> None:
    ended = console.run("threshold", "set", "line-1", value, "--reason", "a test")
    assert (ended.code, len(ended.err.splitlines())) == (0, 1), ended.err


def test_change_is_listed_sealed_and_verified(
    site_console: Console, site_database: Database
) -> None:
    set_threshold(site_console, 0.6)
    set_threshold(site_console, 0.7)

    newest, older = site_console.data("audit", "list", "--thing", "threshold", "--limit", 2)
    next_page = site_console.data("audit", "list", "--before", older["id"])
    none = site_console.data("audit", "list", "--who", "nobody")
    head = site_console.data("audit", "head")
    verified = site_console.data("audit", "verify")

    assert (newest["action"], newest["after"]["value"], older["after"]["value"]) == (
        "set",
        0.7,
        0.6,
    )
    assert (newest["link"], newest["mac"]) == (head["number"], head["mac"])
    assert next_page[0]["id"] == older["id"] - 1
    assert none == []
    assert verified["is_intact"]
    assert verified["anchors"] == 2
    key = site_console.data_dir / "audit" / "key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600

    tamper(site_database, f"UPDATE audit SET who = 'eve' WHERE id = {older['id']}")  # noqa: S608
    found = site_console.run("audit", "verify", "--json")

    assert found.code == 1
    assert found.json["findings"][0]["table"] == "audit"
    assert found.json["findings"][0]["id"] == older["id"]
    assert found.sentence.startswith(f"tampered with: audit {older['id']} was edited")


def test_frame_that_was_made_ok_is_found(site_console: Console, site_database: Database) -> None:
    set_threshold(site_console, 0.6)
    entries = [factories.inspected(sequence_number=number) for number in (1, 2, 3)]
    with site_database.write() as connection:
        ledger.record(connection, entries, at=datetime.now(UTC))
    keys = AuditKeys.of((site_console.data_dir / "audit" / "key").read_text())
    with closing(Database.open(f"sqlite:///{site_database.file}", audit_keys=keys)) as database:
        anchors = site_console.data_dir / "audit" / "anchors.jsonl"
        sealer = Sealer(database, keys, anchors, clock=lambda: datetime.now(UTC))
        assert sealer.round() == 1

    assert site_console.data("audit", "verify")["rows"] == 3
    tamper(site_database, "UPDATE inspections SET score = 0.1 WHERE ledger_id = 2")
    ended = site_console.run("audit", "verify")

    assert ended.code == 1
    assert ended.sentence == "tampered with: inspections 2 was changed after it was recorded"


def test_anchor_that_was_kept_elsewhere_finds_a_cut_tail(
    site_console: Console, site_database: Database, tmp_path: Path
) -> None:
    set_threshold(site_console, 0.6)
    head = site_console.data("audit", "head")
    kept = tmp_path / "kept.jsonl"
    kept.write_text(json.dumps(head) + "\n")
    kept_nonsense = tmp_path / "nonsense"
    kept_nonsense.write_text("washers\n")
    number = head["number"]
    tamper(site_database, f"DELETE FROM audit WHERE id = {number - 1}")  # noqa: S608
    tamper(site_database, f"DELETE FROM audit_links WHERE number = {number}")  # noqa: S608
    (site_console.data_dir / "audit" / "anchors.jsonl").unlink()

    unnoticed = site_console.run("audit", "verify")
    # The verification itself is a change, and takes the place that came free.
    found = site_console.run("audit", "verify", "--anchor", kept)
    nonsense = site_console.run("audit", "verify", "--anchor", kept_nonsense)

    assert unnoticed.code == 0
    assert (found.code, nonsense.code) == (1, 2)
    assert f"audit_links {number} is not the one that was anchored" in found.sentence
    assert "line 1: this is no anchor" in nonsense.sentence


def test_exported_chain_is_verified_by_a_program_of_ones_own(site_console: Console) -> None:
    set_threshold(site_console, 0.6)
    secret = (site_console.data_dir / "audit" / "key").read_text().split()[0].encode()

    links = [json.loads(line) for line in site_console.run("audit", "export").out.splitlines()]

    former = "0" * 64
    for link in links:
        names = ("number", "kind", "sealed_at", "key")
        lines = ["inspection-audit-1", *(str(link[name]) for name in names)]
        message = "\n".join([*lines, former, link["statement"]]).encode()
        former = hmac.new(secret, message, hashlib.sha256).hexdigest()
        assert former == link["mac"]
    said = json.loads(links[-1]["statement"])
    assert (said["action"], said["thing"]) == ("exported", "audit")


def test_key_is_rotated_in_two_steps(site_console: Console) -> None:
    set_threshold(site_console, 0.6)
    before = site_console.data("audit", "head")["key"]

    first = site_console.run("audit", "rotate")
    set_threshold(site_console, 0.7)
    between = site_console.data("audit", "head")["key"]
    second = site_console.run("audit", "rotate")
    set_threshold(site_console, 0.8)

    assert (first.code, second.code) == (0, 0)
    assert "start all processes again" in first.sentence
    after = site_console.data("audit", "head")["key"]
    assert before == between != after
    assert second.sentence.endswith(f"with the key {after} from here on")
    assert site_console.data("audit", "verify")["is_intact"]


def test_change_without_key_is_found_until_somebody_adopts_it(
    site_console: Console, tmp_path: Path
) -> None:
    set_threshold(site_console, 0.6)
    weak = site_console.having(AUDIT_KEY="too short")
    file = tmp_path / "other"
    file.write_text("another-key" * 4)

    refused = weak.run("audit", "list")
    other = site_console.having(AUDIT_KEY_FILE=file)
    unsealed = other.run("threshold", "set", "line-1", 0.9, "--reason", "a test")
    found = site_console.run("audit", "verify")
    doctor = {row["check"]: row for row in other.run("doctor", "--json").json}
    adopted = site_console.run("audit", "adopt", "--reason", "a machine had another key")

    assert refused.code == 2
    assert "INSPECTION_AUDIT_KEY: a key of the audit has at least 32" in refused.sentence
    assert "audit_key_differs" in unsealed.err
    assert found.code == 1
    assert "was never sealed" in found.sentence
    assert not doctor["audit"]["is_ok"]
    assert "INSPECTION_AUDIT_KEY_FILE" in doctor["audit"]["finding"]
    assert adopted.sentence == "1 changes were adopted"
    assert site_console.data("audit", "verify")["is_intact"]

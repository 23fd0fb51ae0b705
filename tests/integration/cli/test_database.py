"""`inspection db`: the schema, and whether every frame is accounted for."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from sqlalchemy import select, true, update

from inspection.domain.ledger import Reason
from inspection.domain.line import OverflowPolicy
from inspection.store import accounts, ledger, retention, tables
from inspection.store.database import Database
from inspection.stream.connection import connect
from inspection.stream.producer import Producer
from tests import factories
from tests.factories import NOON
from tests.integration.cli.console import Console, together

pytestmark = pytest.mark.timeout(120)

#: Nobody listens on this port.
CLOSED = "127.0.0.1:1"


@pytest.fixture
def streams(redis_url: str) -> Iterator[redis.Redis]:
    with connect(redis_url) as client:
        client.flushdb()
        yield client


@pytest.fixture
def streams_console(site_console: Console, streams: redis.Redis, redis_url: str) -> Console:
    del streams  # has emptied the server
    return site_console.having(REDIS_URL=redis_url)


def put_in_flight(client: redis.Redis, camera: str, number: int) -> None:
    producer = Producer(
        client, camera=camera, overflow=OverflowPolicy.DROP_NEWEST, backlog_limit=10
    )
    captured_at = NOON + timedelta(seconds=number)
    producer.add(factories.frame(camera=camera, sequence_number=number, captured_at=captured_at))


def test_database_is_upgraded_from_nothing_and_then_passes_its_check(console: Console) -> None:
    before = console.run("db", "check")

    upgraded = console.run("db", "upgrade")

    after = console.run("db", "check")
    assert before.code == 2
    assert "has no tables" in before.sentence
    assert "run `inspection db upgrade`" in before.sentence
    assert (upgraded.code, upgraded.out) == (0, "")
    assert after.code == 0
    assert upgraded.sentence in after.sentence


def test_verify_counts_every_frame_once_by_reason_and_cause(
    streams_console: Console, site_database: Database, streams: redis.Redis
) -> None:
    with site_database.write() as connection:
        entries = [
            factories.inspected(),
            factories.uninspected(sequence_number=2, reason=Reason.CORRUPT),
            factories.uninspected(sequence_number=3, reason=Reason.TRIMMED),
            factories.dropped(sequence_number=4),
            factories.inspected(camera="cam-2"),
        ]
        ledger.record(connection, entries, at=NOON)
    put_in_flight(streams, "cam-1", 5)

    account = streams_console.data("db", "verify")

    cameras = {row.pop("camera"): row for row in account.pop("cameras")}
    whole = {
        "accepted": 6,
        "inspections": 2,
        "uninspected": 2,
        "dropped": 1,
        "in_flight": 1,
        "reasons": {"corrupt": 1, "trimmed": 1},
        "causes": {"drop_oldest": 1},
    }
    assert account == {**whole, "missing_count": 0, "is_balanced": True}
    assert cameras["cam-1"] == {
        **whole,
        "accepted": 5,
        "inspections": 1,
        "removed": 0,
        "missing_count": 0,
        "missing": [],
        "doubled": [],
        "differences": [],
    }
    assert cameras["cam-2"]["accepted"] == cameras["cam-2"]["inspections"] == 1
    assert cameras["cam-3"]["accepted"] == 0


def test_verify_names_frames_that_are_missing_or_there_twice(
    streams_console: Console, site_database: Database, streams: redis.Redis
) -> None:
    with site_database.write() as connection:
        later = NOON + timedelta(seconds=1)
        entries = [
            factories.inspected(sequence_number=1),
            factories.inspected(sequence_number=3),
            factories.inspected(camera="cam-2"),
            factories.inspected(camera="cam-2", sequence_number=2, captured_at=later),
        ]
        ledger.record(connection, entries, at=NOON)
        cameras = select(tables.cameras.c.id).where(tables.cameras.c.name == "cam-2")
        statement = update(tables.ledger).where(tables.ledger.c.camera_id.in_(cameras))
        connection.execute(statement.values(sequence_number=1))
    put_in_flight(streams, "cam-1", 5)

    as_json, table = together(
        [(streams_console, ["db", "verify", "--json"]), (streams_console, ["db", "verify"])]
    )

    assert (as_json.code, table.code) == (1, 1)
    assert as_json.json["is_balanced"] is False
    found = {row["camera"]: (row["missing"], row["doubled"]) for row in as_json.json["cameras"]}
    assert found == {"cam-1": ([2, 4], []), "cam-2": ([2], [1]), "cam-3": ([], [])}
    assert as_json.sentence == table.sentence == "3 frames are missing, 1 are there twice"


def test_verify_counts_every_row_and_names_counters_that_say_otherwise(
    streams_console: Console, site_database: Database
) -> None:
    with site_database.write() as connection:
        entries = [factories.inspected(), factories.uninspected(sequence_number=2)]
        ledger.record(connection, entries, at=NOON)
        # As if somebody had changed rows by hand: the sum of the counters is as it was.
        connection.execute(
            update(tables.ledger)
            .where(tables.ledger.c.sequence_number == 2)
            .values(reason="truncated")
        )

    ended = streams_console.run("db", "verify", "--json")

    assert ended.code == 1
    assert ended.sentence == "0 frames are missing, 0 are there twice, 2 counters are wrong"
    (camera, *_) = ended.json["cameras"]
    assert camera["differences"] == [
        {"outcome": "uninspected", "reason": "corrupt", "counted": 1, "found": 0},
        {"outcome": "uninspected", "reason": "truncated", "counted": 0, "found": 1},
    ]


def test_verify_knows_rows_that_retention_has_removed_and_still_sees_what_was_lost(
    streams_console: Console, site_database: Database
) -> None:
    with site_database.write() as connection:
        entries = [factories.inspected(sequence_number=number) for number in (1, 3)]
        ledger.record(connection, entries, at=NOON)
        accounts.note_removed(connection)
        retention.delete_rows(connection, true())

    ended = streams_console.run("db", "verify", "--json")

    assert ended.code == 1
    (camera, *_) = ended.json["cameras"]
    assert (camera["accepted"], camera["inspections"], camera["removed"]) == (3, 2, 2)
    assert (camera["missing_count"], camera["missing"]) == (1, [2])


def test_server_that_does_not_answer_ends_a_command_with_its_setting_and_no_password(
    site_console: Console,
) -> None:
    no_database = site_console.having(DATABASE_URL=f"postgresql://u:s3cret@{CLOSED}/x")
    no_redis = site_console.having(REDIS_URL=f"redis://:s3cret@{CLOSED}/0")

    ended = together(
        [
            (no_database, ["db", "check"]),
            (no_database, ["db", "upgrade"]),
            (no_database, ["history"]),
            (no_redis, ["db", "verify"]),
        ]
    )

    for one, variable in zip(ended, ["DATABASE", "DATABASE", "DATABASE", "REDIS"], strict=True):
        assert (one.code, one.out) == (2, "")
        assert one.sentence.startswith(f"INSPECTION_{variable}_URL: ")
        assert one.sentence.endswith("start the server, or correct the address")
        assert CLOSED.partition(":")[0] in one.sentence
        assert "s3cret" not in one.sentence


def test_address_or_file_that_is_no_database_is_refused(
    site_console: Console, sqlite_url: str
) -> None:
    damaged = site_console.data_dir / "damaged.sqlite"
    damaged.write_bytes(b"this is no database, however long one looks at it" * 100)

    ended = together(
        [
            (site_console.having(DATABASE_URL="mysql://host/x"), ["db", "check"]),
            (site_console.having(DATABASE_URL=f"sqlite:///{damaged}"), ["db", "upgrade"]),
            (site_console.having(REDIS_URL="http://host"), ["db", "verify"]),
            (site_console.having(DATABASE_URL=sqlite_url, REDIS_URL=""), ["db", "verify"]),
        ]
    )

    assert [(one.code, one.out) for one in ended] == [(2, "")] * 4
    assert "take sqlite:///path/to/file or postgresql://" in ended[0].sentence
    assert "no SQLite database" in ended[1].sentence
    assert "take redis://host:6379/0" in ended[2].sentence
    assert ended[3].sentence.startswith("INSPECTION_REDIS_URL is empty")

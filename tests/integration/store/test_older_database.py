"""Databases of the version before histories could be asked: their rows are all there afterwards."""

import contextlib
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, func, select, text

from inspection.domain.chain import AuditKeys
from inspection.domain.inspection import Verdict
from inspection.domain.what_if import Limit, Question
from inspection.keeping.sealing import Sealer
from inspection.store import accounts, ledger, lines, partitions, what_ifs
from inspection.store import database as database_module
from inspection.store.database import Database, migrations_folder
from inspection.store.engine import set_foreign_keys
from inspection.store.schema import metadata
from inspection.store.verification import Verifier
from tests import factories
from tests.conftest import Clock
from tests.factories import NOON
from tests.integration.store.recount import assert_scores_agree

KEYS = AuditKeys.of("first-key-" * 4)
#: The version whose rows these are.
OLDER = "0011"
#: What is compared before and after: all columns that version had.
KEPT = (
    *("ledger", "inspections", "maps", "dead_letters", "alerts", "alert_frames", "alert_outbox"),
    *("thresholds", "calibrations", "ledger_counts", "camera_accounts", "audit"),
)
#: Each a score, and the version of the threshold that judged it, or none.
SCORES = ((0.0, 1), (0.4, 1), (0.5, 1), (0.501, 1), (1.0, 2), (1.5, 2), (-0.25, 2), (0.3, None))
VALUES = {1: 0.5, 2: 0.4}
#: As clocks say them: the last of an hour, the first of a day, and batteries that were empty.
TIMES = (
    *(NOON - timedelta(milliseconds=1), NOON, NOON.replace(hour=0), NOON - timedelta(days=70)),
    *(datetime(1969, 12, 31, 23, 30, tzinfo=UTC), datetime(2105, 2, 7, 6, 28, tzinfo=UTC)),
)
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def older(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Database, Rows]]:
    """A database of that version, and its rows by table."""
    scripts = shutil.copytree(migrations_folder(), tmp_path / "migrations")
    for path in (scripts / "versions").glob("*.py"):
        if path.name[:4] > OLDER:
            path.unlink()
    if not database_url.startswith("postgresql"):
        database_url = f"sqlite:///{tmp_path}/new/inspection.sqlite"
    with closing(Database.open(database_url, audit_keys=KEYS)) as database:
        if not database.is_sqlite:
            with database.write() as connection:
                connection.execute(text("DROP SCHEMA public CASCADE"))
                connection.execute(text("CREATE SCHEMA public"))
        with monkeypatch.context() as patch:
            patch.setattr(database_module, "migrations_folder", lambda: scripts)
            database.migrate()
        with closing(Database.open(database_url)) as keyless, keyless.write() as connection:
            lines.create_missing(connection, factories.site(), at=NOON, by="test")
            _fill(connection)
        yield database, _rows(database)


def test_rows_of_an_older_database_can_be_asked_counted_and_verified(
    older: tuple[Database, Rows], tmp_path: Path, clock: Clock
) -> None:
    database, rows = older

    database.migrate()

    _assert_sound(database)
    assert {name: len(found) for name, found in _rows(database).items()} == {
        name: len(found) for name, found in rows.items()
    }
    with database.read() as connection:
        moves = what_ifs.ask(connection, _question(0.45)).tally.moves
    expected = Counter(
        (Verdict(row["verdict"]), Verdict.NG if row["score"] > 0.45 else Verdict.OK)
        for row in rows["inspections"]
        if row["captured_at"].year >= 2000
    )
    assert moves == expected
    sealer = Sealer(database, KEYS, tmp_path / "anchors", clock=clock)
    sealer.round()
    found = Verifier(database, KEYS, []).run()
    assert found.findings == []
    assert (found.row_count, found.open_count) == (len(rows["ledger"]) + 2, 0)
    assert found.change_count == len(rows["audit"])


def test_database_can_go_back_to_the_older_version_and_forward_again(
    older: tuple[Database, Rows],
) -> None:
    database, rows = older
    database.migrate()

    _downgrade(database)

    assert _rows(database) == rows
    database.migrate()
    _assert_sound(database)
    number = len(rows["ledger"]) + 1
    with database.write() as connection:
        added = ledger.record(connection, [factories.inspected(sequence_number=number)], at=NOON)
        newest = connection.scalar(select(func.max(metadata.tables["ledger"].c.id)))
    assert (added.inspected_count, newest) == (1, number)


def _fill(connection: Connection) -> None:
    tables = _reflected(connection)
    _insert_thresholds(connection, tables)
    number, kinds = 0, Counter[tuple[str, str]]()
    for captured_at in TIMES:
        for score, version in SCORES:
            number += 1
            verdict = _verdict(score, version)
            kinds["inspected", verdict] += 1
            _insert_frame(connection, tables, number, captured_at, outcome="inspected")
            _insert_inspection(connection, tables, number, captured_at, (score, version, verdict))
        number += 1
        kinds["uninspected", "corrupt"] += 1
        _insert_frame(
            connection, tables, number, captured_at, outcome="uninspected", reason="corrupt"
        )
        letter = {"ledger_id": number, "camera_id": 1, "sequence_number": number}
        letter |= {"captured_at": captured_at, "reason": "corrupt", "detail": "", "size_bytes": 7}
        letter |= {"is_kept": True, "dead_lettered_at": NOON, "state": "waiting"}
        connection.execute(tables["dead_letters"].insert(), letter)
        number += 1
        kinds["dropped", "drop_oldest"] += 1
        _insert_frame(
            connection, tables, number, captured_at, outcome="dropped", reason="drop_oldest"
        )
    for (outcome, reason), count in kinds.items():
        counts = {"camera_id": 1, "outcome": outcome, "reason": reason, "is_repeated": False}
        counts |= {"recorded_count": count, "removed_count": 0}
        connection.execute(tables["ledger_counts"].insert(), counts)
    account = {"camera_id": 1, "last_sequence_number": number, "removed_up_to": 0}
    connection.execute(tables["camera_accounts"].insert(), account)
    if connection.dialect.name != "sqlite":
        connection.execute(text(f"SELECT setval('ledger_id_seq', {number})"))


def _insert_thresholds(connection: Connection, tables: Any) -> None:
    for version, value in VALUES.items():
        values = {"scope": "1///", "line_id": 1, "version": version, "value": value}
        values |= {"set_at": NOON, "set_by": "ann", "reason": ""}
        connection.execute(tables["thresholds"].insert(), values)
        change = {"at": NOON, "who": "ann", "action": "set", "thing": "threshold"}
        change |= {"name": "line=line-1", "after": {"version": version, "value": value}}
        connection.execute(tables["audit"].insert(), change)
    promise = {"threshold_id": 2, "false_reject_rate": 0.01, "confidence": 0.95, "good_count": 300}
    promise |= {"bound": 0.01, "watched": [], "state": {}, "position": 0, "made_at": NOON}
    connection.execute(tables["calibrations"].insert(), promise)
    rule_id = connection.scalar(text("SELECT id FROM rules WHERE kind = 'ng'"))
    alert = {"line_id": 1, "rule_id": rule_id, "kind": "ng", "subject": "", "summary": "bad"}
    alert |= {"opened_at": NOON, "last_at": NOON, "frame_count": 1, "opened_count": 1}
    alert |= {"acknowledged_note": "", "resolved_note": ""}
    alert |= {"frame_id": "cam-1/1", "told_count": 1, "repeat_count": 0, "is_dismissed": False}
    connection.execute(tables["alerts"].insert(), alert)


def _insert_frame(
    connection: Connection, tables: Any, number: int, captured_at: datetime, **columns: Any
) -> None:
    values = {"id": number, "camera_id": 1, "line_id": 1, "station_id": 1}
    values |= {"captured_at": captured_at, "sequence_number": number, "recorded_at": NOON}
    values |= {"part_serial": f"S-{number}", "lot": "L-1", "is_repeated": False}
    connection.execute(tables["ledger"].insert(), values | columns)


def _insert_inspection(
    connection: Connection,
    tables: Any,
    number: int,
    captured_at: datetime,
    judged: tuple[float, int | None, str],
) -> None:
    score, version, verdict = judged
    values = {"ledger_id": number, "captured_at": captured_at, "line_id": 1, "camera_id": 1}
    values |= {"product": ("washer", None, "a/b//")[number % 3], "score": score}
    values |= {"verdict": verdict, "threshold_id": version, "checkpoint_hash": "c0ffee"}
    values |= {"threshold_value": None if version is None else VALUES[version]}
    values |= {"reference_hash": "feed" if number % 2 else None}
    values |= {"waited_ms": 1.0, "inference_ms": 2.0, "latency_ms": 3.0}
    connection.execute(tables["inspections"].insert(), values)
    grid = {"ledger_id": number, "taps": 1, "rows": 1, "columns": 1, "data": b"\0\1"}
    connection.execute(tables["maps"].insert(), grid)
    if verdict == Verdict.NG:
        connection.execute(tables["alert_frames"].insert(), {"alert_id": 1, "ledger_id": number})
        word = {"ledger_id": number, "line_id": 1, "kind": "ng", "captured_at": captured_at}
        connection.execute(tables["alert_outbox"].insert(), word)


def _verdict(score: float, version: int | None) -> str:
    if version is None:
        return Verdict.PENDING.value
    return (Verdict.NG if score > VALUES[version] else Verdict.OK).value


def _question(value: float) -> Question:
    return Question(
        scope=factories.scope(),
        limit=Limit(value=value),
        from_at=datetime(2000, 1, 1, tzinfo=UTC),
        to_at=datetime(2150, 1, 1, tzinfo=UTC),
    )


def _reflected(connection: Connection) -> Any:
    found = MetaData()
    found.reflect(connection, only=KEPT)
    return found.tables


def _rows(database: Database) -> Rows:
    """Return all rows, each as the columns that its table has."""
    with database.read() as connection:
        tables = _reflected(connection)
        return {
            name: sorted(
                (dict(row) for row in connection.execute(select(tables[name])).mappings()), key=repr
            )
            for name in KEPT
        }


def _assert_sound(database: Database) -> None:
    """See that tables are the program's, and that what was counted agrees with the rows."""
    with database.read() as connection:
        options = {"include_name": partitions.is_described}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
        assert_scores_agree(connection)
        assert accounts.recounted(connection, 1) == accounts.counters(connection, 1).recorded


def _downgrade(database: Database) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(database._engine.connect())
        set_foreign_keys(connection, is_on=False)
        stack.callback(set_foreign_keys, connection, is_on=True)
        with connection.begin():
            config.attributes["connection"] = connection
            command.downgrade(config, OLDER)

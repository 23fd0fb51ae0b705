"""The database: transactions, migrations and what its failures mean."""

import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError

from inspection.domain.alert import AlertKind
from inspection.domain.rule import with_defaults
from inspection.errors import ConfigurationError, InspectionError, UnavailableError
from inspection.store import (
    accounts,
    alerts,
    calibrations,
    channel_tables,
    dead_letters,
    ledger,
    lines,
    partitions,
    recipes,
    shelves,
    tables,
    thresholds,
)
from inspection.store import database as database_module
from inspection.store.database import Database, migrations_folder
from inspection.store.dead_letters import DeadLetterQuery
from inspection.store.schema import metadata
from tests import factories
from tests.factories import NOON
from tests.servers import free_port

MIGRATE = (
    "import sys; from inspection.store.database import Database; "
    "Database.open(sys.argv[1]).migrate()"
)
CHANNEL = {"name": "log", "kind": "log"}
#: Beginning of a migration that follows the newest one.
NEXT = (
    "from alembic import op\n"
    "import sqlalchemy as sa\n"
    f"revision, down_revision = '9001', '{Database.head()}'\n"
    "branch_labels, depends_on = None, None\n"
)

#: A site and its alerts as the sixth version kept them.
OLDER_ROWS = (
    (
        "INSERT INTO lines (name, rule_k, rule_n, rule_group_s, pictures, sample_rate, is_paused,"
        " learn_count) VALUES ('a', 2, 10, 30, 'all', 0, false, 0),"
        " ('b', 1, 1, 60, 'all', 0, true, 0)"
    ),
    (
        "INSERT INTO alerts (line_id, kind, opened_at, last_at, touched_at, frame_count, frame_id,"
        " summary, resolved_at) SELECT id, 'ng', '2026-03-02 12:00:00+00:00',"
        " '2026-03-02 12:00:00+00:00', '2026-03-02 12:00:00+00:00', 4, 'cam-1/1', 'bad', NULL"
        " FROM lines WHERE name = 'a'"
    ),
    (
        "INSERT INTO alerts (line_id, kind, opened_at, last_at, touched_at, frame_count, frame_id,"
        " summary, resolved_at) SELECT id, 'drift', '2026-03-02 12:00:00+00:00',"
        " '2026-03-02 12:00:00+00:00', '2026-03-02 12:00:00+00:00', 1, 'cam-2/1', 'off',"
        " '2026-03-02 12:00:00+00:00' FROM lines WHERE name = 'b'"
    ),
)


def count(database: Database) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(channel_tables.channels)) or 0


def emptied(url: str, folder: Path) -> str:
    """Return the URL of a database of the same kind without tables."""
    if not url.startswith("postgresql"):
        return f"sqlite:///{folder}/new/inspection.sqlite"
    with closing(Database.open(url)) as database, database.write() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    return url


def test_migrated_tables_are_those_of_the_program(database: Database) -> None:
    with database.read() as connection:
        options = {"include_name": partitions.is_described}
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, metadata)

    assert differences == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.write() as connection:
        connection.execute(insert(channel_tables.channels), CHANNEL)

    database.migrate()

    assert count(database) == 1
    assert database.revision() == Database.head()


@pytest.mark.timeout(60)
def test_migrating_works_from_several_processes_at_once(
    tmp_path: Path, request: pytest.FixtureRequest, database_url: str
) -> None:
    url = emptied(database_url, tmp_path)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, url],
            stderr=subprocess.PIPE,
            cwd=request.config.rootpath,
        )
        for _ in range(3)
    ]
    complaints = [process.communicate()[1].decode() for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0], complaints
    with closing(Database.open(url)) as migrated:
        migrated.check()


def test_migrating_works_from_several_threads_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/inspection.sqlite"
    failures: list[Exception] = []

    def migrate() -> None:
        with closing(Database.open(url)) as database:
            try:
                database.migrate()
            except InspectionError as error:
                failures.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []


def test_migration_that_fails_leaves_the_tables_as_they_were(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = Database.head()
    folder = shutil.copytree(migrations_folder(), tmp_path / "migrations")
    broken = (
        "def upgrade():\n"
        "    op.create_table('extra', sa.Column('id', sa.Integer()))\n"
        "    op.add_column('lines', sa.Column('extra', sa.Integer()))\n"
        "    op.execute('DELETE FROM channels')\n"
        "    raise ZeroDivisionError\n"
    )
    (folder / "versions" / "9001_broken.py").write_text(NEXT + broken)
    monkeypatch.setattr(database_module, "migrations_folder", lambda: folder)
    with database.write() as connection:
        connection.execute(insert(channel_tables.channels), CHANNEL)

    with pytest.raises(ZeroDivisionError):
        database.migrate()

    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert database.revision() == head
    assert count(database) == 1


def test_migration_that_rebuilds_a_table_keeps_the_rows_that_refer_to_it(
    site_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(migrations_folder(), tmp_path / "migrations")
    (folder / "versions" / "9001_rebuild.py").write_text(
        NEXT + "def upgrade():\n"
        "    with op.batch_alter_table('lines') as batch:\n"
        "        batch.alter_column('learn_count', type_=sa.BigInteger())\n"
    )
    monkeypatch.setattr(database_module, "migrations_folder", lambda: folder)

    site_database.migrate()

    with site_database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.stations)) == 3
        if site_database.is_sqlite:
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_database_of_the_first_version_gets_recipes_and_keeps_its_rows(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shutil.copytree(migrations_folder(), tmp_path / "migrations")
    for path in (first / "versions").glob("*.py"):
        if not path.name.startswith("0001_"):
            path.unlink()
    with closing(Database.open(emptied(database_url, tmp_path))) as database:
        with monkeypatch.context() as patch:
            patch.setattr(database_module, "migrations_folder", lambda: first)
            database.migrate()
        with database.write() as connection:
            connection.execute(
                text(
                    "INSERT INTO lines (name, product, rule_k, rule_n, rule_group_s, pictures,"
                    " sample_rate, is_paused)"
                    " VALUES ('line-1', 'washer', 1, 1, 60, 'ng_and_sample', 0.05, false)"
                )
            )
            connection.execute(text("INSERT INTO products (name, line_id) VALUES ('washer', 1)"))

        database.migrate()

        with database.read() as connection:
            assert lines.list_lines(connection) == [factories.line()]
            assert connection.scalars(select(tables.products.c.name)).all() == ["washer"]
            assert recipes.list_recipes(connection) == []
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_counters_and_dead_letters_of_an_older_database_are_filled_from_its_rows(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = shutil.copytree(migrations_folder(), tmp_path / "migrations")
    (first,) = (older / "versions").glob("*_accounts.py")
    for path in (older / "versions").glob("*.py"):
        if path.name >= first.name:
            path.unlink()
    row = (
        "INSERT INTO ledger (camera_id, captured_at, sequence_number, outcome, reason, line_id,"
        " station_id, recorded_at) VALUES (1, '2026-03-02 12:00:00', {}, '{}', {}, 1, 1,"
        " '2026-03-02 12:00:01')"
    )
    with closing(Database.open(emptied(database_url, tmp_path))) as database:
        with monkeypatch.context() as patch:
            patch.setattr(database_module, "migrations_folder", lambda: older)
            database.migrate()
        with database.write() as connection:
            lines.create_missing(connection, factories.site(), at=NOON, by="test")
            for number, outcome, reason in [
                (1, "uninspected", "'corrupt'"),
                (2, "uninspected", "'trimmed'"),
                (4, "dropped", "'drop_oldest'"),
            ]:
                connection.execute(text(row.format(number, outcome, reason)))

        database.migrate()

        with database.read() as connection:
            account = ledger.account_rows(connection, "cam-1", up_to=4)
            assert accounts.recounted(connection, 1) == accounts.counters(connection, 1).recorded
            letters = dead_letters.list_letters(connection, DeadLetterQuery())
    assert account.uninspected == {"corrupt": 1, "trimmed": 1}
    assert (account.accepted, account.dropped_count, account.missing_count) == (4, 1, 1)
    assert [(letter.reason, letter.is_kept) for letter in letters] == [
        ("trimmed", False),
        ("corrupt", False),
    ]


def test_threshold_that_is_older_than_promises_goes_on_judging_everything(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = shutil.copytree(migrations_folder(), tmp_path / "migrations")
    for path in (older / "versions").glob("*.py"):
        if path.name[:5] not in ("0001_", "0002_"):
            path.unlink()
    with closing(Database.open(emptied(database_url, tmp_path))) as database:
        with monkeypatch.context() as patch:
            patch.setattr(database_module, "migrations_folder", lambda: older)
            database.migrate()
        with database.write() as connection:
            connection.execute(
                text(
                    "INSERT INTO lines (name, rule_k, rule_n, rule_group_s, pictures, sample_rate,"
                    " is_paused) VALUES ('line-1', 1, 1, 60, 'all', 0, false)"
                )
            )
            connection.execute(
                text(
                    "INSERT INTO thresholds (scope, line_id, version, value, set_at, set_by,"
                    " reason) VALUES ('1///', 1, 1, 0.5, '2026-03-02 12:00:00+00:00', 'ann', '')"
                )
            )

        database.migrate()

        with database.read() as connection:
            (kept,) = thresholds.list_thresholds(connection)
            assert calibrations.promises(connection, [kept.threshold_id]) == {}
    assert (kept.value, kept.is_bound) == (0.5, False)


def test_check_names_the_cure_when_there_are_no_tables(tmp_path: Path) -> None:
    with (
        closing(Database.open(f"sqlite:///{tmp_path}/new.sqlite")) as database,
        pytest.raises(ConfigurationError, match="inspection db upgrade"),
    ):
        database.check()


def test_check_and_migrate_refuse_tables_of_a_newer_version(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(ConfigurationError, match="newer version"):
        database.check()
    with pytest.raises(ConfigurationError, match="newer version"):
        database.migrate()


def test_using_a_database_without_tables_names_the_cure(tmp_path: Path, postgres_url: str) -> None:
    for url in (f"sqlite:///{tmp_path}/new.sqlite", postgres_url):
        with (
            closing(Database.open(url)) as database,
            pytest.raises(ConfigurationError, match="inspection db upgrade"),
        ):
            count(database)


def test_write_is_undone_when_its_body_raises(database: Database) -> None:
    def write_and_fail() -> None:
        with database.write() as connection:
            connection.execute(insert(channel_tables.channels), CHANNEL)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()

    assert count(database) == 0


def test_broken_constraint_is_not_taken_for_an_outage(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write() as connection:
        connection.execute(insert(channel_tables.channels), [CHANNEL, CHANNEL])


def test_read_sees_one_moment_while_others_write(database: Database) -> None:
    statement = select(func.count()).select_from(channel_tables.channels)
    with database.read() as reading:
        before = reading.scalar(statement)
        with database.write() as writing:
            writing.execute(insert(channel_tables.channels), CHANNEL)
        after = reading.scalar(statement)

    assert (before, after) == (0, 0)
    assert count(database) == 1


def test_writers_wait_for_each_other_and_lose_nothing(database: Database) -> None:
    statement = select(tables.lines.c.learn_count).where(tables.lines.c.id == 1)
    values = {"name": "a", "learn_count": 0, "pictures": "", "sample_rate": 0}
    with database.write() as connection:
        connection.execute(insert(tables.lines).values(id=1, **values))

    def add() -> None:
        for _ in range(10):
            with database.write() as connection:
                present = connection.scalar(statement.with_for_update()) or 0
                change = tables.lines.update().values(learn_count=present + 1)
                connection.execute(change)

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.read() as connection:
        assert connection.scalar(statement) == 30


def test_naive_time_is_refused(database: Database) -> None:
    naive = NOON.replace(tzinfo=None)
    row = {"at": naive, "who": "a", "action": "set", "thing": "line", "name": "a"}

    with pytest.raises(InspectionError, match="no zone"), database.write() as connection:
        connection.execute(insert(tables.audit), row)


def test_sqlite_waits_for_the_disk_at_each_commit(sqlite_url: str) -> None:
    with closing(Database.open(sqlite_url)) as database, database.read() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]

    assert pragmas == ["wal", 2, 1, 10_000]


def test_sqlite_that_another_keeps_busy_is_unavailable(sqlite_url: str) -> None:
    with (
        closing(Database.open(sqlite_url)) as database,
        closing(Database.open(f"{sqlite_url}?timeout=0.01")) as other,
        database.write(),
        pytest.raises(UnavailableError, match="database is locked"),
        other.write(),
    ):
        pass


def test_file_that_is_no_database_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no database" * 100)

    with (
        closing(Database.open(f"sqlite:///{tmp_path}/notes.txt")) as database,
        pytest.raises(ConfigurationError, match="no SQLite database"),
    ):
        database.migrate()


def test_postgresql_that_nobody_runs_is_unavailable_in_one_sentence() -> None:
    url = f"postgresql://operator:hush@127.0.0.1:{free_port()}/inspection"

    with (
        closing(Database.open(url)) as database,
        pytest.raises(UnavailableError, match="does not answer") as raised,
    ):
        database.check()

    assert "hush" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_postgresql_that_says_nothing_is_unavailable_within_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        url = f"postgresql://operator@127.0.0.1:{port}/inspection?connect_timeout=2"
        started_s = time.monotonic()

        with closing(Database.open(url)) as database, pytest.raises(UnavailableError):
            database.check()

    assert time.monotonic() - started_s < 8


def test_postgresql_that_ends_a_transaction_is_unavailable_and_then_works_again(
    postgres_database_url: str,
) -> None:
    end_others = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )

    def write_until_ended(database: Database, other: Database) -> None:
        with database.write() as connection:
            connection.execute(insert(channel_tables.channels), CHANNEL)
            with other.write() as ending:
                ending.execute(end_others)
            connection.execute(select(1))

    with (
        closing(Database.open(postgres_database_url)) as database,
        closing(Database.open(postgres_database_url)) as other,
    ):
        with pytest.raises(UnavailableError):
            write_until_ended(database, other)

        assert count(database) == 0


@pytest.mark.timeout(60)
def test_commit_outlives_the_kill_of_the_process(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/inspection.sqlite"
    program = (
        "import os, signal, sys\n"
        "from sqlalchemy import insert\n"
        "from inspection.store import channel_tables\n"
        "from inspection.store.database import Database\n"
        "database = Database.open(sys.argv[1])\n"
        "database.migrate()\n"
        "row = {'name': 'kept', 'kind': 'log'}\n"
        "with database.write() as connection:\n"
        "    connection.execute(insert(channel_tables.channels), row)\n"
        "with database.write() as connection:\n"
        "    connection.execute(insert(channel_tables.channels), row | {'name': 'lost'})\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, url], check=False, cwd=request.config.rootpath
    )

    assert ended.returncode == -9
    with closing(Database.open(url)) as database, database.read() as connection:
        assert list(connection.scalars(select(channel_tables.channels.c.name))) == ["kept"]


def test_rule_pause_and_alerts_of_an_older_database_are_kept(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = shutil.copytree(migrations_folder(), tmp_path / "migrations")
    for path in (older / "versions").glob("*.py"):
        if path.name[:4] > "0006":
            path.unlink()
    with closing(Database.open(emptied(database_url, tmp_path))) as database:
        with monkeypatch.context() as patch:
            patch.setattr(database_module, "migrations_folder", lambda: older)
            database.migrate()
        with database.write() as connection:
            for statement in OLDER_ROWS:
                connection.execute(text(statement))

        database.migrate()

        with database.read() as connection:
            kept = {line.name: line.rules for line in lines.list_lines(connection)}
            told = {alert.kind: alert for alert in alerts.list_alerts(connection)}
            (pause,) = shelves.list_shelves(connection, NOON)
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert kept["a"] == with_defaults(
        factories.rule(k=2, n=10, off_delay_s=30),
        factories.rule(AlertKind.UNINSPECTED, off_delay_s=30),
        factories.rule(AlertKind.DRIFT, off_delay_s=30),
    )
    assert kept["b"] == with_defaults()
    assert {kind: (alert.line, alert.rule) for kind, alert in told.items()} == {
        AlertKind.NG: ("a", "ng"),
        AlertKind.DRIFT: ("b", "drift"),
    }
    assert told[AlertKind.NG].frame_count == 4
    assert (told[AlertKind.NG].told_at, told[AlertKind.NG].growth(NOON)) == (NOON, "")
    assert (pause.line, pause.is_pause, pause.silence.until_at) == ("b", True, None)

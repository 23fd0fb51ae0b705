"""PostgreSQL behind a wire that is cut: nothing is refused, and nothing arrives."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from inspection.errors import UnavailableError
from inspection.store.database import MIGRATION_LOCK, Database
from tests.chaos.proxy import Wire


@pytest.fixture
def wire(postgres_database_url: str) -> Iterator[Wire]:
    wire = Wire(make_url(postgres_database_url).port or 5432)
    with wire.forwarding():
        yield wire


@pytest.fixture
def database(wire: Wire, postgres_database_url: str) -> Iterator[Database]:
    """The database at the other end; it gives up after a second."""
    url = make_url(postgres_database_url).set(port=wire.port)
    url = url.update_query_dict({"answer_timeout_s": "1", "connect_timeout": "2"})
    with closing(Database.open(url.render_as_string(hide_password=False))) as database:
        assert answer(database) == 1
        yield database


def answer(database: Database) -> int | None:
    with database.read() as connection:
        return connection.scalar(text("SELECT 1"))


def test_statement_nobody_answers_is_given_up_and_the_next_takes_another_connection(
    wire: Wire, database: Database
) -> None:
    def cut_off() -> None:
        with database.write() as connection:
            wire.cut()
            connection.execute(text("SELECT 1"))

    begun_s = time.monotonic()
    with pytest.raises(UnavailableError, match="no answer within 1 s"):
        cut_off()

    assert time.monotonic() - begun_s < 5
    wire.mend(is_old_revived=False)
    assert answer(database) == 1


def test_connection_that_went_silent_while_it_was_idle_is_replaced(
    wire: Wire, database: Database
) -> None:
    wire.cut()
    wire.mend(is_old_revived=False)

    assert answer(database) == 1


def test_database_behind_a_cut_wire_is_unavailable(wire: Wire, database: Database) -> None:
    wire.cut()

    with pytest.raises(UnavailableError):
        answer(database)


def test_statement_that_is_answered_late_is_waited_for(wire: Wire, database: Database) -> None:
    with database.read() as connection:
        wire.cut()
        threading.Timer(0.5, wire.mend, kwargs={"is_old_revived": True}).start()

        assert connection.scalar(text("SELECT 1")) == 1


def test_server_ends_sessions_whose_client_has_vanished(database: Database) -> None:
    with database.read() as connection:
        limit = connection.scalar(text("SHOW idle_in_transaction_session_timeout"))
        keepalive_s = connection.scalar(text("SHOW tcp_keepalives_idle"))

    assert (limit, keepalive_s) == ("30s", "10")


def test_migration_may_take_its_time(database: Database, postgres_database_url: str) -> None:
    lock = text("SELECT pg_advisory_xact_lock(:number)")
    migration = threading.Thread(target=database.migrate)

    with closing(Database.open(postgres_database_url)) as other, other.write() as connection:
        connection.execute(lock, {"number": MIGRATION_LOCK})
        migration.start()
        migration.join(2.0)
        assert migration.is_alive()
    migration.join()

    assert database.revision() == database.head()

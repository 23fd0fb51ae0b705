"""The database: its transactions, and bringing its tables up to date."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import resources
from pathlib import Path
from typing import Final, Self

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from inspection.domain.chain import AuditKeys, Head
from inspection.errors import ConfigurationError, InspectionError
from inspection.store import chain
from inspection.store.engine import (
    BEGIN,
    engine_of,
    patience,
    set_foreign_keys,
    set_waits_for_disk,
)
from inspection.store.failure import translated

#: Number of PostgreSQL's advisory lock that is held while migrating.
MIGRATION_LOCK: Final = 0x1259_EC71

# Alembic keeps the running migration in module variables.
_alembic_lock = threading.Lock()


class Database:
    """Tables on SQLite or PostgreSQL, reached through short transactions."""

    def __init__(self, engine: Engine, *, audit_keys: AuditKeys | None = None) -> None:
        self._engine = engine
        self._audit_keys = audit_keys
        #: End of the audit's chain after the last link that this process has added for good.
        self.sealed_head: Head | None = None

    @classmethod
    def open(cls, url: str, *, audit_keys: AuditKeys | None = None) -> Self:
        """Prepare connections to `url`; the first transaction makes the first one.

        Args:
            url: `sqlite:///file` (its folder is made) or `postgresql://user@host/database`.
            audit_keys: what changes are sealed with as they are committed; None: they are not.

        Raises:
            ConfigurationError: the address is of another kind, or its folder cannot be made.
        """
        return cls(engine_of(url), audit_keys=audit_keys)

    @property
    def address(self) -> str:
        """The address without its password."""
        return self._engine.url.render_as_string(hide_password=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether the tables are in an SQLite file."""
        return self._engine.dialect.name == "sqlite"

    @property
    def file(self) -> Path | None:
        """The SQLite file; None when the tables are elsewhere."""
        return Path(self._engine.url.database or "").absolute() if self.is_sqlite else None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that sees one moment of the database and changes nothing.

        Raises:
            UnavailableError: the database does not answer.
            ConfigurationError: it answers, but will not work until somebody changes something.
        """
        # Without this, two statements on PostgreSQL could count two different moments.
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self._transaction({} if self.is_sqlite else options) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that is committed at the end, or rolled back if the body raises.

        Raises:
            UnavailableError: the database does not answer. Nothing was committed, unless it went
                away during the commit itself; so whatever is written must bear being repeated.
            ConfigurationError: it answers, but will not work until somebody changes something.
        """
        with self._transaction({BEGIN: "BEGIN IMMEDIATE"}) as connection:
            self._take_notes(connection)
            yield connection
            sealed = self._seal(connection)
        self.sealed_head = sealed or self.sealed_head

    @contextmanager
    def write_soon(self) -> Iterator[Connection]:
        """Open a transaction like `write` that does not wait for the disk.

        A power failure may undo it, but not once anything was written by `write` after it.

        Raises:
            UnavailableError: the database does not answer.
            ConfigurationError: it answers, but will not work until somebody changes something.
        """
        with translated(self.address), self._engine.connect() as connection:
            connection.execution_options(**{BEGIN: "BEGIN IMMEDIATE"})
            set_waits_for_disk(connection, is_on=False)
            try:
                with connection.begin():
                    if not self.is_sqlite:
                        connection.execute(text("SET LOCAL synchronous_commit TO off"))
                    self._take_notes(connection)
                    yield connection
                    self._seal(connection)
            finally:
                set_waits_for_disk(connection, is_on=True)

    def migrate(self) -> None:
        """Bring the tables up to date; does nothing when they are. Safe from several processes.

        A migration that fails leaves the tables as they were.

        Raises:
            UnavailableError: the database does not answer.
            ConfigurationError: the database was made by a newer version of this program.
        """
        with _alembic_lock, translated(self.address), self._engine.connect() as connection:
            # Rebuilding a table drops it, which would delete the rows that refer to it.
            set_foreign_keys(connection, is_on=False)
            try:
                with (
                    connection.execution_options(**{BEGIN: "BEGIN IMMEDIATE"}).begin(),
                    nullcontext() if self.is_sqlite else patience(connection),
                ):
                    self._upgrade(connection)
            finally:
                set_foreign_keys(connection, is_on=True)

    def check(self) -> None:
        """Return if the database answers and its tables are those of this program.

        Raises:
            UnavailableError: the database does not answer.
            ConfigurationError: the tables are missing, old or of a newer version.
        """
        present, wanted = self.revision(), self.head()
        if present == wanted:
            return
        self._refuse_unknown(present)
        found = "no tables" if present is None else f"tables of version {present}"
        raise ConfigurationError(
            f"the database {self.address} has {found}, this program needs version {wanted}; "
            "run `inspection db upgrade`"
        )

    def revision(self) -> str | None:
        """Return the version of the tables, None when there are none."""
        with self.read() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    @staticmethod
    def head() -> str | None:
        """Return the version of the tables that this program needs."""
        return ScriptDirectory(str(migrations_folder())).get_current_head()

    def tidy(self) -> None:
        """Have the database look at its rows anew, after many were added or removed.

        Raises:
            UnavailableError: the database does not answer.
        """
        with translated(self.address), self._engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("ANALYZE")
                return
            connection.execution_options(isolation_level="AUTOCOMMIT")
            with patience(connection):
                connection.exec_driver_sql("VACUUM (ANALYZE)")

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, options: dict[str, object]) -> Iterator[Connection]:
        with translated(self.address), self._engine.connect() as connection:
            connection.execution_options(**options)
            with connection.begin():
                yield connection

    def _take_notes(self, connection: Connection) -> None:
        if self._audit_keys is not None:
            connection.execution_options(**{chain.NOTES: []})

    def _seal(self, connection: Connection) -> Head | None:
        # One that gave way has undone what its notes say.
        if self._audit_keys is None or not connection.in_transaction():
            return None
        return chain.seal(connection, self._audit_keys)

    def _upgrade(self, connection: Connection) -> None:
        if not self.is_sqlite:
            # Held until the commit: poolers may strand a lock held by a session.
            lock = text("SELECT pg_advisory_xact_lock(:number)")
            connection.execute(lock, {"number": MIGRATION_LOCK})
        present = MigrationContext.configure(connection).get_current_revision()
        if present == self.head():
            return
        self._refuse_unknown(present)
        config = Config()
        config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if self.is_sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
            raise InspectionError("the migration left rows that refer to rows that are gone")

    def _refuse_unknown(self, present: str | None) -> None:
        scripts = ScriptDirectory(str(migrations_folder())).walk_revisions()
        if present is not None and present not in {script.revision for script in scripts}:
            raise ConfigurationError(
                f"the database {self.address} has tables of version {present}, which this program "
                "does not know; install the newer version that made them"
            )


def migrations_folder() -> Path:
    """Return the folder of the migrations: beside this file when installed, else the checkout's.

    Raises:
        ConfigurationError: neither is there.
    """
    installed = Path(str(resources.files("inspection.store"))) / "migrations"
    checkout = Path(str(resources.files("inspection"))).parent / "migrations"
    for folder in (installed, checkout):
        if (folder / "env.py").is_file():
            return folder
    raise ConfigurationError(f"the migrations are not in {installed}; install inspection again")

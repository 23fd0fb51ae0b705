"""What every line is making, read from the database in the background."""

import threading
from collections.abc import Mapping

from inspection.errors import ConfigurationError, UnavailableError
from inspection.store.database import Database
from inspection.store.lines import list_lines
from inspection.telemetry import logger

#: Seconds between two looks.
LOOK_S = 0.5


class Products:
    """The product of every line, as last heard; one connection serves all cameras.

    Looking happens in a thread of its own, because a database that does not answer takes seconds
    to say so, and cameras must not wait for it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._products: Mapping[str, str | None] = {}
        self._stop = threading.Event()
        self._is_answering = True
        self._thread = threading.Thread(target=self._watch, name="products", daemon=True)

    @property
    def by_line(self) -> Mapping[str, str | None]:
        """Products by line; a line nobody could be asked about is not in it."""
        return self._products

    def look(self) -> None:
        """Read the database now; what was heard last stands while it does not answer.

        Raises:
            ConfigurationError: it cannot be used until somebody changes something.
        """
        try:
            with self._database.read() as connection:
                self._products = {line.name: line.product for line in list_lines(connection)}
        except UnavailableError as error:
            if self._is_answering:
                logger().warning("database_unavailable", why=str(error))
            self._is_answering = False
        else:
            self._is_answering = True

    def start(self) -> None:
        """Look again and again."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                self.look()
            except ConfigurationError as error:
                if self._is_answering:
                    logger().error("database_unavailable", why=str(error))
                self._is_answering = False

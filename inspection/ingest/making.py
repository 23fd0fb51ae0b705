"""What the database says to cameras, read in the background: above all what lines are making."""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from inspection.domain.line import Camera
from inspection.errors import ConfigurationError, NotFoundError, UnavailableError
from inspection.ingest.message import Making
from inspection.store.database import Database
from inspection.store.ledger import last_sequence_number
from inspection.store.lines import list_lines
from inspection.store.views import accepted_views
from inspection.telemetry import logger

#: Seconds between two looks.
LOOK_S = 0.5


class Products:
    """The product of every line, as last heard; one connection serves all cameras.

    Looking happens in a thread of its own, because a database that does not answer takes seconds
    to say so, and cameras must not wait for it.
    """

    def __init__(self, database: Database, cameras: Sequence[Camera]) -> None:
        self._database = database
        self._cameras = cameras
        self._products: Mapping[str, str | None] = {}
        self._accepted: Mapping[str, datetime] = {}
        self._numbers: Mapping[str, int] = {}
        self._stop = threading.Event()
        self._is_answering = True
        self._thread = threading.Thread(target=self._watch, name="products", daemon=True)

    @property
    def numbers(self) -> Mapping[str, int]:
        """Highest numbers in the ledger by camera, as first heard; empty until then."""
        return self._numbers

    def making(self, camera: Camera) -> Making | None:
        """Return what was last heard for this camera; None when nobody could be asked."""
        if camera.line not in self._products:
            return None
        return Making(
            product=self._products[camera.line],
            view_accepted_at=self._accepted.get(camera.name),
            ledger_sequence_number=self._numbers.get(camera.name),
        )

    def look(self) -> None:
        """Read the database now; what was heard last stands while it does not answer.

        Raises:
            ConfigurationError: it cannot be used until somebody changes something.
        """
        try:
            with self._database.read() as connection:
                products = {line.name: line.product for line in list_lines(connection)}
                accepted = accepted_views(connection)
                numbers = self._numbers or _ledger_numbers(connection, self._cameras)
        except UnavailableError as error:
            if self._is_answering:
                logger().warning("database_unavailable", why=str(error))
            self._is_answering = False
        else:
            self._is_answering = True
            self._numbers, self._accepted, self._products = numbers, accepted, products

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


def _ledger_numbers(connection: Connection, cameras: Sequence[Camera]) -> Mapping[str, int]:
    numbers = {}
    for camera in cameras:
        try:
            numbers[camera.name] = last_sequence_number(connection, camera.name)
        except NotFoundError:
            numbers[camera.name] = 0
    return numbers

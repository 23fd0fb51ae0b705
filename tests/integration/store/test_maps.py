"""Anomaly maps in the database."""

import pytest

from inspection.errors import NotFoundError
from inspection.store import inspections, ledger, maps
from inspection.store.database import Database
from inspection.store.inspections import HistoryQuery
from tests import factories
from tests.factories import NOON


def test_map_comes_back_bit_by_bit(site_database: Database) -> None:
    kept = factories.anomaly_map(shape=(4, 37, 37))
    with site_database.write() as connection:
        ledger.record(connection, [factories.inspected(anomaly_map=kept)], at=NOON)

    with site_database.read() as connection:
        (row,) = inspections.history(connection, HistoryQuery())
        assert maps.get_map(connection, row.inspection_id) == kept


def test_map_of_an_unknown_inspection_is_not_found(site_database: Database) -> None:
    with site_database.read() as connection, pytest.raises(NotFoundError, match="inspection 7"):
        maps.get_map(connection, 7)

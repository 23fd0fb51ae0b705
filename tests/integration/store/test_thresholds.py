"""Thresholds: versions that are never changed, and refusals."""

import math
import threading
from datetime import timedelta

import pytest

from inspection.domain.line import Scope
from inspection.errors import ConfigurationError, NotFoundError
from inspection.store import audit, thresholds
from inspection.store.database import Database
from tests import factories
from tests.factories import NOON

LATER = NOON + timedelta(hours=1)
LINE = factories.scope()


def test_threshold_gets_the_next_version_and_keeps_the_last(site_database: Database) -> None:
    with site_database.write() as connection:
        second = thresholds.set_threshold(
            connection, LINE, 0.1 + 0.2, at=LATER, by="ann", reason="too many false rejects"
        )

    with site_database.read() as connection:
        history = thresholds.threshold_history(connection, LINE)
    assert history[0] == second
    assert [(t.version, t.value) for t in history] == [(2, 0.1 + 0.2), (1, 0.5)]


def test_withdrawn_threshold_is_the_newest_version(site_database: Database) -> None:
    with site_database.write() as connection:
        thresholds.set_threshold(connection, LINE, None, at=LATER, by="ann", reason="new lamp")

    with site_database.read() as connection:
        listed = thresholds.list_thresholds(connection)
    assert [(t.version, t.value) for t in listed] == [(2, None)]


def test_versions_of_each_scope_count_by_themselves(site_database: Database) -> None:
    scopes = [
        Scope(line="line-1", product="washer"),
        Scope(line="line-1", product="1/2/3"),
        Scope(line="line-1", station="station-1"),
        Scope(line="line-1", camera="cam-1"),
        Scope(line="line-1", station="station-1", camera="cam-1", product="washer"),
        Scope(line="line-2"),
    ]

    with site_database.write() as connection:
        for scope in scopes:
            thresholds.set_threshold(connection, scope, 0.7, at=NOON, by="ann", reason="")

    with site_database.read() as connection:
        listed = thresholds.list_thresholds(connection)
        of_line = thresholds.list_thresholds(connection, line="line-2")
    assert {(t.scope, t.version) for t in listed} == {(s, 1) for s in [LINE, *scopes]}
    assert [t.scope for t in of_line] == [Scope(line="line-2")]


def test_threshold_is_audited_with_what_it_replaced(site_database: Database) -> None:
    scope = Scope(line="line-1", camera="cam-1")
    with site_database.write() as connection:
        for value in (0.4, 0.6):
            new = thresholds.set_threshold(
                connection, scope, value, at=LATER, by="ann", reason="why"
            )

    with site_database.read() as connection:
        newest = audit.list_changes(connection, limit=1)
    assert newest == [
        audit.Change(
            at=LATER,
            who="ann",
            action="set",
            thing="threshold",
            name="line=line-1 camera=cam-1",
            before={"version": 1, "value": 0.4},
            after={
                "version": 2,
                "value": 0.6,
                "reason": "why",
                "effective_at": new.effective_at.isoformat(),
            },
        )
    ]


def test_threshold_that_is_no_number_is_refused(site_database: Database) -> None:
    with site_database.write() as connection:
        for value in (math.nan, math.inf, -math.inf):
            with pytest.raises(ConfigurationError, match="not a finite number"):
                thresholds.set_threshold(connection, LINE, value, at=NOON, by="ann", reason="")


def test_threshold_of_something_unknown_is_refused_with_those_there_are(
    site_database: Database,
) -> None:
    refusals = {
        Scope(line="line-9"): "there is no line 'line-9'; there are: line-1, line-2",
        Scope(line="line-1", station="s-9"): "it has: station-1, station-2",
        Scope(line="line-1", camera="cam-3"): "it has: cam-1, cam-2",
        Scope(line="line-1", station="station-2", camera="cam-1"): "it has: cam-2",
    }

    with site_database.write() as connection:
        for scope, words in refusals.items():
            with pytest.raises(NotFoundError, match=words):
                thresholds.set_threshold(connection, scope, 0.5, at=NOON, by="ann", reason="")


def test_threshold_of_a_product_without_name_is_refused(site_database: Database) -> None:
    scope = Scope(line="line-1", product="")

    with (
        pytest.raises(ConfigurationError, match="needs a name"),
        site_database.write() as connection,
    ):
        thresholds.set_threshold(connection, scope, 0.5, at=NOON, by="ann", reason="")


def test_thresholds_set_at_the_same_time_all_get_a_version(site_database: Database) -> None:
    def set_some() -> None:
        for _ in range(5):
            with site_database.write() as connection:
                thresholds.set_threshold(connection, LINE, 0.5, at=NOON, by="ann", reason="")

    threads = [threading.Thread(target=set_some) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with site_database.read() as connection:
        history = thresholds.threshold_history(connection, LINE)
    assert [threshold.version for threshold in history] == list(range(16, 0, -1))

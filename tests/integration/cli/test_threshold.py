"""`inspection threshold set`: limits of every scope, never a value that means nothing."""

import pytest

from inspection.domain.line import Scope
from inspection.store import thresholds
from inspection.store.database import Database
from tests.integration.cli.console import Console, together

pytestmark = pytest.mark.timeout(120)


def in_force(database: Database) -> dict[Scope, tuple[int, float | None, str]]:
    with database.read() as connection:
        newest = thresholds.list_thresholds(connection)
    return {one.scope: (one.version, one.value, one.reason) for one in newest}


def test_threshold_set_takes_every_scope_and_withdraws(
    site_console: Console, site_database: Database
) -> None:
    ended = together(
        [
            (site_console, ["threshold", "set", "line-1", "none", "--reason", "new camera"]),
            (site_console, ["threshold", "set", "line-1", "0.6", "--product", "steel washer"]),
            (site_console, ["threshold", "set", "line-1", "0.7", "--station", "station-2"]),
            (site_console, ["threshold", "set", "line-1", "8e-1", "--camera", "cam-2"]),
        ]
    )

    assert [(one.code, one.out) for one in ended] == [(0, "")] * 4
    assert ended[0].sentence == "line=line-1: version 2, withdrawn"
    assert ended[3].sentence == "line=line-1 camera=cam-2: version 1, 0.8"
    assert in_force(site_database) == {
        Scope(line="line-1"): (2, None, "new camera"),
        Scope(line="line-1", product="steel washer"): (1, 0.6, ""),
        Scope(line="line-1", station="station-2"): (1, 0.7, ""),
        Scope(line="line-1", camera="cam-2"): (1, 0.8, ""),
    }


def test_threshold_set_refuses_what_cannot_work_and_changes_nothing(
    site_console: Console, site_database: Database
) -> None:
    before = in_force(site_database)

    ended = together(
        [
            (site_console, ["threshold", "set", "line-1", "nan"]),
            (site_console, ["threshold", "set", "line-1", "0.5", "--product", ""]),
            (site_console, ["threshold", "set", "line-9", "0.5"]),
            (site_console, ["threshold", "set", "line-1", "0.5", "--camera", "cam-3"]),
        ]
    )

    assert [one.code for one in ended] == [2, 2, 1, 1]
    assert not any(one.out for one in ended)
    assert "give one such as 0.62, or `none`" in ended[0].sentence
    assert "needs a name" in ended[1].sentence
    assert ended[2].sentence == "there is no line 'line-9'; there are: line-1, line-2"
    assert ended[3].sentence == "line 'line-1' has no camera 'cam-3'; it has: cam-1, cam-2"
    assert in_force(site_database) == before

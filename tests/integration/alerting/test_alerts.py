"""Alerts are listed, counted and acknowledged; acknowledged and resolved are independent."""

from datetime import timedelta

import pytest

from inspection.alerting import worker
from inspection.domain.inspection import Verdict
from inspection.errors import ConfigurationError, NotFoundError
from inspection.store import alerts, audit, responses
from inspection.store.alerts import AlertCounts, AlertQuery
from inspection.store.responses import Response
from tests import factories
from tests.factories import NOON
from tests.integration.alerting.floor import Floor

LATER = NOON + timedelta(hours=1)
CALM = LATER + timedelta(seconds=60)
MIA = Response(at=LATER, by="mia")


@pytest.fixture
def alert_id(floor: Floor) -> int:
    """Id of an open alert of `line-1`."""
    floor.see(Verdict.NG)
    worker.once(floor.database, LATER)
    return floor.alerts()[0].alert_id


def test_acknowledged_alert_says_by_whom_and_when(floor: Floor, alert_id: int) -> None:
    with floor.database.write() as connection:
        alert = responses.acknowledge(connection, alert_id, MIA)

    assert (alert.acknowledged_by, alert.acknowledged_at) == ("mia", LATER)
    assert alert.resolved_at is None


def test_first_acknowledgement_stays_when_another_follows(floor: Floor, alert_id: int) -> None:
    with floor.database.write() as connection:
        responses.acknowledge(connection, alert_id, MIA)
        alert = responses.acknowledge(connection, alert_id, Response(at=CALM, by="ben"))

    assert (alert.acknowledged_by, alert.acknowledged_at) == ("mia", LATER)


def test_dismissed_alert_keeps_who_acknowledged_it_first(floor: Floor, alert_id: int) -> None:
    with floor.database.write() as connection:
        responses.acknowledge(connection, alert_id, MIA)
        alert = responses.dismiss(connection, alert_id, Response(at=CALM, by="ben", note="test"))
        dismissed = audit.list_changes(connection, thing="alert")[0]

    assert (alert.acknowledged_by, alert.acknowledged_at) == ("mia", LATER)
    assert (alert.is_dismissed, alert.acknowledged_note) == (True, "test")
    assert (dismissed.who, dismissed.at, dismissed.action) == ("ben", CALM, "dismissed")
    assert dismissed.after == {"line": "line-1", "rule": "ng", "note": "test"}


def test_alert_is_neither_dismissed_nor_resolved_without_a_reason(
    floor: Floor, alert_id: int
) -> None:
    for respond in (responses.dismiss, responses.resolve):
        with (
            pytest.raises(ConfigurationError, match="needs a --reason"),
            floor.database.write() as connection,
        ):
            respond(connection, alert_id, MIA)


def test_alert_that_is_resolved_already_keeps_how(floor: Floor, alert_id: int) -> None:
    worker.once(floor.database, CALM)

    with floor.database.write() as connection:
        alert = responses.resolve(connection, alert_id, Response(at=CALM, by="ben", note="why"))
        written = audit.list_changes(connection, thing="alert")

    assert (alert.resolved_at, alert.resolved_by) == (CALM, None)
    assert written == []


def test_resolved_alert_is_still_unacknowledged(floor: Floor, alert_id: int) -> None:
    worker.once(floor.database, CALM)

    with floor.database.write() as connection:
        counts = alerts.counts(connection)
        alert = responses.acknowledge(connection, alert_id, Response(at=CALM, by="mia"))

    assert counts == AlertCounts(total=1, open=0, unacknowledged=1)
    assert (alert.resolved_at, alert.acknowledged_at) == (CALM, CALM)


def test_acknowledged_alert_is_still_resolved_by_calm(floor: Floor, alert_id: int) -> None:
    with floor.database.write() as connection:
        responses.acknowledge(connection, alert_id, MIA)

    worker.once(floor.database, CALM)

    assert floor.alerts()[0].resolved_at == CALM


def test_acknowledging_fails_when_there_is_no_such_alert(floor: Floor) -> None:
    with pytest.raises(NotFoundError, match="no alert 7"), floor.database.write() as connection:
        responses.acknowledge(connection, 7, MIA)


@pytest.mark.usefixtures("alert_id")
def test_alerts_are_listed_and_counted_by_line_and_openness(floor: Floor) -> None:
    floor.add(factories.line(name="line-2"), "cam-3")
    worker.once(floor.database, CALM)
    floor.see(Verdict.NG, camera="cam-3")
    worker.once(floor.database, CALM)

    with floor.database.read() as connection:
        everything = alerts.list_alerts(connection)
        unresolved = alerts.list_alerts(connection, AlertQuery(is_open=True))
        of_line = alerts.list_alerts(connection, AlertQuery(line="line-1"))
        newest = alerts.list_alerts(connection, AlertQuery(limit=1))
        counts = (alerts.counts(connection), alerts.counts(connection, "line-1"))

    assert [alert.line for alert in everything] == ["line-2", "line-1"]
    assert [alert.line for alert in unresolved] == ["line-2"]
    assert [alert.line for alert in of_line] == ["line-1"]
    assert [alert.line for alert in newest] == ["line-2"]
    assert counts == (
        AlertCounts(total=2, open=1, unacknowledged=2),
        AlertCounts(total=1, open=0, unacknowledged=1),
    )

"""A worker that is killed while it delivers loses nothing, and its end is told."""

import os
import signal
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from inspection.alerting import worker
from inspection.domain.channel import Broker
from inspection.domain.inspection import Verdict
from inspection.domain.notification import Delivery
from inspection.store.attempts import ABANDONED, list_attempts
from inspection.store.database import Database
from inspection.store.notifications import LEASE_S
from tests import factories
from tests.integration.alerting import workers
from tests.integration.alerting.floor import Floor
from tests.integration.alerting.listener import Listener
from tests.integration.alerting.receiver import LOOPBACK, Receiver
from tests.servers import Mosquitto, wait_until


def test_killed_worker_is_missed_and_its_notification_delivered_under_the_same_id(
    sqlite_url: str, redis_url: str, mosquitto: Mosquitto, receiver: Receiver, tmp_path: Path
) -> None:
    hook = factories.channel(name="hook", kind="webhook", url=receiver.url)
    broker = Broker(host="127.0.0.1", port=mosquitto.port, prefix="killed")
    board = factories.channel(name="board", kind="mqtt", broker=broker)
    receiver.answer(receiver.hang)
    with (
        closing(Database.open(sqlite_url)) as database,
        closing(Listener(mosquitto.port, "killed/#")) as listener,
    ):
        floor = Floor(database)
        floor.add(factories.line(), "cam-1", channels=(hook, board))
        floor.see(Verdict.NG)
        with workers.process(sqlite_url, redis_url, tmp_path) as process:
            log = tmp_path / "alerter.log"
            wait_until(lambda: receiver.requests, process=process, log=log)
            listener.wait_for("killed/state", "online")

            os.kill(process.pid, signal.SIGKILL)

            listener.wait_for("killed/state", "offline")
        killed_at = datetime.now(UTC)
        worker.once(database, killed_at, outbound=LOOPBACK)
        told_early = len(receiver.requests)
        worker.once(database, killed_at + timedelta(seconds=LEASE_S), outbound=LOOPBACK)

        rows = {row.channel: row for row in floor.rows()}
        with database.read() as connection:
            attempts = list_attempts(connection, rows["hook"].id)
    assert told_early == 1
    assert [r.headers["webhook-id"] for r in receiver.requests] == [rows["hook"].id] * 2
    assert {row.state for row in rows.values()} == {Delivery.DELIVERED}
    assert [(each.number, each.error) for each in attempts] == [(1, ABANDONED), (2, None)]
    told = [each.json["id"] for each in listener.heard if each.topic.endswith("/alerts")]
    assert told == [rows["board"].id]

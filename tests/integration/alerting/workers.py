"""Alert workers that run beside a test: in a thread, or as a process that can be killed."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from inspection.alerting import worker
from inspection.store.database import Database
from tests.conftest import REPOSITORY
from tests.integration.alerting.receiver import LOOPBACK


@contextlib.contextmanager
def running(database: Database) -> Iterator[threading.Event]:
    """Run a worker in a thread until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(
        target=worker.run,
        args=(database,),
        kwargs={
            "clock": lambda: datetime.now(UTC),
            "stop": stop,
            "outbound": LOOPBACK,
            "poll_s": 0.01,
        },
    )
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


@contextlib.contextmanager
def process(database_url: str, redis_url: str, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `inspection alerter`; whatever is left of it at the end is killed."""
    settings = {
        "INSPECTION_DATA_DIR": str(folder),
        "INSPECTION_DATABASE_URL": database_url,
        "INSPECTION_REDIS_URL": redis_url,
        "INSPECTION_WEBHOOK_HOSTS": ",".join(LOOPBACK.webhook_hosts),
    }
    with (
        (folder / "alerter.log").open("ab") as log,
        subprocess.Popen(
            [sys.executable, "-m", "inspection", "alerter"],
            cwd=REPOSITORY,
            env={**os.environ, **settings},
            stderr=log,
        ) as started,
    ):
        try:
            yield started
        finally:
            started.kill()

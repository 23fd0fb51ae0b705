"""Real pictures and a real RTSP camera on the servers of a plant; `test_chaos` has the embedded."""

import re
from pathlib import Path

import pytest
import redis

from tests.e2e.conftest import Running, Start

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

#: Pictures below the two folders, and frames the RTSP camera is to give.
FOLDER_FRAMES, RTSP_FRAMES = 492 + 313, 60


def assert_every_frame_once(running: Running, answer: dict[str, int]) -> None:
    """One row for each file; an RTSP frame that was dropped has its cause."""
    account = running.verify()
    by_camera = {camera["camera"]: camera for camera in account["cameras"]}
    assert by_camera["tiles-top"]["inspections"] == 492
    assert by_camera["leaves-top"]["inspections"] == 313
    assert by_camera["belt-gate"]["accepted"] == RTSP_FRAMES
    assert answer["accepted"] == account["accepted"] == FOLDER_FRAMES + RTSP_FRAMES
    assert answer["in_flight"] == account["in_flight"] == 0
    rows = answer["inspections"] + answer["uninspected"] + answer["dropped"]
    assert rows == answer["accepted"]


def inspected(running: Running) -> int:
    """How many the progress records speak of."""
    found = re.findall(r"\binspected=(\d+)", running.log.read_text())
    return int(found[-1]) if found else 0


def test_real_line_on_redis_and_postgresql_survives_killing_inspector_and_replica(
    start: Start, real_line: Path, redis_url: str, postgres_database_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    plant = {
        "INSPECTION_REDIS_URL": redis_url,
        "INSPECTION_DATABASE_URL": postgres_database_url,
    }

    with start("up", "--config", str(real_line), "--until-drained", "--json", **plant) as running:
        running.wait(lambda: inspected(running) > 0, 120)
        running.kill("-m inspection inspector")
        running.wait(lambda: running.log_records("inspector").count("inspector_ready") > 1, 60)
        running.kill("ServeReplica")
        before = inspected(running)
        running.wait(lambda: inspected(running) > before, 120)

        answer = running.end(300)

    assert_every_frame_once(running, answer)
    assert not (running.data_dir / "valkey").exists()
    assert not list(running.data_dir.glob("*.sqlite"))

"""A real RTSP camera: GStreamer's server on loopback, H.264 over TCP."""

import io
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from inspection.domain.line import Camera, Source
from inspection.ingest.process import Times
from inspection.ingest.watchdog import CaptureOptions, run
from inspection.stream.connection import Client
from tests import servers
from tests.factories import camera
from tests.integration.ingest.conftest import Stream

SYSTEM_PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).parents[2] / "rtsp_server.py"


@pytest.fixture
def rtsp_url() -> Iterator[str]:
    """Address of a camera whose stream ends after a second, again and again."""
    options = ["--frames", "20", "--fps", "20", "--size", "160x120"]
    try:
        server = subprocess.Popen(
            [SYSTEM_PYTHON, SERVER, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    except FileNotFoundError:
        servers.unavailable(f"there is no {SYSTEM_PYTHON} on this machine")
    with server:
        assert server.stdout is not None
        assert server.stderr is not None
        url = server.stdout.readline().strip()
        if not url:
            servers.unavailable(f"GStreamer's RTSP server cannot start: {server.stderr.read()}")
        yield url
        server.kill()


@pytest.mark.timeout(60)
def test_rtsp_camera_is_connected_again_until_it_has_given_its_frames(
    rtsp_url: str,
    redis_url: str,
    sqlite_url: str,
    client: Client,
    camera_name: str,
    tmp_path: Path,
) -> None:
    one = live_camera(camera_name, rtsp_url, frames=30)

    report = run(
        [one],
        redis_url=redis_url,
        database_url=sqlite_url,
        journal_dir=tmp_path,
        stop=lambda: False,
        options=CaptureOptions(times=Times(hang_s=20)),
    )

    frames = Stream(client=client, camera=camera_name).frames()
    assert report.accepted == {camera_name: 30}
    assert [frame.identity.sequence_number for frame in frames] == list(range(1, 31))
    assert {Image.open(io.BytesIO(frame.payload)).size for frame in frames} == {(160, 120)}
    assert len({frame.payload for frame in frames}) > 20


def live_camera(name: str, url: str, *, frames: int) -> Camera:
    return camera(name=name, source=Source(kind="rtsp", url=url), frames=frames)

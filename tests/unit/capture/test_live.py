import itertools
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspection.capture.exposure import Exposure, Pause
from inspection.capture.live import (
    Device,
    LiveSource,
    rtsp_device,
    usb_device,
    without_password,
)
from inspection.capture.pacing import Backoff, Pacer
from inspection.domain.health import CaptureState
from inspection.domain.line import Encoding
from tests.conftest import Clock
from tests.factories import NOON


class Seconds:
    """A monotonic clock that moves by a fixed step each time it is read."""

    def __init__(self, step_s: float) -> None:
        self._now_s = 0.0
        self._step_s = step_s

    def __call__(self) -> float:
        self._now_s += self._step_s
        return self._now_s


@pytest.fixture
def device(tmp_path: Path) -> Device:
    """A device that gives four pictures each time it is opened: a video file."""
    path = tmp_path / "line.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(4):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    return Device(title="camera 7", open=lambda: cv2.VideoCapture(str(path), cv2.CAP_FFMPEG))


def source(device: Device, *, pacer: Pacer | None = None) -> LiveSource:
    return LiveSource(
        device,
        encoding=Encoding.JPEG,
        quality=95,
        pacer=pacer or Pacer(None),
        clock=Clock(),
        backoff=Backoff(first_s=1, limit_s=30),
    )


def taken(given: Iterator[Exposure | Pause], count: int) -> list[Exposure | Pause]:
    return list(itertools.islice(given, count))


def states(given: list[Exposure | Pause]) -> list[str]:
    return [item.state if isinstance(item, Pause) else "exposure" for item in given]


def test_live_camera_gives_pictures_that_can_be_had_once(device: Device) -> None:
    _connecting, exposure = taken(source(device).exposures(), 2)

    assert isinstance(exposure, Exposure)
    assert exposure.media_type == "image/jpeg"
    assert exposure.captured_at == NOON
    assert exposure.key is None


def test_live_camera_is_connected_again_when_it_gives_no_more_pictures(device: Device) -> None:
    given = taken(source(device).exposures(), 12)

    connection = ["reconnecting", *["exposure"] * 4, "reconnecting"]
    assert states(given) == connection * 2
    assert [item.detail for item in given if isinstance(item, Pause)] == [
        "connecting to camera 7",
        "camera 7 gives no more pictures",
    ] * 2


def test_live_camera_waits_longer_each_time_it_cannot_be_opened(tmp_path: Path) -> None:
    missing = Device(
        title="camera 7",
        open=lambda: cv2.VideoCapture(str(tmp_path / "missing.avi"), cv2.CAP_FFMPEG),
    )

    given = taken(source(missing).exposures(), 8)

    waits_s = [item.wait_s for item in given if isinstance(item, Pause)][1::2]
    assert [item.detail for item in given if isinstance(item, Pause)][1] == (
        "camera 7 cannot be opened"
    )
    for wait_s, most_s in zip(waits_s, [1, 2, 4, 8], strict=True):
        assert most_s / 2 <= wait_s <= most_s


def test_live_camera_that_gave_pictures_is_connected_again_soon(device: Device) -> None:
    given = taken(source(device).exposures(), 30)

    waits_s = [item.wait_s for item in given if isinstance(item, Pause)]
    assert max(waits_s) <= 1


def test_live_camera_skips_pictures_that_come_before_their_slot(device: Device) -> None:
    # Each look at the clock is 0.1 s later: slots of 4 Hz are due at every second or third picture.
    pacer = Pacer(4, monotonic=Seconds(0.1))

    given = taken(source(device, pacer=pacer).exposures(), 5)

    assert states(given) == ["reconnecting", "exposure", "live", "live", "exposure"]


def test_rtsp_camera_that_accepts_and_never_answers_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/camera"
        begun_at_s = time.monotonic()

        _, lost = taken(source(rtsp_device(url, timeout_ms=300)).exposures(), 2)

    assert isinstance(lost, Pause)
    assert lost.state is CaptureState.RECONNECTING
    assert lost.detail == f"{url} cannot be opened"
    assert time.monotonic() - begun_at_s < 5


def test_usb_camera_that_is_not_there_is_looked_for_again() -> None:
    _, lost = taken(source(usb_device(97)).exposures(), 2)

    assert isinstance(lost, Pause)
    assert lost.detail == "USB camera 97 cannot be opened"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://admin:s3cret@10.0.0.7:554/ch1", "rtsp://10.0.0.7:554/ch1"),
        ("rtsp://10.0.0.7/ch1?profile=2", "rtsp://10.0.0.7/ch1?profile=2"),
        ("rtsp://user:a@b@[fd00::7]/ch1", "rtsp://[fd00::7]/ch1"),
    ],
)
def test_camera_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown
    assert rtsp_device(url).title == shown

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from inspection.capture.exposure import Exposure, Pause
from inspection.capture.video import VideoSource
from inspection.domain.health import CaptureState
from inspection.domain.line import Encoding
from inspection.errors import CaptureError
from tests.conftest import Clock

#: Grey of each picture of the video, far enough apart to survive compression.
GREYS = [20, 70, 120, 170, 220]


def written(path: Path, greys: list[int]) -> Path:
    """Write a real video file."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for grey in greys:
        writer.write(np.full((48, 64, 3), grey, np.uint8))
    writer.release()
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return written(tmp_path / "line.avi", GREYS)


def source(path: Path, **options: Any) -> VideoSource:
    return VideoSource(path, encoding=Encoding.PNG, quality=95, clock=Clock(), **options)


def exposures(given: Iterator[Exposure | Pause]) -> list[Exposure]:
    return [item for item in given if isinstance(item, Exposure)]


def greys(given: list[Exposure]) -> list[int]:
    return [
        round(float(np.asarray(Image.open(io.BytesIO(exposure.payload))).mean()))
        for exposure in given
    ]


def test_video_gives_every_picture_in_order_to_its_end(video: Path) -> None:
    *given, last = source(video).exposures()

    assert greys(exposures(iter(given))) == pytest.approx(GREYS, abs=3)
    assert last == Pause(wait_s=0, state=CaptureState.DRAINED, detail="5 pictures")


def test_video_passes_over_settled_pictures(video: Path) -> None:
    settled = {exposure.key for exposure in exposures(source(video).exposures())[:3]}

    again = source(video, is_settled=settled.__contains__)

    assert greys(exposures(again.exposures())) == pytest.approx(GREYS[3:], abs=3)


def test_video_decodes_a_picture_again_by_its_key(video: Path) -> None:
    third = exposures(source(video).exposures())[2]

    assert third.key is not None
    assert source(video).repeat(third.key) == third


def test_video_that_changed_cannot_repeat_a_picture(video: Path) -> None:
    third = exposures(source(video).exposures())[2]
    video.write_bytes(video.read_bytes() + b"more")

    assert source(video).repeat(third.key or "") is None


def test_video_that_is_cut_off_says_how_much_was_there(tmp_path: Path) -> None:
    path = written(tmp_path / "long.avi", [GREYS[n % 5] for n in range(200)])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])

    *given, last = source(path).exposures()

    assert 0 < len(given) < 200
    assert isinstance(last, Pause)
    assert last.detail == f"the video ended after {len(given)} of 200 pictures it announces"


def test_video_that_is_not_there_cannot_give_exposures(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="No such file"):
        next(source(tmp_path / "missing.mp4").exposures())


def test_file_that_is_no_video_cannot_give_exposures(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")

    with pytest.raises(CaptureError, match="cannot be read as a video"):
        next(source(tmp_path / "text.mp4").exposures())

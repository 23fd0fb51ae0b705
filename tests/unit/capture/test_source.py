from pathlib import Path
from typing import Any

import pytest

from inspection.capture.exposure import Exposure, Pause
from inspection.capture.live import LiveSource
from inspection.capture.source import open_source
from inspection.domain.line import Source
from inspection.errors import ConfigurationError
from tests.conftest import Clock
from tests.factories import camera, jpeg


def open_kind(**source: Any) -> Any:
    return open_source(camera(source=Source(**source)), clock=Clock())


@pytest.mark.parametrize(
    ("kind", "lacking"),
    [
        ("folder", "path"),
        ("video", "path"),
        ("rtsp", "url"),
        ("usb", "device"),
        ("simulated", "product"),
    ],
)
def test_source_names_the_key_it_lacks(kind: str, lacking: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'cam-1' of kind '{kind}' lacks '{lacking}: "):
        open_kind(kind=kind)


def test_source_refuses_a_product_nobody_can_render() -> None:
    with pytest.raises(ConfigurationError, match="wooden spoon"):
        open_kind(kind="simulated", product="wooden spoon")


@pytest.mark.parametrize(
    "address", [{"kind": "rtsp", "url": "rtsp://h/c"}, {"kind": "usb", "device": 0}]
)
def test_source_of_a_device_opens_nothing_before_its_first_exposure(
    address: dict[str, Any],
) -> None:
    source = open_kind(**address)

    source.close()

    assert isinstance(source, LiveSource)
    assert source.repeat("any") is None


def test_source_keeps_to_the_rate_of_its_camera(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(jpeg())
    slow = camera(source=Source(kind="folder", path=tmp_path), rate_hz=0.1)

    first, pause = zip(open_source(slow, clock=Clock()).exposures(), range(2), strict=False)

    assert isinstance(first[0], Exposure)
    assert isinstance(pause[0], Pause)
    assert 9 < pause[0].wait_s <= 10


def test_source_that_is_paced_repeats_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    slow = camera(source=Source(kind="folder", path=tmp_path), rate_hz=0.1)
    source = open_source(slow, clock=Clock())

    exposure = next(source.exposures())

    assert isinstance(exposure, Exposure)
    assert source.repeat(exposure.key or "") == exposure

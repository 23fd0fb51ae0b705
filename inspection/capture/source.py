"""Where exposures come from: one small protocol, and the kind a camera asks for."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Protocol, TypeVar

from inspection.capture.exposure import Exposure, Pause
from inspection.capture.folder import FolderSource, WatchedFolderSource
from inspection.capture.live import LiveSource, rtsp_device, usb_device
from inspection.capture.pacing import Backoff, Pacer, paced
from inspection.capture.rendering import Conveyor
from inspection.capture.simulated import SimulatedSource
from inspection.capture.video import VideoSource
from inspection.domain.line import Camera
from inspection.errors import ConfigurationError

Clock = Callable[[], datetime]

_T = TypeVar("_T")


class ExposureSource(Protocol):
    """A device, file or folder that gives exposures."""

    def exposures(self) -> Iterator[Exposure | Pause]:
        """Give exposures one after the other, and pauses where there are none just now.

        A pause is also a sign of life. A last pause in state `drained` says why there are no more.

        Raises:
            CaptureError: there will be no exposures until somebody changes something.
        """
        ...

    def repeat(self, key: str) -> Exposure | None:
        """Read the exposure with this key again; None if it can no longer be had.

        Raises:
            CaptureError: the source is gone.
        """
        ...

    def close(self) -> None:
        """Let device and files go."""
        ...


class PacedSource:
    """Another source, no faster than its rate."""

    def __init__(self, source: ExposureSource, pacer: Pacer) -> None:
        self._source = source
        self._pacer = pacer

    def exposures(self) -> Iterator[Exposure | Pause]:
        """Give the other source's exposures, each in its slot."""
        return paced(self._source.exposures(), self._pacer)

    def repeat(self, key: str) -> Exposure | None:
        """Read the exposure with this key again, at once."""
        return self._source.repeat(key)

    def close(self) -> None:
        """Close the other source."""
        self._source.close()


def open_source(
    camera: Camera,
    *,
    clock: Clock,
    first_number: int = 1,
    is_settled: Callable[[str], bool] = lambda _key: False,
) -> ExposureSource:
    """Return the source `camera` describes; nothing is opened before its first exposure.

    Args:
        camera: the camera.
        clock: gives the time of an exposure; aware UTC.
        first_number: sequence number of the next frame.
        is_settled: says of a key that its exposure is done and shall not be read again.

    Raises:
        ConfigurationError: the camera's source lacks something or cannot be used.
    """
    if camera.is_pushed:
        raise ConfigurationError(f"camera {camera.name!r} is pushed: there is nothing to capture")
    pacer = Pacer(camera.rate_hz)
    if camera.source.kind in ("rtsp", "usb"):
        return _live(camera, pacer, clock)
    if camera.source.kind == "simulated":
        return PacedSource(_simulated(camera, clock, first_number), pacer)
    return PacedSource(_stored(camera, clock, is_settled), pacer)


def _live(camera: Camera, pacer: Pacer, clock: Clock) -> LiveSource:
    source = camera.source
    if source.kind == "rtsp":
        device = rtsp_device(_needed(source.url, camera, "url: rtsp://…"))
    else:
        device = usb_device(_needed(source.device, camera, "device: 0"))
    return LiveSource(
        device,
        encoding=camera.encoding,
        quality=camera.quality,
        pacer=pacer,
        clock=clock,
        backoff=Backoff(),
    )


def _simulated(camera: Camera, clock: Clock, first_number: int) -> SimulatedSource:
    source = camera.source
    conveyor = Conveyor(
        product=_needed(source.product, camera, "product: metal washer"),
        seed=source.seed,
        size_px=source.size_px,
        defect_rate=source.defect_rate,
        good_parts_count=source.good_parts_count,
    )
    return SimulatedSource(camera, conveyor, clock=clock, first_number=first_number)


def _stored(camera: Camera, clock: Clock, is_settled: Callable[[str], bool]) -> ExposureSource:
    source = camera.source
    path = _needed(source.path, camera, "path: pictures/of/parts")
    if source.kind == "video":
        return VideoSource(
            path,
            encoding=camera.encoding,
            quality=camera.quality,
            clock=clock,
            is_settled=is_settled,
        )
    kind = WatchedFolderSource if source.is_watched else FolderSource
    return kind(
        path,
        clock=clock,
        is_recursive=source.is_recursive,
        name_pattern=source.name_pattern,
        is_settled=is_settled,
    )


def _needed(value: _T | None, camera: Camera, example: str) -> _T:
    if value is None:
        raise ConfigurationError(
            f"camera {camera.name!r} of kind {camera.source.kind!r} lacks {example!r}"
        )
    return value

"""Cameras at an RTSP address or a USB port, connected again whenever they are lost."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import cv2

from inspection.capture.encoding import encoded_bgr
from inspection.capture.exposure import Exposure, Pause
from inspection.capture.pacing import Backoff, Pacer
from inspection.domain.health import CaptureState
from inspection.domain.line import Encoding

#: How long connecting to a camera, or waiting for its next picture, may take.
TIMEOUT_MS = 10_000

#: What OpenCV's FFmpeg must find in the environment variable `OPENCV_FFMPEG_CAPTURE_OPTIONS`:
#: TCP, because over UDP lost packets would show as defects; no look at the frame rate, because that
#: delays the first pictures by up to seconds and nobody asks for it.
FFMPEG_OPTIONS = "rtsp_transport;tcp|fpsprobesize;0"


@dataclass(frozen=True, kw_only=True)
class Device:
    """Something OpenCV can open again and again."""

    #: As people know it; without password.
    title: str
    open: Callable[[], cv2.VideoCapture]


def rtsp_device(url: str, *, timeout_ms: int = TIMEOUT_MS) -> Device:
    """Return the camera at `url`; opening it and each of its pictures may take `timeout_ms`."""
    # Properties of an opened capture come too late for its opening.
    limits = [
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms),
    ]
    return Device(
        title=without_password(url), open=lambda: cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)
    )


def usb_device(number: int) -> Device:
    """Return the USB camera with this number."""
    return Device(title=f"USB camera {number}", open=lambda: cv2.VideoCapture(number))


def without_password(url: str) -> str:
    """Return `url` without user name and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


class LiveSource:
    """Pictures of a device at its own pace, or fewer."""

    def __init__(
        self,
        device: Device,
        *,
        encoding: Encoding,
        quality: int,
        pacer: Pacer,
        clock: Callable[[], datetime],
        backoff: Backoff,
    ) -> None:
        """Prepare to open `device`.

        Args:
            device: the camera.
            encoding: how its pictures are encoded.
            quality: of a JPEG, 1 to 100.
            pacer: pictures that come before their slot are skipped.
            clock: gives the time at which a picture arrives; aware UTC.
            backoff: waits between attempts to connect.
        """
        self._device = device
        self._encoding = encoding
        self._quality = quality
        self._pacer = pacer
        self._clock = clock
        self._backoff = backoff
        self._capture: cv2.VideoCapture | None = None

    def exposures(self) -> Iterator[Exposure | Pause]:
        """Give pictures for ever; a device that is lost is a pause."""
        title = self._device.title
        while True:
            yield self._lost(0, f"connecting to {title}")
            self._capture = self._device.open()
            is_open = self._capture.isOpened()
            yield from self._taken(self._capture)
            self.close()
            what = "gives no more pictures" if is_open else "cannot be opened"
            yield self._lost(self._backoff.next_s(), f"{title} {what}")

    def repeat(self, key: str) -> None:
        """Return None: what a device showed is gone."""
        del key

    def close(self) -> None:
        """Let the device go."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _taken(self, capture: cv2.VideoCapture) -> Iterator[Exposure | Pause]:
        while capture.grab():
            captured_at = self._clock()
            if self._pacer.delay_s() > 0:
                yield Pause(wait_s=0, state=CaptureState.LIVE)
                continue
            is_there, image = capture.retrieve()
            if not is_there:
                return
            self._pacer.take()
            self._backoff.reset()
            payload, media_type = encoded_bgr(image, encoding=self._encoding, quality=self._quality)
            yield Exposure(payload=payload, media_type=media_type, captured_at=captured_at)

    @staticmethod
    def _lost(wait_s: float, detail: str) -> Pause:
        return Pause(wait_s=wait_s, state=CaptureState.RECONNECTING, detail=detail)

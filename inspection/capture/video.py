"""A video file as a camera: every picture of it, to its end."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import cv2

from inspection.capture.encoding import encoded_bgr
from inspection.capture.exposure import Exposure, Pause
from inspection.domain.health import CaptureState
from inspection.domain.line import Encoding
from inspection.errors import CaptureError


class VideoSource:
    """Pictures of a video file in their order."""

    def __init__(
        self,
        path: Path,
        *,
        encoding: Encoding,
        quality: int,
        clock: Callable[[], datetime],
        is_settled: Callable[[str], bool] = lambda _key: False,
    ) -> None:
        """Prepare to read `path`.

        Args:
            path: the file, in any format FFmpeg reads.
            encoding: how its pictures are encoded again.
            quality: of a JPEG, 1 to 100.
            clock: gives the time at which a picture is read; aware UTC.
            is_settled: says of a key that its exposure is done and shall not be read again.
        """
        self._path = path
        self._encoding = encoding
        self._quality = quality
        self._clock = clock
        self._is_settled = is_settled

    def exposures(self) -> Iterator[Exposure | Pause]:
        """Give every picture once.

        Raises:
            CaptureError: the file is not there or cannot be read as a video.
        """
        return self._decoded(is_wanted=lambda key: not self._is_settled(key))

    def repeat(self, key: str) -> Exposure | None:
        """Decode the picture with this key again; None if the file has changed.

        Raises:
            CaptureError: the file is not there or cannot be read as a video.
        """
        if not key.startswith(self._stamp()):
            return None
        given = self._decoded(is_wanted=lambda other: other == key)
        return next((item for item in given if isinstance(item, Exposure)), None)

    def close(self) -> None:
        """Nothing is held open: the file is closed when its pictures end."""

    def _stamp(self) -> str:
        try:
            status = self._path.stat()
        except OSError as error:
            raise CaptureError(
                f"the video {self._path} cannot be read: {error.strerror}"
            ) from error
        return f"{status.st_size}:{status.st_mtime_ns}:"

    def _decoded(self, *, is_wanted: Callable[[str], bool]) -> Iterator[Exposure | Pause]:
        stamp = self._stamp()
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        try:
            count = 0
            while capture.grab():
                count += 1
                key = f"{stamp}{count}"
                # The picture is decoded by `grab`; what `retrieve` saves is its conversion.
                yield self._retrieved(capture, key) if is_wanted(key) else _SIGN
            yield self._ended(count, round(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        finally:
            capture.release()

    def _retrieved(self, capture: cv2.VideoCapture, key: str) -> Exposure:
        is_there, image = capture.retrieve()
        if not is_there:
            raise CaptureError(f"a picture of the video {self._path} cannot be decoded")
        payload, media_type = encoded_bgr(image, encoding=self._encoding, quality=self._quality)
        return Exposure(payload=payload, media_type=media_type, captured_at=self._clock(), key=key)

    def _ended(self, count: int, announced_count: int) -> Pause:
        if count == 0:
            raise CaptureError(f"{self._path} cannot be read as a video")
        detail = f"{count} pictures"
        if count < announced_count:
            detail = f"the video ended after {count} of {announced_count} pictures it announces"
        return Pause(wait_s=0, state=CaptureState.DRAINED, detail=detail)


_SIGN = Pause(wait_s=0, state=CaptureState.LIVE)

"""A simulated camera above a conveyor; whoever knows seed and serial number knows the truth."""

from collections.abc import Callable, Iterator
from datetime import datetime

from inspection.capture.encoding import encoded_rgb
from inspection.capture.exposure import Exposure, Pause
from inspection.capture.rendering import Conveyor
from inspection.domain.line import Camera


def part_serial(camera_name: str, number: int) -> str:
    """Return the serial number of the part of which frame `number` was taken: `NAME-000123`."""
    return f"{camera_name}-{number:06d}"


class SimulatedSource:
    """Parts that pass for ever below a camera: frame number n shows part n - 1 of the conveyor."""

    def __init__(
        self,
        camera: Camera,
        conveyor: Conveyor,
        *,
        clock: Callable[[], datetime],
        first_number: int = 1,
    ) -> None:
        """Prepare the conveyor.

        Args:
            camera: gives name and encoding.
            conveyor: brings the parts.
            clock: gives the time at which a part passes; aware UTC.
            first_number: sequence number of the next frame, so that a restart repeats no part.
        """
        self._camera = camera
        self._conveyor = conveyor
        self._clock = clock
        self._number = first_number

    def exposures(self) -> Iterator[Exposure | Pause]:
        """Give part after part, as fast as they can be rendered."""
        while True:
            captured_at = self._clock()
            part = self._conveyor.part(self._number - 1)
            payload, media_type = encoded_rgb(
                part.image, encoding=self._camera.encoding, quality=self._camera.quality
            )
            serial = part_serial(self._camera.name, self._number)
            self._number += 1
            yield Exposure(
                payload=payload,
                media_type=media_type,
                captured_at=captured_at,
                part_serial=serial,
            )

    def repeat(self, key: str) -> None:
        """Return None: parts on a conveyor do not come back."""
        del key

    def close(self) -> None:
        """Nothing is held open."""

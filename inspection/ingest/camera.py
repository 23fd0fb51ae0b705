"""One camera: from its exposures to frames in its stream, so that no number is ever lost.

The way of an exposure here:

1. The journal gives it an identity, on disk before anything else knows it.
2. The frame is added to the stream; when that is full or away, the camera's policy decides.
3. The journal settles the identity.

Whatever ends the process between two steps leaves an identity held. The next start settles what
the stream has seen, sends again what can be read again, and drops the rest with its cause.
"""

from collections.abc import Callable, Iterator
from time import monotonic

from inspection.capture.exposure import CaptureState, Exposure, Pause
from inspection.capture.journal import Held, Journal
from inspection.capture.pacing import Backoff
from inspection.capture.source import ExposureSource
from inspection.domain.frame import Frame, FrameIdentity
from inspection.domain.ledger import Cause
from inspection.domain.line import Camera
from inspection.errors import CaptureError, UnavailableError
from inspection.ingest.link import Link
from inspection.ingest.message import Beat
from inspection.ingest.outlet import Outlet


class CameraCapture:
    """Moves the exposures of one camera into its stream."""

    def __init__(
        self,
        camera: Camera,
        *,
        open_source: Callable[[int], ExposureSource],
        journal: Journal,
        outlet: Outlet,
        link: Link,
    ) -> None:
        """Prepare the camera.

        Args:
            camera: the camera.
            open_source: makes its source; takes the sequence number of the next frame.
            journal: of the camera.
            outlet: of the camera, with the same journal.
            link: to the watchdog.
        """
        self._camera = camera
        self._open_source = open_source
        self._journal = journal
        self._outlet = outlet
        self._link = link

    def run(self, *, ledger_sequence_number: int | None = None) -> Beat:
        """Capture until there is nothing more to come or the link says stop; return the last word.

        Args:
            ledger_sequence_number: the highest in the ledger; None when nobody could be asked.

        Raises:
            CaptureError: the source cannot give exposures until somebody changes something.
            ConfigurationError: the camera's source cannot be used.
        """
        self._resume_numbers(ledger_sequence_number)
        source = self._open_source(self._journal.last_sequence_number + 1)
        try:
            self._resume_held(source)
            detail = self._capture(source.exposures())
        finally:
            source.close()
        if detail is None:
            return self._outlet.last_word(CaptureState.STOPPED)
        return self._outlet.last_word(CaptureState.DRAINED, detail)

    def _resume_numbers(self, ledger_sequence_number: int | None) -> None:
        """Go on after the highest number anybody knows.

        No number may be given before the stream has been asked: it knows more than a journal that
        was lost.
        """
        backoff = Backoff()
        while not self._link.is_stopping:
            try:
                last = self._outlet.last_entry()
            except UnavailableError as error:
                self._wait(
                    Pause(wait_s=backoff.next_s(), state=CaptureState.STARTING, detail=str(error))
                )
                continue
            in_stream = 0 if last is None else last.sequence_number
            self._journal.resume_from(max(in_stream, ledger_sequence_number or 0))
            for held in self._journal.held():
                # The stream takes numbers in their order only.
                if held.identity.sequence_number <= in_stream:
                    self._journal.settle(held.identity)
            return

    def _resume_held(self, source: ExposureSource) -> None:
        """Send what was held again, before any greater number."""
        for held in self._journal.held():
            exposure = self._repeated(source, held)
            if self._link.is_stopping:
                return
            if exposure is None:
                self._outlet.drop(held.identity, Cause.INTERRUPTED)
            else:
                self._send(exposure, held.identity)

    def _repeated(self, source: ExposureSource, held: Held) -> Exposure | None:
        if held.key is None:
            return None
        backoff = Backoff()
        while not self._link.is_stopping:
            try:
                return source.repeat(held.key)
            except CaptureError as error:
                if not self._camera.source.is_watched:
                    raise
                wait_s = backoff.next_s()
                self._wait(Pause(wait_s=wait_s, state=CaptureState.RECONNECTING, detail=str(error)))
        return None

    def _capture(self, exposures: Iterator[Exposure | Pause]) -> str | None:
        """Take exposures; return why there are no more, None when told to stop."""
        detail = ""
        while not self._link.is_stopping:
            if self._has_enough():
                return f"all {self._camera.frames} frames it was to give"
            given = next(exposures, None)
            if given is None:
                return detail
            if isinstance(given, Pause):
                detail = given.detail
                self._wait(given)
            else:
                self._take(given)
        return None

    def _has_enough(self) -> bool:
        wanted = self._camera.frames
        return wanted is not None and self._journal.last_sequence_number >= wanted

    def _take(self, exposure: Exposure) -> None:
        identity = self._journal.give(exposure.key, exposure.captured_at)
        if identity is not None:
            self._send(exposure, identity)
            self._outlet.say(CaptureState.LIVE)

    def _send(self, exposure: Exposure, identity: FrameIdentity) -> None:
        frame = Frame(
            identity=identity,
            payload=exposure.payload,
            media_type=exposure.media_type,
            product=self._product(),
            part_serial=exposure.part_serial,
            lot=exposure.lot,
            trigger_id=exposure.trigger_id,
        )
        self._outlet.send(frame, is_repeatable=exposure.key is not None)

    def _product(self) -> str | None:
        """Return what is on the pictures; what the line made when last heard of, if unknown."""
        if self._camera.product is not None:
            return self._camera.product
        if self._link.making is None:
            return self._journal.product
        product = self._link.making.product
        if product != self._journal.product:
            self._journal.remember_product(product)
        return product

    def _wait(self, pause: Pause) -> None:
        until_s = monotonic() + pause.wait_s
        # A last pause before the end is not a state to be told; the last word is.
        if pause.state is not CaptureState.DRAINED:
            self._outlet.say(pause.state, pause.detail)
        while (rest_s := until_s - monotonic()) > 0 and not self._link.is_stopping:
            self._link.pause(rest_s)
            self._outlet.say(pause.state, pause.detail)

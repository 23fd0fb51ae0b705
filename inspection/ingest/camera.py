"""One camera: from its exposures to frames in its stream, so that no number is ever lost.

Nothing is done before the camera is ours: another machine may capture one of the same name.

The way of an exposure here:

1. The journal gives it an identity, on disk before anything else knows it.
2. The frame is added to the stream; when that is full or away, the camera's policy decides.
3. The journal settles the identity.
4. Now and then a live camera's picture is looked at: does it still see what it should?

Whatever ends the process between two steps leaves an identity held. The next start settles what
the stream has seen, sends again what can be read again, and drops the rest with its cause.
"""

from collections.abc import Callable, Iterator
from time import monotonic

from inspection.capture.exposure import Exposure, Pause
from inspection.capture.journal import Held, Journal
from inspection.capture.pacing import Backoff
from inspection.capture.source import ExposureSource
from inspection.domain.frame import Frame, FrameIdentity
from inspection.domain.health import CaptureState
from inspection.domain.ledger import Cause
from inspection.domain.line import Camera
from inspection.domain.view import View
from inspection.errors import CaptureError, UnavailableError
from inspection.ingest.link import Link
from inspection.ingest.message import Beat, Making
from inspection.ingest.outlet import Outlet
from inspection.ingest.recovery import Recovery
from inspection.ingest.watched_view import WatchedView
from inspection.stream.ownership import taken_by
from inspection.telemetry import logger

#: Seconds between two tries to take the camera.
CLAIM_AGAIN_S = 1.0


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
        recovery: Recovery,
    ) -> None:
        """Prepare the camera.

        Args:
            camera: the camera.
            open_source: makes its source; takes the sequence number of the next frame.
            journal: of the camera.
            outlet: of the camera, with the same journal.
            link: to the watchdog.
            recovery: of its device.
        """
        self._camera = camera
        self._open_source = open_source
        self._journal = journal
        self._outlet = outlet
        self._link = link
        self._recovery = recovery
        self._hindrance = ""
        self._view = WatchedView(camera.name, journal) if camera.is_live else None

    def run(self, *, ledger_sequence_number: int | None = None) -> Beat:
        """Capture until there is nothing more to come or the link says stop; return the last word.

        Args:
            ledger_sequence_number: the highest in the ledger; None when nobody could be asked.

        Raises:
            CaptureError: the source cannot give exposures until somebody changes something.
            ConfigurationError: the camera's source cannot be used, or another machine captures it.
        """
        self._claim()
        self._resume_numbers(ledger_sequence_number)
        is_over, detail = False, None
        while not is_over:
            source = self._open_source(self._journal.last_sequence_number + 1)
            try:
                self._resume_held(source)
                is_over, detail = self._capture(source.exposures())
            finally:
                source.close()
        if detail is None:
            return self._outlet.last_word(CaptureState.STOPPED)
        return self._outlet.last_word(CaptureState.DRAINED, detail)

    def _claim(self) -> None:
        """Take the camera; a machine that went away without a word has it for a while yet."""
        backoff = Backoff()
        give_up_s = monotonic() + self._outlet.patience_s
        while not self._link.is_stopping:
            try:
                host = self._outlet.claim()
            except UnavailableError as error:
                give_up_s = monotonic() + self._outlet.patience_s
                self._get_ready(backoff.next_s(), str(error))
                continue
            if host is None:
                return
            if monotonic() >= give_up_s:
                raise taken_by(host, self._camera.name)
            self._get_ready(CLAIM_AGAIN_S, f"{host} has the camera; is it alive?")

    def _resume_numbers(self, ledger_sequence_number: int | None) -> None:
        """Go on after the highest number anybody knows.

        No number may be given before the stream has been asked: it knows more than a journal that
        was lost. When neither journal nor stream know the camera, the ledger must be asked too.
        """
        backoff = Backoff()
        while not self._link.is_stopping:
            try:
                last = self._outlet.last_entry()
            except UnavailableError as error:
                self._get_ready(backoff.next_s(), str(error))
                continue
            in_stream = 0 if last is None else last.sequence_number
            in_ledger = self._in_ledger(ledger_sequence_number)
            known = (self._journal.last_sequence_number, in_stream, in_ledger)
            if known == (0, 0, None):
                self._get_ready(
                    CLAIM_AGAIN_S,
                    "it is new here, and the database does not answer, which may know its numbers",
                )
                continue
            self._journal.resume_from(max(in_stream, in_ledger or 0))
            for held in self._journal.held():
                # The stream takes numbers in their order only.
                if held.identity.sequence_number <= in_stream:
                    self._journal.settle(held.identity)
            return

    def _in_ledger(self, at_start: int | None) -> int | None:
        """Return the highest number in the ledger; None while nobody could be asked."""
        return self._making().ledger_sequence_number if at_start is None else at_start

    def _making(self) -> Making:
        return self._link.making or Making(product=None)

    def _get_ready(self, wait_s: float, detail: str) -> None:
        if detail != self._hindrance:
            logger().warning("camera_not_ready", camera=self._camera.name, why=detail)
            self._hindrance = detail
        self._wait(Pause(wait_s=wait_s, state=CaptureState.STARTING, detail=detail))

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

    def _capture(self, exposures: Iterator[Exposure | Pause]) -> tuple[bool, str | None]:
        """Take exposures; return whether that is all, and why: None when told to stop."""
        detail = ""
        while not self._link.is_stopping:
            if self._has_enough():
                return True, f"all {self._camera.frames} frames it was to give"
            given = next(exposures, None)
            if given is None:
                return True, detail
            if isinstance(given, Pause):
                detail = given.detail
                self._wait(given)
            else:
                self._take(given)
            if self._is_to_be_opened_again(given):
                return False, None
            if isinstance(given, Exposure):
                self._outlet.say(CaptureState.LIVE)
        return True, None

    def _has_enough(self) -> bool:
        wanted = self._camera.frames
        return wanted is not None and self._journal.last_sequence_number >= wanted

    def _take(self, exposure: Exposure) -> None:
        self._outlet.condition.note_exposure(exposure.captured_at)
        identity = self._journal.give(exposure.key, exposure.captured_at)
        if identity is None:
            return
        product = self._send(exposure, identity)
        if self._view is not None:
            self._view.accept(self._making().view_accepted_at)
            view = self._view.look(exposure.payload, product)
            tried = self._recovery.tried if view.state.is_blind else ""
            self._outlet.condition.view = View(state=view.state, detail=view.detail + tried)

    def _is_to_be_opened_again(self, given: Exposure | Pause) -> bool:
        """Say whether the device, which is there, needs help; it is being looked for otherwise."""
        is_there = isinstance(given, Exposure) or given.state is CaptureState.LIVE
        if not is_there or self._view is None:
            return False
        if not self._recovery.is_due(self._outlet.condition):
            return False
        self._view.begin_anew()
        self._outlet.condition.view = View()
        return True

    def _send(self, exposure: Exposure, identity: FrameIdentity) -> str | None:
        """Send the frame; return what is on it."""
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
        return frame.product

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
            self._say(pause)
        while (rest_s := until_s - monotonic()) > 0 and not self._link.is_stopping:
            self._link.pause(rest_s)
            self._say(pause)

    def _say(self, pause: Pause) -> None:
        tried = self._recovery.tried if self._outlet.condition.is_quiet else ""
        self._outlet.say(pause.state, (pause.detail + tried).removeprefix("; "))

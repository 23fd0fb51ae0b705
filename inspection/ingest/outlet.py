"""A camera's way out: its frames, its drops, and what it says of itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from time import monotonic

from inspection.capture.journal import Journal
from inspection.capture.pacing import Backoff
from inspection.domain.frame import EntryId, Frame, FrameIdentity
from inspection.domain.health import CaptureState
from inspection.domain.ledger import Cause
from inspection.domain.line import Camera, OverflowPolicy
from inspection.domain.view import View
from inspection.errors import ConfigurationError, UnavailableError
from inspection.ingest.condition import Condition
from inspection.ingest.link import Link
from inspection.ingest.message import Beat
from inspection.stream.admission import Admission
from inspection.stream.ownership import taken_by
from inspection.stream.producer import Producer
from inspection.telemetry import logger

#: After being told to stop, how long a frame may wait for room in its stream, in seconds.
STOP_S = 5.0

#: First and longest wait for room in the stream, in seconds.
ROOM_FIRST_S, ROOM_LIMIT_S = 0.005, 0.05

#: Seconds between two reports to the stream's server that say the same, and between any two.
REPORT_S, REPORT_LEAST_S = 2.0, 0.5

#: Seconds after a failure for which the server is left alone: a time-out for every frame would
#: hold up a camera that cannot wait.
OUTAGE_S = 0.5

#: Drops told to the server at a time, before a frame.
DROPS_AT_ONCE = 100


class Outlet:
    """Adds frames to the stream as the camera's policy says, and settles them in the journal."""

    def __init__(
        self,
        camera: Camera,
        *,
        producer: Producer,
        journal: Journal,
        link: Link,
        clock: Callable[[], datetime],
        stop_s: float = STOP_S,
    ) -> None:
        """Prepare to send.

        Args:
            camera: gives name and overflow policy.
            producer: of the camera's stream.
            journal: of the camera.
            link: to the watchdog.
            clock: gives aware UTC times.
            stop_s: after being told to stop, how long a frame may wait for room in the stream.
        """
        self._camera = camera
        self._producer = producer
        self._journal = journal
        self._link = link
        self._clock = clock
        self._stop_s = stop_s
        self._is_full = False
        self._absence: str | None = None
        self._away_until_s = 0.0
        self._may_have_drops = True
        self._is_owner = False
        self._said: Beat | None = None
        self._reported: tuple[CaptureState, View, float] | None = None
        self.condition = Condition(camera, host=producer.ownership.host)

    @property
    def patience_s(self) -> float:
        """Seconds after which another machine that still has the camera is left alone."""
        return self._producer.ownership.patience_s

    def claim(self) -> str | None:
        """Take the camera; return the name of the machine that has it, None when it is ours.

        Nothing is reported before, and nobody's drops are told.

        Raises:
            UnavailableError: the server does not answer.
        """
        with self._noted_absence():
            host = self._producer.ownership.claim()
            self._is_owner = host is None
            if self._is_owner and self._said is not None:
                self._report(self._said)
        return host

    def last_entry(self) -> EntryId | None:
        """Return the newest id ever given in the stream, None when there is no stream.

        Raises:
            UnavailableError: the server does not answer.
        """
        with self._noted_absence():
            return self._producer.last_entry()

    def send(self, frame: Frame, *, is_repeatable: bool) -> None:
        """Add the frame to the stream, or drop it with its cause.

        Told to stop while the stream has no room, it waits a little longer; after that a frame
        that can be had again stays held, and any other is dropped.

        Args:
            frame: with an identity from the journal.
            is_repeatable: whether the next start can send it again.
        """
        backoff = Backoff(first_s=ROOM_FIRST_S, limit_s=ROOM_LIMIT_S)
        give_up_at_s: float | None = None
        while give_up_at_s is None or monotonic() < give_up_at_s:
            if self._is_done(frame):
                return
            self._link.pause(backoff.next_s())
            if self._link.is_stopping and give_up_at_s is None:
                give_up_at_s = monotonic() + self._stop_s
        if not is_repeatable:
            self.drop(frame.identity, Cause.INTERRUPTED)

    def drop(self, identity: FrameIdentity, cause: Cause) -> None:
        """Record that the frame is dropped; the server is told before the next frame."""
        self._journal.drop(identity, cause)
        self._may_have_drops = True

    def say(self, state: CaptureState, detail: str = "") -> Beat:
        """Tell the watchdog at once, and the stream's server now and then, what is going on.

        Raises:
            ConfigurationError: another machine captures the camera.
        """
        beat = Beat(state=state, detail=detail, accepted_count=self._journal.last_sequence_number)
        self._said = beat
        self._link.beat(beat)
        now_s = monotonic()
        is_due = self._is_owner and now_s >= self._away_until_s
        if is_due and self._is_report_due(state, now_s):
            with suppress(UnavailableError), self._noted_absence():
                self._report(beat)
        return beat

    def last_word(self, state: CaptureState, detail: str = "") -> Beat:
        """Tell everybody for the last time, with drops that are still to be told."""
        beat = Beat(state=state, detail=detail, accepted_count=self._journal.last_sequence_number)
        self._link.beat(beat)
        try:
            while self._is_owner and self._may_have_drops:
                self._tell_drops()
            if self._is_owner:
                self._report(beat)
                self._producer.ownership.release()
        except UnavailableError as error:
            logger().warning("report_kept", camera=self._camera.name, why=str(error))
        return beat

    def _is_done(self, frame: Frame) -> bool:
        """Try once to add the frame, and settle or drop it if that decided its fate."""
        try:
            admission = self._add(frame)
        except UnavailableError as error:
            if self._camera.overflow is not OverflowPolicy.BLOCK:
                self.drop(frame.identity, Cause.UNAVAILABLE)
                return True
            self.say(CaptureState.WAITING, str(error))
            return False
        if admission is Admission.FULL:
            self.say(CaptureState.WAITING, "the stream is full")
            return False
        self._journal.settle(frame.identity)
        return True

    def _add(self, frame: Frame) -> Admission:
        if monotonic() < self._away_until_s:
            raise UnavailableError(self._absence)
        with self._noted_absence():
            self._tell_drops()
            # A camera that waits for room does not send its picture again and again.
            if self._is_full and not self._producer.has_room():
                return Admission.FULL
            admission = self._added(frame)
        self._is_full = admission is Admission.FULL
        return admission

    def _added(self, frame: Frame) -> Admission:
        try:
            return self._producer.add(frame)
        except ConfigurationError:
            self._is_owner = False
            raise

    def _tell_drops(self) -> None:
        if not self._may_have_drops:
            return
        drops = self._journal.undelivered_drops(limit=DROPS_AT_ONCE)
        last = self._producer.last_entry() if drops else None
        # The newest entry may have arrived after all, and only the answer was lost.
        there = None if last is None else last.sequence_number
        self._producer.drop_all(
            (drop.identity, drop.cause) for drop in drops if drop.identity.sequence_number != there
        )
        self._journal.forget_drops([drop.identity for drop in drops])
        self._may_have_drops = len(drops) == DROPS_AT_ONCE

    @contextmanager
    def _noted_absence(self) -> Iterator[None]:
        try:
            yield
        except UnavailableError as error:
            if self._absence is None:
                logger().warning("stream_unavailable", camera=self._camera.name, why=str(error))
            self._absence = str(error)
            self._away_until_s = monotonic() + OUTAGE_S
            raise
        if self._absence is not None:
            logger().info("stream_available", camera=self._camera.name)
        self._absence = None
        self._away_until_s = 0.0

    def _is_report_due(self, state: CaptureState, now_s: float) -> bool:
        if self._reported is None:
            return True
        before, view, before_s = self._reported
        is_same = state is before and self.condition.view.state is view.state
        return now_s - before_s >= (REPORT_S if is_same else REPORT_LEAST_S)

    def _report(self, beat: Beat) -> None:
        self._reported = beat.state, self.condition.view, monotonic()
        host = self._producer.report(self.condition.state(beat, self._clock()))
        if host is not None:
            self._is_owner = False
            raise taken_by(host, self._camera.name)

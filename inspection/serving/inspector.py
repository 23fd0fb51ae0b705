"""The inspector: takes frames from the streams, has them scored, judged and recorded.

The way of a frame here:

1. The reader takes deliveries while the window has room; what is no frame becomes a finding.
2. Frames taken together go to a replica in calls of up to `CALL_FRAMES`, each with its recipe and
   the name of its reference, whose file follows when the replica lacks it.
3. The writer records findings, many in one transaction, and only then acknowledges them.
4. When a call fails, its frames are suspects: once a probe is answered again they are retried one
   at a time, with nothing else under way, and dead-lettered after `ALONE_LIMIT` such attempts.
   A failed call never counts against a frame that was not alone: an outage dead-letters nothing.

Whatever ends this process leaves the rest pending in the stream; its successor, or another
inspector once they are stale, takes it from there.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from inspection.domain.frame import Frame
from inspection.domain.inspection import Latencies
from inspection.domain.ledger import Reason
from inspection.errors import CodecError, UnavailableError
from inspection.serving.floor import Floor
from inspection.serving.patience import BACKOFF_S, Outage, is_over, sleep
from inspection.serving.recorder import Finding, Judged, Recorder, Unjudged
from inspection.serving.redrive import Redrive
from inspection.serving.request import Outcome, Refused, Request
from inspection.serving.scoring import Scoring, probe
from inspection.serving.supply import Supply
from inspection.serving.window import Window
from inspection.serving.writer import Writer
from inspection.stream.consumer import Consumer
from inspection.stream.delivery import Delivery
from inspection.telemetry import logger

#: Frames of one call to a replica.
CALL_FRAMES = 8

#: Encoded bytes an inspector holds at once.
WINDOW_BYTES = 64 * 2**20

#: An inspector waits so long for a frame before it looks around; its client must allow it.
BLOCK_MS = 500

#: A frame delivered more often than this is a suspect.
DELIVERY_LIMIT = 5

#: Attempts alone before a suspect is dead-lettered.
ALONE_LIMIT = 3

#: Seconds between looks at cameras, recipes and references, at drops, and at stale deliveries.
FLOOR_S, DROPS_S, RECLAIM_S = 1.0, 0.5, 5.0

#: Seconds between looks for dead letters to be inspected again, and for bytes nobody needs.
REDRIVE_S, SWEEP_S = 1.0, 2.0

#: Drops recorded in one transaction at most.
DROPS_COUNT = 256

#: Without an answer to a probe for so long the process gives up, to be started anew.
OUTAGE_LIMIT = timedelta(seconds=120)


class Inspector:
    """One inspector; any number may share the streams."""

    def __init__(
        self,
        *,
        consumer: Consumer,
        scoring: Scoring,
        recorder: Recorder,
        clock: Callable[[], datetime],
        window_frames: int,
        outage_limit: timedelta = OUTAGE_LIMIT,
    ) -> None:
        self._consumer = consumer
        self._scoring = scoring
        self._supply = Supply(scoring, recorder.reference_file)
        self._recorder = recorder
        self._clock = clock
        self._outage_limit = outage_limit
        self._window = Window(frames_limit=window_frames, bytes_limit=WINDOW_BYTES)
        # Frames are taken by whole calls: with room for one or two, calls would be as small.
        self._least_room = min(CALL_FRAMES, window_frames)
        self._redrive = Redrive(
            recorder.database, consumer.dead_letters, name=consumer.name, clock=clock
        )
        self._writer = Writer(
            consumer=consumer,
            recorder=recorder,
            redrive=self._redrive,
            window=self._window,
            clock=clock,
        )
        self._floor = Floor()
        self._prepared: set[str] = set()
        self._suspects: deque[tuple[Delivery, Frame]] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._group = asyncio.TaskGroup()
        self._stop = asyncio.Event()

    async def run(
        self, stop: asyncio.Event, *, turned: Callable[[int], None] = lambda _count: None
    ) -> None:
        """Inspect until `stop` is set, then finish what is under way.

        Args:
            stop: ends the work.
            turned: told how many frames were settled, each time the work comes round.

        Raises:
            UnavailableError: no replica has answered a probe for `outage_limit`.
        """
        self._stop = stop
        self._writer.turned = turned
        finished = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._writer.run(finished))
                await self._take_frames(stop)
                finished.set()
        except* UnavailableError as errors:
            first: BaseException = errors
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            raise UnavailableError(str(first)) from errors

    async def _take_frames(self, stop: asyncio.Event) -> None:
        """Take until `stop`, then wait for the calls that are under way."""
        async with asyncio.TaskGroup() as self._group:
            self._group.create_task(self._read(stop))
            self._group.create_task(self._recover(stop))
            self._group.create_task(self._repeat(self._refresh_floor, FLOOR_S, stop))
            self._group.create_task(self._repeat(self._move_drops, DROPS_S, stop))
            self._group.create_task(self._repeat(self._reclaim, RECLAIM_S, stop))
            self._group.create_task(self._repeat(self._take_up_letters, REDRIVE_S, stop))
            self._group.create_task(self._repeat(self._redrive.sweep, SWEEP_S, stop))

    async def _read(self, stop: asyncio.Event) -> None:
        outage = Outage("stream")
        while not is_over(stop):
            # What is held must be settled before it counts as a turn of the work.
            if self._window.is_empty:
                self._writer.turned(0)
            if self._suspects or not self._floor.cameras or self._window.room < self._least_room:
                await self._window.change(timeout_s=BACKOFF_S)
                continue
            try:
                self._admit(await self._take())
            except UnavailableError as error:
                # A reply may be lost: what it held is pending under our own name.
                self._prepared.clear()
                await outage.wait(error, stop)
            else:
                outage.over()

    async def _take(self) -> list[Delivery]:
        cameras = self._floor.cameras
        if fresh := [camera for camera in cameras if camera not in self._prepared]:
            await self._consumer.prepare(fresh)
            self._prepared.update(fresh)
            return await self._consumer.resume(fresh)
        count = max(1, min(CALL_FRAMES, self._window.room // len(cameras)))
        return await self._consumer.take(cameras, count=count, block_ms=BLOCK_MS)

    def _admit(self, deliveries: Sequence[Delivery]) -> None:
        """Hold new deliveries and send their frames to the replicas."""
        call: list[tuple[Delivery, Frame]] = []
        for delivery in deliveries:
            if not self._window.admit(delivery):
                continue
            frame = self._opened(delivery)
            if frame is None:
                continue
            if delivery.delivery_count > DELIVERY_LIMIT:
                self._suspects.append((delivery, frame))
                continue
            call.append((delivery, frame))
        for begin in range(0, len(call), CALL_FRAMES):
            task = self._group.create_task(self._score(call[begin : begin + CALL_FRAMES]))
            self._calls.add(task)
            task.add_done_callback(self._call_ended)

    def _call_ended(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        self._window.signal()

    def _opened(self, delivery: Delivery) -> Frame | None:
        """Return the frame; None after finding that the entry holds none."""
        try:
            return self._consumer.frame(delivery)
        except CodecError as error:
            self._writer.put(
                delivery,
                Unjudged(
                    identity=delivery.identity,
                    reason=Reason(error.reason),
                    detail=str(error),
                    size_bytes=delivery.payload_bytes,
                ),
            )
            return None

    async def _score(self, call: Sequence[tuple[Delivery, Frame]]) -> None:
        begun_at = self._clock()
        requests = [
            Request(
                payload=frame.payload,
                recipe=self._floor.recipe_of(frame),
                reference=self._floor.reference_of(frame),
            )
            for _, frame in call
        ]
        try:
            answers = await self._supply.score(requests, self._stop)
        except UnavailableError as error:
            logger().warning("call_failed", frames=len(call), why=str(error))
            self._suspects.extend(call)
            return
        ended_at = self._clock()
        for (delivery, frame), answer in zip(call, answers, strict=True):
            latencies = Latencies(
                waited_ms=_between_ms(frame.identity.captured_at, begun_at),
                inference_ms=_between_ms(begun_at, ended_at),
            )
            self._writer.put(delivery, _finding(frame, answer, latencies))

    async def _recover(self, stop: asyncio.Event) -> None:
        """Retry suspects one at a time, once the replicas answer again."""
        answered_at = self._clock()
        while not is_over(stop):
            if not self._suspects or self._calls:
                answered_at = self._clock()
                await self._window.change(timeout_s=BACKOFF_S)
            elif await probe(self._scoring):
                answered_at = self._clock()
                await self._retry_alone(*self._suspects.popleft(), stop)
            elif self._clock() - answered_at > self._outage_limit:
                raise UnavailableError(f"no replica has answered for {self._outage_limit}")
            else:
                await sleep(BACKOFF_S, stop)

    async def _retry_alone(self, delivery: Delivery, frame: Frame, stop: asyncio.Event) -> None:
        try:
            attempts = await Outage("stream").outlast(
                lambda: self._consumer.attempted_alone(delivery), stop
            )
        except UnavailableError:
            return  # stopping; it stays pending
        if attempts <= ALONE_LIMIT:
            await self._score([(delivery, frame)])
            return
        self._writer.put(
            delivery,
            Unjudged(
                identity=frame.identity,
                reason=Reason.DELIVERIES,
                detail=f"inspecting it, alone, failed {ALONE_LIMIT} times",
                frame=frame,
            ),
        )

    async def _repeat(
        self, chore: Callable[[], Awaitable[None]], every_s: float, stop: asyncio.Event
    ) -> None:
        outage = Outage(chore.__name__.strip("_"))
        while not is_over(stop):
            try:
                await chore()
            except UnavailableError as error:
                await outage.wait(error, stop)
            else:
                outage.over()
            await sleep(every_s, stop)

    async def _refresh_floor(self) -> None:
        self._floor = await asyncio.to_thread(self._recorder.floor)

    async def _reclaim(self) -> None:
        """Take over what other inspectors, or replies that were lost, left behind."""
        if self._floor.cameras and self._window.room and not self._suspects:
            self._admit(await self._consumer.reclaim(self._floor.cameras))

    async def _take_up_letters(self) -> None:
        """Inspect dead letters again that somebody asked for, beside the frames that come."""
        room = 0 if self._suspects or not self._floor.cameras else self._window.room // 2
        self._admit(await self._redrive.take(limit=room))

    async def _move_drops(self) -> None:
        """Write the rows of frames that capture dropped."""
        while self._floor.cameras and (
            drops := await self._consumer.drops(self._floor.cameras, count=DROPS_COUNT)
        ):
            await asyncio.to_thread(
                self._recorder.record_drops, {drop.identity: drop.cause for drop in drops}
            )
            await self._consumer.settle_drops(drops)


def _finding(frame: Frame, answer: Outcome, latencies: Latencies) -> Finding:
    if isinstance(answer, Refused):
        return Unjudged(
            identity=frame.identity,
            reason=Reason(answer.reason),
            detail=answer.detail,
            frame=frame,
        )
    return Judged(frame=frame, scored=answer, latencies=latencies)


def _between_ms(begin: datetime, end: datetime) -> float:
    return (end - begin) / timedelta(milliseconds=1)

"""The writer of an inspector: records findings, many in one transaction, then acknowledges them."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from inspection.domain.ledger import Entry, Inspected, Reason, Uninspected
from inspection.errors import ConfigurationError, InspectionError, UnavailableError
from inspection.serving.patience import Outage
from inspection.serving.recorder import Finding, Recorder, Unjudged
from inspection.serving.redrive import Redrive
from inspection.serving.window import Window
from inspection.stream.consumer import Consumer
from inspection.stream.delivery import Delivery
from inspection.telemetry import logger

#: Findings recorded in one transaction at most.
RECORD_FRAMES = 64

#: Seconds between looks at the end of work while there is none.
IDLE_S = 0.2

Batch = list[tuple[Delivery, Finding]]


class Writer:
    """Acknowledged means recorded: the database comes first, the stream second."""

    def __init__(
        self,
        *,
        consumer: Consumer,
        recorder: Recorder,
        redrive: Redrive,
        window: Window,
        clock: Callable[[], datetime],
    ) -> None:
        self._consumer = consumer
        self._recorder = recorder
        self._redrive = redrive
        self._window = window
        self._clock = clock
        self._findings: asyncio.Queue[tuple[Delivery, Finding]] = asyncio.Queue()
        self._database = Outage("database")
        self._stream = Outage("stream")
        #: Told how many frames were settled, each time some were.
        self.turned: Callable[[int], None] = lambda _count: None

    def put(self, delivery: Delivery, finding: Finding) -> None:
        """Take a finding; the window bounds how many there can be."""
        self._findings.put_nowait((delivery, finding))

    async def run(self, stop: asyncio.Event) -> None:
        """Write until `stop` is set and nothing is left.

        In an outage at `stop` the rest stays pending in the stream, for the next inspector.
        """
        try:
            while not (stop.is_set() and self._findings.empty()):
                if batch := await self._next_batch():
                    await self._settle(batch, stop)
        except UnavailableError as error:
            logger().warning("left_pending", why=str(error))

    async def _next_batch(self) -> Batch:
        try:
            async with asyncio.timeout(IDLE_S):
                batch = [await self._findings.get()]
        except TimeoutError:
            return []
        while len(batch) < RECORD_FRAMES and not self._findings.empty():
            batch.append(self._findings.get_nowait())
        return batch

    async def _settle(self, batch: Batch, stop: asyncio.Event) -> None:
        frames = [one for one in batch if one[0].letter_id is None]
        letters = {
            delivery.letter_id: finding
            for delivery, finding in batch
            if delivery.letter_id is not None
        }
        await self._settle_frames(frames, stop)
        await self._settle_letters(letters, stop)
        for delivery, _ in batch:
            self._window.release(delivery)
        self.turned(len(batch))

    async def _settle_frames(self, batch: Batch, stop: asyncio.Event) -> None:
        entries = await self._record([finding for _, finding in batch], stop)
        recorded = []
        for (delivery, _), entry in zip(batch, entries, strict=True):
            if isinstance(entry, Uninspected):
                await self._dead_letter(delivery, entry, stop)
            else:
                recorded.append(delivery)
        await self._stream.outlast(lambda: self._consumer.settle(recorded), stop)

    async def _record(self, findings: list[Finding], stop: asyncio.Event) -> list[Entry | None]:
        """Record; a finding the database refuses does not hold up the others."""
        if not findings:
            return []
        try:
            return await self._database.outlast(
                lambda: asyncio.to_thread(self._recorder.record, findings), stop
            )
        except (UnavailableError, ConfigurationError):
            raise
        except InspectionError as error:
            if len(findings) > 1:
                alone = [await self._record([finding], stop) for finding in findings]
                return [entry for (entry,) in alone]
            return await self._record([_refused(findings[0], error)], stop)

    async def _dead_letter(
        self, delivery: Delivery, entry: Uninspected, stop: asyncio.Event
    ) -> None:
        logger().warning(
            "frame_uninspected",
            frame_id=entry.identity.frame_id,
            reason=entry.reason.value,
            detail=entry.detail,
        )
        gone = await self._stream.outlast(
            lambda: self._consumer.dead_letters.keep(delivery, entry, at=self._clock()), stop
        )
        if gone:
            await self._database.outlast(
                lambda: asyncio.to_thread(self._recorder.note_gone, gone), stop
            )

    async def _settle_letters(self, letters: Mapping[int, Finding], stop: asyncio.Event) -> None:
        for letter_id, entry in (await self._redriven(letters, stop)).items():
            _log(letter_id, entry)
        self._redrive.release(letters)

    async def _redriven(
        self, letters: Mapping[int, Finding], stop: asyncio.Event
    ) -> dict[int, Inspected | Uninspected]:
        if not letters:
            return {}
        try:
            return await self._database.outlast(
                lambda: asyncio.to_thread(self._recorder.redrive, letters), stop
            )
        except (UnavailableError, ConfigurationError):
            raise
        except InspectionError as error:
            if len(letters) > 1:
                alone = [await self._redriven({one: letters[one]}, stop) for one in letters]
                return {one: entry for entries in alone for one, entry in entries.items()}
            ((letter_id, finding),) = letters.items()
            return await self._redriven({letter_id: _refused(finding, error)}, stop)


def _refused(finding: Finding, error: InspectionError) -> Unjudged:
    """Return what is left of a finding that the database does not take.

    Raises:
        InspectionError: there is nothing less to try.
    """
    refused = Unjudged(
        identity=finding.identity,
        reason=Reason.MALFORMED,
        detail=str(error),
        size_bytes=finding.kept_bytes,
    )
    if finding == refused:
        raise error
    return refused


def _log(letter_id: int, entry: Inspected | Uninspected) -> None:
    frame = {"frame_id": entry.identity.frame_id, "letter_id": letter_id}
    if isinstance(entry, Inspected):
        logger().info("frame_redriven", **frame, verdict=entry.inspection.verdict.value)
    else:
        logger().warning("frame_refused_again", **frame, reason=entry.reason.value)

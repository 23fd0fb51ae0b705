"""The writer of an inspector: records findings, many in one transaction, then acknowledges them."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial

from inspection.domain.ledger import Entry, Reason, Uninspected
from inspection.errors import ConfigurationError, InspectionError, UnavailableError
from inspection.serving.patience import Outage
from inspection.serving.recorder import Finding, Recorder, Unjudged
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
        window: Window,
        clock: Callable[[], datetime],
    ) -> None:
        self._consumer = consumer
        self._recorder = recorder
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
            batch = [await asyncio.wait_for(self._findings.get(), IDLE_S)]
        except TimeoutError:
            return []
        while len(batch) < RECORD_FRAMES and not self._findings.empty():
            batch.append(self._findings.get_nowait())
        return batch

    async def _settle(self, batch: Batch, stop: asyncio.Event) -> None:
        entries = await self._record([finding for _, finding in batch], stop)
        recorded = []
        for (delivery, _), entry in zip(batch, entries, strict=True):
            if isinstance(entry, Uninspected):
                await self._stream.outlast(partial(self._dead_letter, delivery, entry), stop)
            else:
                recorded.append(delivery)
        await self._stream.outlast(lambda: self._consumer.settle(recorded), stop)
        for delivery, _ in batch:
            self._window.release(delivery)
        self.turned(len(batch))

    async def _record(self, findings: list[Finding], stop: asyncio.Event) -> list[Entry]:
        """Record; a finding the database refuses does not hold up the others."""
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
            refused = Unjudged(
                identity=findings[0].identity, reason=Reason.MALFORMED, detail=str(error)
            )
            if findings == [refused]:
                raise
            return await self._record([refused], stop)

    async def _dead_letter(self, delivery: Delivery, entry: Uninspected) -> None:
        logger().warning(
            "frame_uninspected",
            frame_id=entry.identity.frame_id,
            reason=entry.reason.value,
            detail=entry.detail,
        )
        await self._consumer.dead_letter(
            delivery, reason=entry.reason, detail=entry.detail, at=self._clock()
        )

"""Whether the processes of the installation live and work."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

#: Seconds between two heartbeats of a process.
BEAT_S: Final = 5.0
#: A process without a heartbeat for so long is gone, or cannot reach the database, in seconds.
SILENT_S: Final = 20.0
#: A process whose loop has not come round for so long stands still, in seconds: longer than
#: anything it may wait for on purpose.
STANDSTILL_S: Final = 45.0


class ProcessState(StrEnum):
    """How a process is doing."""

    #: It lives, and its loop comes round.
    ALIVE = "alive"
    #: It lives, and its work stands still.
    STANDS_STILL = "stands still"
    #: Nothing was heard of it lately.
    SILENT = "silent"


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """The last sign of life of one process."""

    #: Kind of process: capture, inspector, alerter …
    process: str
    #: Name of its machine.
    host: str
    #: Tells processes of one kind on one host apart.
    slot: int
    pid: int
    started_at: datetime
    beat_at: datetime
    #: When its loop last came round.
    turned_at: datetime
    #: What it has done so far: frames captured or inspected, rounds …
    done_count: int
    #: One sentence for people; may be empty.
    detail: str = ""

    def state(self, now: datetime) -> ProcessState:
        """Say how it is doing; a beat from the future is of a clock that goes ahead of ours."""
        if now - self.beat_at > timedelta(seconds=SILENT_S):
            return ProcessState.SILENT
        if self.beat_at - self.turned_at > timedelta(seconds=STANDSTILL_S):
            return ProcessState.STANDS_STILL
        return ProcessState.ALIVE

    def since_at(self, now: datetime) -> datetime:
        """Return since when it has been doing so."""
        return {
            ProcessState.ALIVE: self.started_at,
            ProcessState.STANDS_STILL: self.turned_at,
            ProcessState.SILENT: self.beat_at,
        }[self.state(now)]

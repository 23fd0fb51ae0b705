"""What the watchdog and the process of a camera say to each other, pickled over a socket pair.

First the watchdog sends one `Work`; after that it may send `Making` at any time. The camera's
process sends `Beat`. When the watchdog's end closes, the camera's process is an orphan and ends.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from inspection.domain.health import CaptureState
from inspection.domain.line import Camera
from inspection.telemetry import LogFormat


@dataclass(frozen=True, kw_only=True)
class Making:
    """What the database says from now on, above all what the camera's line is making."""

    #: None when nobody has said.
    product: str | None
    #: Since when what the camera sees is as it should be, as somebody said; None: nobody did.
    view_accepted_at: datetime | None = None
    #: Highest number of the camera in the ledger when it was first asked.
    ledger_sequence_number: int | None = None


@dataclass(frozen=True, kw_only=True)
class Work:
    """Everything the process of a camera needs; it reads no settings."""

    camera: Camera
    #: Address of the streams; may hold a password.
    redis_url: str
    journal_dir: Path
    #: Highest number in the ledger; None when the database did not answer.
    ledger_sequence_number: int | None = None
    #: None when the database did not answer.
    making: Making | None = None
    #: Why the process before this one ended; empty for the first.
    restart_reason: str = ""
    #: Bytes an encoded picture may have.
    entry_limit_bytes: int
    log_format: LogFormat = "console"
    log_level: str = "info"


@dataclass(frozen=True, kw_only=True)
class Beat:
    """A sign of life."""

    state: CaptureState
    #: One sentence for people; may be empty.
    detail: str
    #: Identities given so far, over all runs.
    accepted_count: int

    @property
    def is_last(self) -> bool:
        """Whether there is no use in starting the camera again."""
        return self.state in (CaptureState.DRAINED, CaptureState.FAILED)

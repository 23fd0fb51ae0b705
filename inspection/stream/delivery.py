"""What a consumer is given: a frame's entry, or the record of a drop."""

from collections.abc import Mapping
from dataclasses import dataclass

from inspection.domain.frame import EntryId, FrameIdentity
from inspection.domain.ledger import Cause
from inspection.stream.codec import identity


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One frame's entry in a consumer's hands."""

    camera: str
    entry_id: EntryId
    #: None when the entry was trimmed before it was inspected.
    fields: Mapping[bytes, bytes] | None
    #: How often it was given to somebody, this time included.
    delivery_count: int
    #: Row of the dead letter it comes from; None when it comes from the stream of frames.
    letter_id: int | None = None

    @property
    def identity(self) -> FrameIdentity:
        """The best that can be known of the frame's identity, however damaged the entry is."""
        return identity(self.camera, self.entry_id, self.fields)

    @property
    def payload_bytes(self) -> int | None:
        """Bytes of the payload; None when the entry was trimmed."""
        return None if self.fields is None else len(self.fields.get(b"payload", b""))


@dataclass(frozen=True, kw_only=True)
class DropRecord:
    """One dropped frame that is to be written to the ledger."""

    camera: str
    #: Id of the record in the stream of drops.
    record_id: EntryId
    identity: FrameIdentity
    cause: Cause

"""The references a replica holds: decoded once, the least recently used let go."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping

from inspection.domain.ledger import Reason
from inspection.errors import CheckpointError
from inspection.model.reference import Reference
from inspection.serving.request import Lacking, Refused

#: References held at most.
COUNT_LIMIT = 32

#: Bytes of their files at most.
BYTES_LIMIT = 256 * 2**20

#: What a request's reference turns out to be.
Found = Reference | Refused | Lacking


class ReferenceCache:
    """References by content hash; several threads may ask."""

    def __init__(
        self,
        checkpoint_hash: str,
        *,
        count_limit: int = COUNT_LIMIT,
        bytes_limit: int = BYTES_LIMIT,
    ) -> None:
        self._checkpoint_hash = checkpoint_hash
        self._count_limit = count_limit
        self._bytes_limit = bytes_limit
        self._held: OrderedDict[str, tuple[Reference, int]] = OrderedDict()
        self._held_bytes = 0
        self._lock = threading.Lock()

    def found(self, hashes: Collection[str], files: Mapping[str, bytes]) -> dict[str, Found]:
        """Return the reference of every hash: held, or decoded from the files at hand.

        What cannot be used is refused; what is neither held nor at hand is lacking. Whoever got a
        reference keeps it, also when others push it out meanwhile.
        """
        return {content_hash: self._found(content_hash, files) for content_hash in hashes}

    def _found(self, content_hash: str, files: Mapping[str, bytes]) -> Found:
        with self._lock:
            if content_hash in self._held:
                self._held.move_to_end(content_hash)
                return self._held[content_hash][0]
        if content_hash not in files:
            return Lacking(reference=content_hash)
        try:
            reference = self._decoded(content_hash, files[content_hash])
        except CheckpointError as error:
            return Refused(reason=Reason.REFERENCE.value, detail=str(error))
        self._hold(content_hash, reference, len(files[content_hash]))
        return reference

    def _decoded(self, content_hash: str, data: bytes) -> Reference:
        if hashlib.sha256(data).hexdigest() != content_hash:
            raise CheckpointError(f"the reference {content_hash} is damaged; build it anew")
        reference = Reference.from_bytes(data)
        if reference.checkpoint_hash != self._checkpoint_hash:
            raise CheckpointError(
                f"the reference was built with checkpoint {reference.checkpoint_hash[:12]}, but "
                f"{self._checkpoint_hash[:12]} is served; build it anew, or withdraw it"
            )
        return reference

    def _hold(self, content_hash: str, reference: Reference, size_bytes: int) -> None:
        with self._lock:
            if content_hash in self._held:
                return
            self._held[content_hash] = reference, size_bytes
            self._held_bytes += size_bytes
            while len(self._held) > 1 and (
                len(self._held) > self._count_limit or self._held_bytes > self._bytes_limit
            ):
                _, (_, freed_bytes) = self._held.popitem(last=False)
                self._held_bytes -= freed_bytes

"""The window: the deliveries one inspector holds at once, bounded in frames and in bytes."""

import asyncio

from inspection.stream.delivery import Delivery


class Window:
    """Deliveries that were taken and are not yet acknowledged."""

    def __init__(self, *, frames_limit: int, bytes_limit: int) -> None:
        self._frames_limit = frames_limit
        self._bytes_limit = bytes_limit
        self._held: dict[tuple[str, str, int | None], int] = {}
        self._held_bytes = 0
        self._changed = asyncio.Event()

    @property
    def room(self) -> int:
        """Frames that may still be taken."""
        if self._held_bytes >= self._bytes_limit:
            return 0
        return max(0, self._frames_limit - len(self._held))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held."""
        return not self._held

    def admit(self, delivery: Delivery) -> bool:
        """Hold `delivery`; False when it is held already."""
        if _key(delivery) in self._held:
            return False
        size_bytes = sum(map(len, (delivery.fields or {}).values()))
        self._held[_key(delivery)] = size_bytes
        self._held_bytes += size_bytes
        return True

    def release(self, delivery: Delivery) -> None:
        """Let go of `delivery`; there is room for another."""
        self._held_bytes -= self._held.pop(_key(delivery), 0)
        self.signal()

    def signal(self) -> None:
        """Wake whoever waits for a change."""
        self._changed.set()

    async def change(self, *, timeout_s: float) -> None:
        """Wait until something changed, at most so long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()


def _key(delivery: Delivery) -> tuple[str, str, int | None]:
    return delivery.camera, str(delivery.entry_id), delivery.letter_id

"""One connection of a client: what may come before its request is known is bounded, in time, too.

Of uvicorn's two parsers the other one keeps as many and as long headers as somebody sends; this
one answers 400 after 64 KiB.
"""

import asyncio
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

#: A connection is closed that brings no whole request for so many seconds, and at most twice that.
HEADERS_S: Final = 20.0


class Connection(H11Protocol):
    """Speaks HTTP with a client that does not take all day to say what it wants."""

    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as there
        """Begin."""
        super().connection_made(transport)
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def _look_later(self) -> None:
        self._look = self.loop.call_later(HEADERS_S, self._hurry, self.cycle)

    def _hurry(self, known: object) -> None:
        """Close the connection if no request has come since `known` was the newest."""
        # There is no cycle before the first request.
        is_idle = getattr(self.cycle, "response_complete", True)
        if is_idle and self.cycle is known:
            self.transport.close()
        else:
            self._look_later()

"""The newsroom: one reader of the database tells all who listen, and waits for none of them."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from inspection.errors import InspectionError
from inspection.store.database import Database
from inspection.store.news import News, Position, newest, news_since
from inspection.telemetry import logger

#: Seconds between two looks at the database while somebody listens.
LOOK_S: Final = 1.0
#: What a listener has not taken yet; one who lets more pile up is cut off.
QUEUE_LENGTH: Final = 2_000
#: Streams that are open at most; further ones are told to come again.
LISTENERS: Final = 256
#: Happenings that are told late; more are a gap.
CATCH_UP: Final = 1_000
#: Happenings that are known to have been told.
_REMEMBERED: Final = 20_000


@dataclass(eq=False)
class Listener:
    """One open stream of events."""

    loop: asyncio.AbstractEventLoop
    wants: Callable[[News], bool]
    queue: asyncio.Queue[News | None] = field(default_factory=lambda: asyncio.Queue(QUEUE_LENGTH))
    #: It was too slow.
    is_cut_off: bool = False

    def tell(self, news: list[News]) -> None:
        """Hand on what it wants; to be called in its loop."""
        for one in filter(self.wants, news):
            if self.queue.full():
                self.is_cut_off = True
                self.end()
                return
            self.queue.put_nowait(one)

    def end(self) -> None:
        """Have the stream end, whatever is waiting for it; to be called in its loop."""
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


class Newsroom:
    """Reads the database while somebody listens; a thread of its own."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._listeners: set[Listener] = set()
        self._lock = threading.Lock()
        self._is_wanted = threading.Event()
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None
        #: How far everybody has been told; None: nobody listens, and nobody is owed anything.
        self._position: Position | None = None
        self._told: OrderedDict[tuple[str, int, str], None] = OrderedDict()

    @property
    def is_full(self) -> bool:
        """Whether nobody else can listen."""
        return len(self._listeners) >= LISTENERS

    def listen(self, listener: Listener, position: Position) -> bool:
        """Tell `listener` what happens after `position`; False: the process is ending."""
        with self._lock:
            if self._is_over.is_set():
                return False
            self._position = self._position or position
            self._listeners.add(listener)
            self._is_wanted.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="newsroom", daemon=True)
                self._thread.start()
        return True

    def leave(self, listener: Listener) -> None:
        """Tell `listener` no more."""
        with self._lock:
            self._listeners.discard(listener)
            if not self._listeners:
                self._is_wanted.clear()
                self._position = None

    def close(self) -> None:
        """End every stream; may be called from a handler of signals."""
        self._is_over.set()
        self._is_wanted.set()
        for listener in list(self._listeners):
            listener.loop.call_soon_threadsafe(listener.end)

    def missed(self, position: Position) -> list[News] | None:
        """Return what happened since `position`; None: more than can be told late.

        Raises:
            UnavailableError: the database does not answer.
        """
        with self._database.read() as connection:
            found = news_since(connection, position, at=self._clock(), limit=CATCH_UP)
        return found if len(found) < CATCH_UP else None

    def now(self) -> Position:
        """Return the position of whoever is told from now on.

        Raises:
            UnavailableError: the database does not answer.
        """
        with self._database.read() as connection:
            return newest(connection, self._clock())

    def _run(self) -> None:
        while not self._is_over.wait(LOOK_S):
            self._is_wanted.wait()
            try:
                self._look()
            except InspectionError as error:
                logger().warning("news_unavailable", why=str(error))
            except Exception:  # noqa: BLE001 - the outermost loop of the thread
                logger().exception("news_broke")

    def _look(self) -> None:
        with self._lock:
            position, listeners = self._position, list(self._listeners)
        if position is None:
            return
        with self._database.read() as connection:
            found = news_since(connection, position, at=self._clock(), limit=CATCH_UP)
        fresh = [one for one in found if self._is_new(one)]
        for listener in listeners if fresh else ():
            listener.loop.call_soon_threadsafe(listener.tell, fresh)
        with self._lock:
            if found and self._position is position:
                self._position = found[-1].position

    def _is_new(self, one: News) -> bool:
        if one.key in self._told:
            return False
        self._told[one.key] = None
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return True

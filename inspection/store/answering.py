"""Connections to PostgreSQL that neither wait for ever for an answer nor keep others waiting.

The system's own time-outs notice only that nobody acknowledges what was sent. A firewall that has
forgotten a connection, or a proxy whose other side is gone, acknowledges and stays silent.
"""

from collections.abc import Generator
from time import monotonic
from typing import Any, Final

import psycopg

#: How long a statement may go without a byte of an answer, in seconds.
ANSWER_TIMEOUT_S: Final = 60.0
#: The same for whether the server is there, which is asked before a connection is used again.
PING_TIMEOUT_S: Final = 10.0

#: What the server does about a client that vanished without a word: its locks are gone within half
#: a minute, and nobody waits for them.
_SESSION: Final = """
    SET idle_in_transaction_session_timeout = '30s';
    SET client_connection_check_interval = '10s';
    SET tcp_keepalives_idle = 10;
    SET tcp_keepalives_interval = 5;
    SET tcp_keepalives_count = 3;
    SET tcp_user_timeout = 20000;
"""


class ImpatientConnection(psycopg.Connection[Any]):
    """A connection that closes itself when the server says nothing for too long."""

    #: In seconds; None to wait without end.
    answer_timeout_s: float | None = ANSWER_TIMEOUT_S

    @classmethod
    def opened(cls, *, answer_timeout_s: float, **options: Any) -> "ImpatientConnection":
        """Connect, with `options` of libpq and psycopg."""
        connection = cls.connect(**options)
        connection.answer_timeout_s = answer_timeout_s
        connection.execute(_SESSION)
        connection.commit()
        return connection

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
        """Run a generator that works on the connection.

        Raises:
            OperationalError: the server says nothing; the connection is closed.
        """
        timeout_s = self.answer_timeout_s
        if timeout_s is None:
            return super().wait(gen, *args, **kwargs)
        if self.autocommit:
            # Outside of transactions nothing is sent but the pool's question.
            timeout_s = min(timeout_s, PING_TIMEOUT_S)
        try:
            return super().wait(_heard(gen, timeout_s), *args, **kwargs)
        except _SilenceError as error:
            self.pgconn.finish()
            raise psycopg.OperationalError(
                f"no answer within {timeout_s:g} s; the connection is given up"
            ) from error


class _SilenceError(Exception):
    """The server says nothing."""


def _heard(gen: Generator[Any, Any, Any], timeout_s: float) -> Generator[Any, Any, Any]:
    """Pass `gen` on, which psycopg resumes ten times a second, while the socket moves."""
    try:
        wanted = next(gen)
        moved_s = monotonic()
        while True:
            ready = yield wanted
            if ready:
                moved_s = monotonic()
            elif monotonic() - moved_s > timeout_s:
                raise _SilenceError
            wanted = gen.send(ready)
    except StopIteration as end:
        return end.value

"""Answers kept with the key of their request: a request that is sent twice is done once.

Two processes agree by the insert of the claim: one of them makes the row.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, delete, select, update

from inspection.errors import ConfigurationError, ConflictError
from inspection.store.answer_tables import answers
from inspection.store.engine import insert_new

#: How long an answer is given again.
KEPT_FOR: Final = timedelta(hours=24)
#: After so long a request that has no answer yet will get none: its process is gone.
PATIENCE: Final = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that names a key of its own."""

    #: `Principal.name` of who sent it.
    caller: str
    key: str
    #: SHA-256 of what it asks for.
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was answered."""

    status: int
    headers: dict[str, str]
    body: bytes


def claim(connection: Connection, asked: Asked, *, at: datetime) -> Answer | None:
    """Return the answer to give again; None: the request is new and the caller's to answer.

    Raises:
        ConflictError: another is being answered, or was when its process ended.
        ConfigurationError: the key belongs to a request that asks for something else.
    """
    connection.execute(delete(answers).where(answers.c.claimed_at <= at - KEPT_FOR))
    values = {"caller": asked.caller, "key": asked.key}
    statement = insert_new(connection, answers, "caller", "key").values(
        **values, fingerprint=asked.fingerprint, claimed_at=at
    )
    if connection.scalar(statement.returning(answers.c.key)) is not None:
        return None
    row = connection.execute(select(answers).where(_is(asked))).one()
    if row.fingerprint != asked.fingerprint:
        raise ConfigurationError(
            f"Idempotency-Key {asked.key!r} belongs to a request that asks for something else; "
            "send each request with a key of its own"
        )
    if row.status is not None:
        return Answer(status=row.status, headers=row.headers, body=row.body)
    if at - row.claimed_at < PATIENCE:
        raise ConflictError("the same request is being answered; send it again in a moment")
    raise ConflictError(
        "the same request was never answered, and nobody knows whether it was carried out; "
        "look, and send it again with another Idempotency-Key if it was not"
    )


def keep(connection: Connection, asked: Asked, answer: Answer) -> None:
    """Keep the answer of a claimed request."""
    statement = update(answers).where(_is(asked))
    connection.execute(
        statement.values(status=answer.status, headers=answer.headers, body=answer.body)
    )


def release(connection: Connection, asked: Asked) -> None:
    """Give up a claim, of a request that changed nothing: it may be sent again."""
    connection.execute(delete(answers).where(_is(asked)))


def _is(asked: Asked) -> ColumnElement[bool]:
    return and_(answers.c.caller == asked.caller, answers.c.key == asked.key)

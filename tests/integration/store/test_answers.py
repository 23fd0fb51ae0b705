"""A request that is sent twice is done once, whichever process it reaches."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from inspection.errors import ConfigurationError, ConflictError
from inspection.store.answers import KEPT_FOR, PATIENCE, Answer, Asked, claim, keep, release
from inspection.store.database import Database
from tests.factories import NOON

ASKED = Asked(caller="anna", key="8e03978e", fingerprint="ab" * 32)
ANSWER = Answer(status=201, headers={"location": "/api/v1/lines/line-1"}, body=b'{"name":"line-1"}')


def claimed(database: Database, asked: Asked = ASKED, *, at: datetime = NOON) -> Answer | None:
    with database.write() as connection:
        return claim(connection, asked, at=at)


def test_answered_request_is_answered_the_same_again(database: Database) -> None:
    first = claimed(database)
    with database.write() as connection:
        keep(connection, ASKED, ANSWER)

    assert first is None
    assert claimed(database, at=NOON + KEPT_FOR - timedelta(seconds=1)) == ANSWER


def test_request_that_is_being_answered_is_not_done_a_second_time(database: Database) -> None:
    claimed(database)

    with pytest.raises(ConflictError, match="in a moment"):
        claimed(database, at=NOON + PATIENCE / 2)


def test_request_whose_process_ended_is_not_done_again_in_silence(database: Database) -> None:
    claimed(database)

    with pytest.raises(ConflictError, match="nobody knows"):
        claimed(database, at=NOON + PATIENCE)


def test_key_of_another_request_is_refused(database: Database) -> None:
    claimed(database)

    with pytest.raises(ConfigurationError, match="something else"):
        claimed(database, replace(ASKED, fingerprint="cd" * 32))


def test_keys_of_two_callers_are_two_keys(database: Database) -> None:
    claimed(database)

    assert claimed(database, replace(ASKED, caller="berta", fingerprint="cd" * 32)) is None


def test_refused_request_may_be_sent_again(database: Database) -> None:
    claimed(database)
    with database.write() as connection:
        release(connection, ASKED)

    assert claimed(database) is None


def test_answer_is_forgotten_after_a_day(database: Database) -> None:
    claimed(database)
    with database.write() as connection:
        keep(connection, ASKED, ANSWER)

    assert claimed(database, at=NOON + KEPT_FOR) is None

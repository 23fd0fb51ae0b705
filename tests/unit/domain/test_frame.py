"""Identities of frames and the ids of their stream entries."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.domain.frame import EntryId, milliseconds, moment
from inspection.errors import CodecError
from tests.factories import NOON, identity


def test_identity_refuses_a_time_without_zone() -> None:
    with pytest.raises(CodecError, match="no time zone"):
        identity(captured_at=datetime(2026, 3, 2, 12, 0))  # noqa: DTZ001 - the mistake


def test_frame_id_names_camera_and_number() -> None:
    assert identity(camera="top", sequence_number=7).frame_id == "top/7"


def test_entry_ids_increase_although_the_clock_was_set_back() -> None:
    first = EntryId.of(identity(sequence_number=1), last=None)

    second = EntryId.of(
        identity(sequence_number=2, captured_at=NOON - timedelta(hours=1)), last=first
    )

    assert (second.time_ms, second.sequence_number) == (first.time_ms, 2)


@given(st.integers(0, 2**42), st.integers(1, 2**53))
def test_entry_id_reads_what_it_writes(time_ms: int, sequence_number: int) -> None:
    entry_id = EntryId(time_ms=time_ms, sequence_number=sequence_number)

    assert EntryId.parse(str(entry_id)) == entry_id


@pytest.mark.parametrize("text", ["", "7", "7-", "-7", "a-b", "1-2-3", "1.5-2"])
def test_entry_id_refuses_anything_else(text: str) -> None:
    with pytest.raises(CodecError, match="not the id"):
        EntryId.parse(text)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_moment_survives_in_whole_milliseconds(exact: datetime) -> None:
    assert abs(moment(milliseconds(exact)) - exact) <= timedelta(milliseconds=0.501)

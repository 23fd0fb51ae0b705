"""What a camera says is read as it was said, by this version and the one before."""

from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.domain.frame import moment
from inspection.domain.health import CameraState
from inspection.domain.view import View, ViewState
from inspection.errors import CodecError
from inspection.stream.state import decode_state, encode_state

#: No database text holds a NUL character.
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
times = st.integers(0, 253_402_300_799_999).map(moment)
seconds = st.integers(0, 10**9).map(lambda ms: ms / 1000)
states = st.builds(
    CameraState,
    state=words,
    detail=words,
    reported_at=times,
    host=words,
    last_frame_at=st.none() | times,
    quiet_s=seconds,
    interval_s=st.none() | seconds,
    view=st.builds(View, state=st.sampled_from(ViewState), detail=words),
)


@given(said=states)
def test_state_is_read_as_it_was_said(said: CameraState) -> None:
    assert decode_state(encode_state(said)) == said


def test_state_of_an_earlier_version_lacks_what_it_did_not_say() -> None:
    fields = {b"v": b"1", b"state": b"live", b"detail": b"", b"reported_at_ms": b"1000"}

    said = decode_state(fields)

    assert said == CameraState(state="live", detail="", reported_at=moment(1000))


@given(
    fields=st.dictionaries(
        st.sampled_from([b"v", b"state", b"detail", b"reported_at_ms", b"quiet_ms", b"view"]),
        st.binary(max_size=24) | st.just(b"1"),
    )
)
def test_nonsense_is_refused_and_never_crashes(fields: Mapping[bytes, bytes]) -> None:
    with suppress(CodecError):
        decode_state(fields)


def test_text_that_no_database_takes_is_made_harmless() -> None:
    said = CameraState(state="failed", detail="a\0b \udc80", reported_at=moment(0))

    assert decode_state(encode_state(said)).detail == "a?b ?"


@pytest.mark.parametrize("view", [b"sleepy", b"\xff"])
def test_view_that_is_not_known_is_refused(view: bytes) -> None:
    fields = encode_state(CameraState(state="live", detail="", reported_at=moment(0)))

    with pytest.raises(CodecError, match="cannot be read"):
        decode_state({**fields, b"view": view})

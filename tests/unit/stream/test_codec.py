"""The wire format keeps frames whole and refuses what is not ours."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.domain.frame import EntryId, Frame, FrameIdentity, MediaType, moment
from inspection.domain.ledger import Cause
from inspection.errors import CodecError
from inspection.stream import codec

CAPTURED_AT = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)
IDENTITY = FrameIdentity(camera="cam-1", sequence_number=7, captured_at=CAPTURED_AT)
ENTRY_ID = EntryId(time_ms=1_800_000_000_000, sequence_number=7)

#: A busy machine is no reason to fail.
unhurried = settings(deadline=None, max_examples=60)

times = st.integers(min_value=0, max_value=253_402_300_799_999).map(moment)
#: What can be kept: no database text holds a NUL character.
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
texts = st.none() | words
identities = st.builds(
    FrameIdentity,
    camera=st.just("cam-1"),
    sequence_number=st.integers(min_value=1, max_value=2**53),
    captured_at=times,
)
frames = st.builds(
    Frame,
    identity=identities,
    payload=st.binary(max_size=64),
    media_type=st.sampled_from(get_args(MediaType)),
    product=texts,
    part_serial=texts,
    lot=texts,
    trigger_id=texts,
)


@pytest.fixture
def fields() -> dict[bytes, bytes]:
    frame = Frame(identity=IDENTITY, payload=b"picture", media_type="image/png", lot="L1")
    return codec.encode(frame)


@unhurried
@given(frame=frames)
def test_codec_returns_the_same_frame_when_it_decodes_what_it_encoded(frame: Frame) -> None:
    fields = codec.encode(frame)

    entry_id = EntryId.of(frame.identity, last=ENTRY_ID)

    assert codec.decode("cam-1", entry_id, fields) == frame


@unhurried
@given(identity=identities, cause=st.sampled_from(Cause))
def test_codec_returns_the_same_drop_when_it_decodes_what_it_encoded(
    identity: FrameIdentity, cause: Cause
) -> None:
    fields = codec.encode_drop(identity, cause)

    assert codec.decode_drop("cam-1", fields) == (identity, cause)


@unhurried
@given(
    fields=st.dictionaries(
        st.sampled_from(
            [*codec.encode_drop(IDENTITY, Cause.TOO_LARGE), b"payload", b"media_type", b"product"]
        ),
        st.binary(max_size=24) | st.just(codec.SCHEMA),
    )
)
def test_codec_raises_nothing_but_its_own_error_when_fields_are_nonsense(
    fields: dict[bytes, bytes],
) -> None:
    with suppress(CodecError):
        codec.decode("cam-1", ENTRY_ID, fields)
    with suppress(CodecError):
        codec.decode_drop("cam-1", fields)


@pytest.mark.parametrize(
    "name", [b"v", b"sequence_number", b"captured_at_ms", b"payload", b"media_type"]
)
def test_codec_refuses_an_entry_as_malformed_when_a_field_is_missing(
    fields: dict[bytes, bytes], name: bytes
) -> None:
    del fields[name]

    with pytest.raises(CodecError, match=name.decode()) as refusal:
        codec.decode("cam-1", ENTRY_ID, fields)

    assert refusal.value.reason == "malformed"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"sequence_number", b"seven"),
        (b"sequence_number", b"-7"),
        (b"sequence_number", b"8"),
        (b"captured_at_ms", b"9" * 5000),
        (b"captured_at_ms", b"99999999999999999"),
        (b"media_type", b"image/gif"),
        (b"product", b"\xff"),
    ],
)
def test_codec_refuses_an_entry_as_malformed_when_a_field_holds_nonsense(
    fields: dict[bytes, bytes], name: bytes, value: bytes
) -> None:
    fields[name] = value

    with pytest.raises(CodecError) as refusal:
        codec.decode("cam-1", ENTRY_ID, fields)

    assert refusal.value.reason == "malformed"


def test_codec_refuses_an_entry_as_schema_when_another_version_wrote_it(
    fields: dict[bytes, bytes],
) -> None:
    fields[b"v"] = b"2"

    with pytest.raises(CodecError, match="version") as refusal:
        codec.decode("cam-1", ENTRY_ID, fields)

    assert refusal.value.reason == "schema"


def test_codec_refuses_an_entry_as_too_large_when_its_payload_is_over_the_limit(
    fields: dict[bytes, bytes],
) -> None:
    fields[b"payload"] = bytes(11)

    with pytest.raises(CodecError, match="11 bytes") as refusal:
        codec.decode("cam-1", ENTRY_ID, fields, limit_bytes=10)

    assert refusal.value.reason == "too_large"


def test_codec_reads_an_entry_when_it_has_fields_of_a_later_program(
    fields: dict[bytes, bytes],
) -> None:
    fields[b"traceparent"] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    assert codec.decode("cam-1", ENTRY_ID, fields).identity == IDENTITY


def test_codec_keeps_the_time_of_the_exposure_when_the_entry_id_has_a_later_one(
    fields: dict[bytes, bytes],
) -> None:
    frame = codec.decode("cam-1", ENTRY_ID, fields)

    assert frame.identity.captured_at == CAPTURED_AT


def test_codec_refuses_to_encode_when_the_exposure_was_before_1970() -> None:
    identity = FrameIdentity(
        camera="cam-1",
        sequence_number=1,
        captured_at=datetime(1970, 1, 1, tzinfo=UTC) - timedelta(seconds=1),
    )

    with pytest.raises(CodecError, match="1970"):
        codec.encode_drop(identity, Cause.UNAVAILABLE)


def test_codec_encodes_a_serial_number_when_it_came_from_a_file_name_that_is_no_text() -> None:
    frame = Frame(identity=IDENTITY, payload=b"", media_type="image/png", part_serial="S\udcff1")

    assert codec.encode(frame)[b"part_serial"] == b"S?1"


def test_codec_knows_an_identity_from_the_fields_when_only_they_have_the_time() -> None:
    fields = {b"captured_at_ms": b"1772600767089"}

    assert codec.identity("cam-1", ENTRY_ID, fields) == IDENTITY


@pytest.mark.parametrize("fields", [None, {}, {b"captured_at_ms": b"noon"}])
def test_codec_knows_an_identity_from_the_entry_id_when_the_fields_do_not_tell(
    fields: dict[bytes, bytes] | None,
) -> None:
    identity = codec.identity("cam-1", ENTRY_ID, fields)

    assert identity.sequence_number == 7
    assert identity.captured_at == datetime(2027, 1, 15, 8, 0, tzinfo=UTC)


def test_codec_knows_an_identity_when_the_entry_id_is_beyond_all_calendars() -> None:
    entry_id = EntryId(time_ms=2**64 - 1, sequence_number=3)

    assert codec.identity("cam-1", entry_id, None).sequence_number == 3


def test_codec_keeps_all_keys_of_a_camera_on_one_server_when_there_are_several() -> None:
    keys = [
        codec.frames_key("cam-1"),
        codec.drops_key("cam-1"),
        codec.dead_letters_key("cam-1"),
        codec.suspects_key("cam-1"),
        codec.state_key("cam-1"),
        codec.owner_key("cam-1"),
        codec.refused_key("cam-1"),
    ]

    assert len(set(keys)) == len(keys)
    assert {key.partition("{")[2].partition("}")[0] for key in keys} == {"cam-1"}

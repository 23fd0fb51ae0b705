"""Damaged pictures and entries: each ends with a row, and nothing crashes."""

import random
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.domain.frame import EntryId, Frame, FrameIdentity
from inspection.errors import CodecError, PictureError
from inspection.model.picture import decode
from inspection.stream import codec
from tests.factories import NOON
from tests.fuzz import corpus
from tests.fuzz.floor import MEMORY_LIMIT_BYTES, FuzzedFloor
from tests.fuzz.mutation import damaged, garbled

pytestmark = pytest.mark.timeout(180)

SMALL = corpus.small()

seeds = st.integers(min_value=0, max_value=2**64 - 1)


def test_damaged_frames_are_inspected_or_uninspected_with_a_reason(
    redis_url: str, tmp_path: Path
) -> None:
    findings = FuzzedFloor(tmp_path, redis_url, seed=1, frames=1_500).run()

    assert findings.inspector_crashes == []
    assert findings.replica_crashes == 0, f"see {tmp_path / 'crashes'}"
    assert (findings.lost, findings.doubled, findings.drops_left) == ([], [], 0)
    assert findings.outcomes["inspected"] > 100
    assert findings.outcomes["uninspected"] == sum(findings.reasons.values()) > 100
    assert findings.peak_bytes < MEMORY_LIMIT_BYTES


@given(seed=seeds, place=st.integers(min_value=0, max_value=len(SMALL) - 1))
def test_damaged_picture_is_pixels_or_refused_with_a_reason(seed: int, place: int) -> None:
    picture = damaged(SMALL[place], SMALL, random.Random(seed))

    with suppress(PictureError):
        pixels = decode(picture, pixels_limit_count=1_000_000)
        assert pixels.shape[2] == 3


@given(seed=seeds)
def test_garbled_entry_is_a_frame_or_refused_and_always_has_an_identity(seed: int) -> None:
    entry_id = EntryId(time_ms=seed % 2**50, sequence_number=seed % 2**63)
    identity = FrameIdentity(camera="cam-1", sequence_number=7, captured_at=NOON)
    whole = codec.encode(Frame(identity=identity, payload=b"picture", media_type="image/png"))
    fields = garbled(whole, random.Random(seed))

    assert codec.identity("cam-1", entry_id, fields).sequence_number == entry_id.sequence_number
    with suppress(CodecError):
        assert codec.decode("cam-1", entry_id, fields).identity.is_possible
    with suppress(CodecError):
        assert codec.decode_drop("cam-1", fields)[0].is_possible

"""A calibrated threshold judges the scores it was made from, and no others."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inspection.domain.inspection import Latencies, Verdict
from inspection.domain.ledger import Inspected
from inspection.serving.recorder import Judged, Recorder
from inspection.serving.request import Scored
from inspection.store import lines, thresholds
from inspection.store.database import Database
from inspection.store.pictures import PictureStore
from inspection.store.thresholds import NewThreshold
from tests import factories
from tests.factories import CHECKPOINT_HASH, NOON

REFERENCE_HASH = "feed" * 16
SCORED = Scored(
    score=0.9,
    anomaly_map=factories.anomaly_map(),
    checkpoint_hash=CHECKPOINT_HASH,
    reference_hash=REFERENCE_HASH,
)


@pytest.fixture
def recorder(sqlite_url: str, tmp_path: Path) -> Iterator[Recorder]:
    """Records for a line whose threshold, 0.5, is bound to a checkpoint and a reference."""
    bound = NewThreshold(
        scope=factories.scope(),
        value=0.5,
        set_at=NOON,
        set_by="test",
        reason="calibrated",
        checkpoint_hash=CHECKPOINT_HASH,
        reference_hash=REFERENCE_HASH,
        lead_s=0,
    )
    with closing(Database.open(sqlite_url)) as database:
        with database.write() as connection:
            lines.create_missing(connection, factories.site(), at=NOON, by="test")
            thresholds.add_version(connection, bound)
        pictures = PictureStore(str(tmp_path / "pictures"))
        yield Recorder(database, pictures, clock=lambda: datetime.now(UTC))


def verdict(recorder: Recorder, scored: Scored) -> Verdict:
    judged = Judged(
        frame=factories.frame(),
        scored=scored,
        latencies=Latencies(waited_ms=1.0, inference_ms=2.0),
    )
    (entry,) = recorder.record([judged])
    assert isinstance(entry, Inspected)
    return entry.inspection.verdict


def test_bound_threshold_judges_scores_of_its_checkpoint_and_reference(recorder: Recorder) -> None:
    assert verdict(recorder, SCORED) is Verdict.NG


@pytest.mark.parametrize("reference_hash", [None, "beef" * 16])
def test_verdict_is_pending_when_the_reference_is_another(
    recorder: Recorder, reference_hash: str | None
) -> None:
    assert verdict(recorder, replace(SCORED, reference_hash=reference_hash)) is Verdict.PENDING


def test_verdict_is_pending_when_the_checkpoint_is_another(recorder: Recorder) -> None:
    assert verdict(recorder, replace(SCORED, checkpoint_hash="beef" * 16)) is Verdict.PENDING

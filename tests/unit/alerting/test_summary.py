"""A summary is one true sentence."""

from typing import Any

import pytest

from inspection.alerting import summary
from inspection.domain.alert import AlertKind
from inspection.domain.inspection import Verdict
from inspection.domain.notification import AlertFrame
from inspection.store.outbox import Taken
from tests import factories
from tests.factories import NOON


def frame(**changes: Any) -> AlertFrame:
    defaults = {
        "camera": "cam-1",
        "sequence_number": 7,
        "captured_at": NOON,
        "part_serial": None,
        "product": None,
        "score": 0.83,
        "threshold": 0.41,
        "verdict": Verdict.NG,
    }
    return AlertFrame(**defaults | changes)


def taken(**changes: Any) -> Taken:
    defaults = {
        "ledger_id": 1,
        "kind": AlertKind.UNINSPECTED,
        "line_id": 1,
        "line": "washers",
        "frame": frame(score=None, threshold=None, verdict=None),
        "reason": "corrupt",
        "detail": None,
    }
    return Taken(**defaults | changes)


def test_summary_names_score_and_threshold_of_the_newest_ng_part() -> None:
    text = summary.of_ng("washers", ng_count=2, of_count=10, newest=frame())

    assert text == (
        "line washers: 2 of the last 10 parts are NG; newest cam-1/7, score 0.83 > threshold 0.41"
    )


def test_summary_speaks_of_one_part_when_any_ng_part_alerts() -> None:
    text = summary.of_ng("washers", ng_count=1, of_count=1, newest=frame())

    assert text == "line washers: a part is NG: cam-1/7, score 0.83 > threshold 0.41"


def test_summary_does_not_round_a_score_down_to_its_threshold() -> None:
    text = summary.of_ng(
        "washers", ng_count=1, of_count=1, newest=frame(score=0.41000001, threshold=0.41)
    )

    assert "score 0.41000001 > threshold 0.41" in text


def test_summary_says_why_a_frame_could_not_be_judged() -> None:
    text = summary.of_uninspected(taken(detail="the file\nis no picture"))

    assert text == (
        "line washers: frame cam-1/7 could not be judged (corrupt): the file is no picture"
    )


def test_summary_is_a_sentence_when_there_is_no_detail() -> None:
    assert summary.of_uninspected(taken()) == (
        "line washers: frame cam-1/7 could not be judged (corrupt)"
    )


def test_summary_of_drift_says_what_no_longer_promises_anything() -> None:
    text = summary.of_drift(taken(kind=AlertKind.DRIFT, detail="threshold line=washers: why"))

    assert text == "line washers: threshold line=washers: why"


def test_summary_shortens_a_long_detail() -> None:
    text = summary.of_uninspected(taken(detail="x" * 1000))

    assert text.endswith("…")
    assert len(text) < 300


@pytest.mark.parametrize(
    ("kind", "frame_count", "expected"),
    [
        (AlertKind.NG, 5, "line line-1: no NG part for 60 s; 5 frames in all"),
        (AlertKind.UNINSPECTED, 1, "line line-1: no uninspected frame for 60 s; 1 frame in all"),
        (
            AlertKind.DRIFT,
            1,
            "line line-1: no threshold without its promise for 60 s; 1 frame in all",
        ),
    ],
)
def test_summary_of_calm_says_what_has_ended(
    kind: AlertKind, frame_count: int, expected: str
) -> None:
    alert = factories.alert(kind=kind, frame_count=frame_count)

    assert summary.of_calm(alert, off_delay_s=60.0) == expected

"""A summary is one true sentence."""

from datetime import timedelta
from typing import Any

import pytest

from inspection.alerting import summary
from inspection.domain.alert import AlertKind
from inspection.domain.inspection import Verdict
from inspection.domain.notification import AlertFrame
from inspection.domain.rule import RateCondition
from inspection.store.outbox import Taken
from inspection.store.scores import Share
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


def test_summary_of_calm_says_how_the_alert_has_grown() -> None:
    alert = factories.alert(frame_count=18, opened_count=1)

    assert summary.of_calm(alert, off_delay_s=60.0) == (
        "line line-1: no NG part for 60 s; 18 frames in all, 17 more since 12:00 UTC"
    )


def test_summary_of_growth_names_the_day_when_it_is_not_today() -> None:
    alert = factories.alert(frame_count=18, opened_count=1)

    assert alert.growth(NOON + timedelta(days=2)) == "17 more since 2026-03-02 12:00 UTC"
    assert factories.alert().growth(NOON) == ""


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (AlertKind.CAMERA, "line line-1, camera cam-1: neither stalled nor blind for 60 s"),
        (AlertKind.BACKLOG, "line line-1, camera cam-1: no frame waits too long for 60 s"),
        (AlertKind.TREND, "line line-1, camera cam-1: scores do not rise for 60 s"),
    ],
)
def test_summary_of_calm_names_the_camera(kind: AlertKind, expected: str) -> None:
    alert = factories.alert(kind=kind, subject="cam-1")

    assert summary.of_calm(alert, off_delay_s=60.0) == expected


def test_summary_of_a_rate_says_what_was_expected() -> None:
    condition = RateCondition(expected_rate=0.01, window_s=3600)

    assert summary.of_rate("washers", Share(ng_count=9, judged_count=300), condition) == (
        "line washers: 9 of 300 parts within 1 h are NG (3 %), where 1 % are expected"
    )


def test_every_kind_of_alert_has_a_sentence_for_its_end() -> None:
    told = {
        summary.of_calm(factories.alert(kind=kind), off_delay_s=60).split("for")[0]
        for kind in AlertKind
    }

    assert len(told) == len(AlertKind)

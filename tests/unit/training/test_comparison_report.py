import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inspection.training.comparison import BASELINES, CategoryComparison, Comparison, Row
from inspection.training.comparison_report import as_json, as_markdown
from inspection.training.metrics import Interval
from inspection.training.report import Subject
from inspection.training.tally import FIGURES, CategoryEvaluation

SUBJECT = Subject(checkpoint="pocket", method="ava-dino", device="cpu")
NAMES = ("image_auroc", "image_ap", "image_f1max", "pixel_auroc", "pixel_ap", "aupro_30")


def evaluation(category: str, value: float) -> CategoryEvaluation:
    return CategoryEvaluation(
        category=category,
        normal_count=20,
        anomalous_count=30,
        unreadable_count=0,
        figures=dict.fromkeys(FIGURES, Interval(value=value, low=value - 0.125, high=value)),
        undefined={},
        blank_count=0,
        rounds=dict.fromkeys(FIGURES, np.full(10, value)),
    )


def category(name: str, value: float) -> CategoryComparison:
    none = replace(
        evaluation(name, value), figures={}, rounds={}, undefined=dict.fromkeys(FIGURES, "no luck")
    )
    rows = (
        Row(references=0, images_count=0, is_all=False, reference_hash=None, evaluation=none),
        Row(
            references=16,
            images_count=12,
            is_all=True,
            reference_hash="ab" * 32,
            evaluation=evaluation(name, value),
        ),
    )
    baselines = {each: evaluation(name, 0.625) for each in BASELINES}
    return CategoryComparison(category=name, rows=rows, baselines=baselines)


@pytest.fixture
def comparison() -> Comparison:
    return Comparison(
        dataset="folder",
        path=Path("parts"),
        checkpoint_hash="0123456789abcdef" * 4,
        categories=(category("bottle", 0.875), category("wood", 0.75)),
        unreadable=(),
        remarks=("Something is odd.",),
        images_count=100,
        good_count=24,
        seconds=4.0,
    )


def test_json_has_a_row_for_every_category_and_number_of_references(
    comparison: Comparison,
) -> None:
    found = json.loads(json.dumps(as_json(SUBJECT, [comparison])))

    assert [(row["category"], row["references"]) for row in found["rows"]] == [
        ("bottle", 0),
        ("bottle", 16),
        ("wood", 0),
        ("wood", 16),
    ]
    row = found["rows"][1]
    assert [row[name] for name in NAMES] == [0.875] * 6
    assert row["interval"]["image_auroc"] == {"low": 0.75, "high": 0.875}
    assert row["interval"].keys() == set(NAMES)
    assert (row["same_as"], row["reference_images"]) == ("all", 12)


def test_json_has_null_and_the_reason_for_what_is_undefined(comparison: Comparison) -> None:
    row = as_json(SUBJECT, [comparison])["rows"][0]

    assert all(row[name] is None for name in NAMES)
    assert row["interval"] == {}
    assert row["undefined"] == dict.fromkeys(NAMES, "no luck")


def test_json_has_every_baseline_of_every_category(comparison: Comparison) -> None:
    found = as_json(SUBJECT, [comparison])["baselines"]

    assert [(each["category"], each["name"]) for each in found] == [
        (category, name) for category in ("bottle", "wood") for name in BASELINES
    ]
    assert all(each["image_auroc"] == each["pixel_auroc"] == 0.625 for each in found)


def test_json_has_the_mean_over_the_categories(comparison: Comparison) -> None:
    zero, sixteen, *baselines = as_json(SUBJECT, [comparison])["means"]

    assert zero["image_auroc"] is None
    assert sixteen["references"] == 16
    assert sixteen["image_auroc"] == pytest.approx(0.8125)
    assert sixteen["categories"]["image_auroc"] == 2
    assert [each["name"] for each in baselines] == list(BASELINES)


def test_table_shows_how_many_references_there_really_were_and_what_is_undefined(
    comparison: Comparison,
) -> None:
    markdown = as_markdown(SUBJECT, [comparison])

    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert "| bottle | 16 (12) | 87.5 (75.0 to 87.5) |" in markdown
    assert "| **mean** | patch-pca | 62.5 (62.5 to 62.5) |" in markdown
    assert "* \N{EN DASH} bottle, 0: no luck (I-AUROC, I-AP," in markdown
    assert "* Something is odd." in markdown
    assert "* 100 test images and 24 good training images in 4.0 s on cpu." in markdown

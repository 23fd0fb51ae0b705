import json
from pathlib import Path

import numpy as np
import pytest

from inspection.training.evaluation import Evaluation, means
from inspection.training.literature import published
from inspection.training.metrics import Interval
from inspection.training.reading import Unreadable
from inspection.training.report import Subject, as_json, as_markdown
from inspection.training.tally import FIGURES, IMAGE_FIGURES, CategoryEvaluation

SUBJECT = Subject(checkpoint="pocket", method="ava-dino", device="cpu")


def category(name: str, value: float, *undefined: str) -> CategoryEvaluation:
    defined = [figure for figure in FIGURES if figure not in undefined]
    return CategoryEvaluation(
        category=name,
        normal_count=0 if undefined else 20,
        anomalous_count=30,
        unreadable_count=0,
        figures={
            figure: Interval(value=value, low=value - 0.125, high=value + 0.0625)
            for figure in defined
        },
        undefined=dict.fromkeys(undefined, "no normal images"),
        blank_count=0,
        rounds=dict.fromkeys(defined, np.full(10, value)),
    )


def evaluation(dataset: str = "mvtec-ad", *categories: CategoryEvaluation) -> Evaluation:
    categories = categories or (category("bottle", 0.875), category("wood", 0.75))
    return Evaluation(
        dataset=dataset,
        path=Path("mvtec"),
        split="test",
        checkpoint_hash="0123456789abcdef" * 4,
        categories=categories,
        mean=means(categories),
        unreadable=(Unreadable(path=Path("a.png"), reason="a.png cannot be read: it is cut off."),),
        remarks=("Something is odd.",),
        images_count=100,
        seconds=4.0,
        metrics_s=0.2,
    )


def rows(markdown: str) -> dict[str, list[str]]:
    """Return the cells of every row by its first cell."""
    lines = [line.strip("| ").split(" | ") for line in markdown.splitlines() if line[:1] == "|"]
    return {cells[0]: cells[1:] for cells in lines}


def test_json_is_one_object_with_every_figure() -> None:
    found = json.loads(json.dumps(as_json(SUBJECT, [evaluation()])))

    assert (found["checkpoint"], found["method"], found["device"]) == ("pocket", "ava-dino", "cpu")
    assert found["checkpoint_hash"] == "0123456789abcdef" * 4
    (only,) = found["evaluations"]
    assert only["images_per_second"] == 25
    assert only["remarks"] == ["Something is odd."]
    assert only["unreadable"][0]["path"] == "a.png"
    assert only["categories"][0]["figures"]["p_ap"] == {"value": 0.875, "low": 0.75, "high": 0.9375}
    assert only["mean"]["p_ap"]["value"] == pytest.approx(0.8125)
    assert only["mean"]["p_ap"]["categories"] == 2


def test_json_has_null_and_the_reason_for_what_is_undefined() -> None:
    one = evaluation("folder", category("bottle", 0.875, *IMAGE_FIGURES))

    (only,) = as_json(SUBJECT, [one])["evaluations"]

    assert only["categories"][0]["figures"]["i_auroc"] is None
    assert only["categories"][0]["undefined"]["i_auroc"] == "no normal images"
    assert only["mean"]["i_auroc"] is None


def test_table_shows_per_cent_with_intervals_and_the_mean() -> None:
    found = rows(as_markdown(SUBJECT, [evaluation()]))

    assert found["category"] == ["normal", "anomalous", *FIGURES.values()]
    assert found["bottle"][:3] == ["20", "30", "87.5 (75.0 to 93.8)"]
    assert found["**mean**"][:3] == ["40", "60", "81.2 (81.2 to 81.2)"]
    assert len({len(cells) for cells in found.values()}) == 1


def test_table_shows_a_dash_with_its_reason_and_over_how_many_the_mean_is() -> None:
    one = evaluation("folder", category("bottle", 0.875, *IMAGE_FIGURES), category("wood", 0.75))

    markdown = as_markdown(SUBJECT, [one])

    found = rows(markdown)
    assert found["bottle"][2] == "\N{EN DASH}"
    assert found["**mean**"][2] == "75.0 (75.0 to 75.0), 1 of 2"
    assert found["**mean**"][5] == "81.2 (81.2 to 81.2)"
    assert "bottle: no normal images (I-AUROC, I-AP, I-F1max)." in markdown


def test_table_names_what_could_not_be_read_and_what_is_odd() -> None:
    markdown = as_markdown(SUBJECT, [evaluation()])

    assert "* Files that could not be read and are left out: 1." in markdown
    assert "* a.png cannot be read: it is cut off." in markdown
    assert "* Something is odd." in markdown


def test_published_figures_stand_beside_with_their_source_and_caveats() -> None:
    markdown = as_markdown(SUBJECT, [evaluation("mvtec-ad")])

    dash = "\N{EN DASH}"
    assert rows(markdown)["ava-dino, published"][2:] == [
        *("93.5", dash, dash),
        *("92.1", dash, "50.6"),
        *(dash, dash),
    ]
    assert "README of the published AVA-DINO code" in markdown
    assert "the best pixel AUROC on this very test set" in markdown


def test_no_figures_are_published_for_a_set_of_ones_own_or_another_method() -> None:
    assert published("folder", "ava-dino") is None
    assert published("mvtec-ad", "ad-dinov3") is None
    assert "published |" not in as_markdown(SUBJECT, [evaluation("folder")])


def test_method_with_averages_only_has_them_as_a_remark() -> None:
    subject = Subject(checkpoint="a", method="ad-dinov3", device="cpu")

    assert "94.2 and P-F1max 44.6 as means over industrial sets" in as_markdown(
        subject, [evaluation()]
    )


def test_publication_for_visa_was_trained_on_another_set_than_all_others() -> None:
    visa, btad = published("visa", "ava-dino"), published("btad", "ava-dino")

    assert visa is not None
    assert btad is not None
    assert any("test split of MVTec AD" in caveat for caveat in visa.caveats)
    assert any("test split of VisA" in caveat for caveat in btad.caveats)

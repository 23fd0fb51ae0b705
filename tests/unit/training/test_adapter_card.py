"""The card of adapters names the terms of their data, and does not make them up."""

from pathlib import Path

import pytest

from inspection.model.checkpoint import load_checkpoint
from inspection.training.adapter_card import AdapterCard
from inspection.training.datasets import Dataset, Sample
from inspection.training.plan import Epoch, Plan


def card(folder: Path, category: str) -> str:
    sample = Sample(
        image=Path("a.png"),
        product=category,
        category=category,
        kind="good",
        is_anomalous=False,
        mask=None,
    )
    dataset = Dataset(
        name="visa",
        path=Path(),
        split="test",
        samples=(sample,),
        has_masks=True,
        remarks=("one mask is without its image",),
    )
    return AdapterCard(
        config=load_checkpoint(folder).config,
        datasets=[dataset],
        plan=Plan(),
        command="inspection train",
        content_hash="abc",
        history=[Epoch(number=1, training_loss=1.0, validation_loss=None)],
        best_epoch=1,
        counts=(9, 1),
        processes_count=2,
    ).text()


@pytest.mark.parametrize(("category", "is_known"), [("candle", True), ("road", False)])
def test_card_gives_the_terms_of_visa_to_the_classes_of_visa_only(
    tiny_detector_folder: Path, category: str, is_known: bool
) -> None:
    text = card(tiny_detector_folder, category)

    assert ("CC BY 4.0" in text) == is_known
    assert ("look it up" in text) != is_known


def test_card_says_what_was_odd_and_how_many_processes_trained(tiny_detector_folder: Path) -> None:
    text = card(tiny_detector_folder, "candle")

    assert "visa: one mask is without its image" in text
    assert "`inspection train`, by 2 processes" in text

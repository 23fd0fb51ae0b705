"""Features: computed once, kept on disk, taken up where an extraction ended."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch

from inspection.errors import ConfigurationError, DatasetError
from inspection.model.backbone import Backbone
from inspection.model.preprocessing import prepared
from inspection.training.datasets import Sample, read_image, read_mask
from inspection.training.features import Extraction, Features, _Rows, extract


@pytest.fixture
def extraction(tmp_path: Path) -> Extraction:
    return Extraction(image_size_px=64, cache=tmp_path / "features", batch_count=4)


@pytest.fixture
def with_a_broken_file(samples: tuple[Sample, ...], tmp_path: Path) -> list[Sample]:
    """The samples, the third of which is no picture."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    return [replace(s, image=broken) if row == 2 else s for row, s in enumerate(samples)]


class Counted(torch.nn.Module):
    """A backbone that counts its calls and may end in one of them."""

    def __init__(self, backbone: Backbone, *, ends_after: int = 1000) -> None:
        super().__init__()
        self.backbone, self.calls, self.ends_after = backbone, 0, ends_after
        self.tap_blocks, self.width = backbone.tap_blocks, backbone.width
        self.patch_size_px, self.normalisation = backbone.patch_size_px, backbone.normalisation
        self.constants = backbone.constants

    def forward(self, images: torch.Tensor) -> object:
        self.calls += 1
        if self.calls > self.ends_after:
            raise KeyboardInterrupt
        return self.backbone(images)


def test_features_are_what_the_backbone_says_of_every_image(
    tiny_backbone: Backbone, samples: tuple[Sample, ...], extraction: Extraction
) -> None:
    features = extract(tiny_backbone, samples, extraction)

    rows = np.array([1, 7, 20])
    batch = prepared([read_image(samples[row]) for row in rows], 64, tiny_backbone.normalisation)
    with torch.inference_mode():
        expected = tiny_backbone(batch)
    for found, wanted in zip(features.taps(rows), expected, strict=True):
        torch.testing.assert_close(found.cls, wanted.cls, rtol=2e-3, atol=2e-3)
        torch.testing.assert_close(found.patches, wanted.patches, rtol=2e-3, atol=2e-3)
    for mask, row in zip(features.masks(rows), rows, strict=True):
        np.testing.assert_array_equal(mask.numpy() > 0, read_mask(samples[row], (64, 64)))
    assert features.labels.tolist() == [int(sample.is_anomalous) for sample in samples]


def test_features_are_not_computed_again(
    tiny_backbone: Backbone, samples: tuple[Sample, ...], extraction: Extraction
) -> None:
    first = Counted(tiny_backbone)
    extract(first, samples, extraction)
    again = Counted(tiny_backbone)

    extract(again, samples, extraction)

    assert first.calls == len(samples) / 4
    assert again.calls == 0


@pytest.mark.parametrize("what", ["image size", "backbone", "file"])
def test_features_are_computed_again_when_anything_they_follow_from_changes(
    tiny_backbone: Backbone,
    samples: tuple[Sample, ...],
    extraction: Extraction,
    tmp_path: Path,
    what: str,
) -> None:
    copied = Path(shutil.copy(samples[0].image, tmp_path / "first.png"))
    ours = (replace(samples[0], image=copied), *samples[1:])
    before = extract(tiny_backbone, ours, extraction).identity

    if what == "file":
        shutil.copy(samples[1].image, copied)
    changed = replace(extraction, image_size_px=128) if what == "image size" else extraction
    backbone = (
        Backbone({**tiny_backbone.constants, "num_hidden_layers": 4} | SMALL).eval()
        if what == "backbone"
        else tiny_backbone
    )

    assert extract(backbone, ours, changed).identity != before


#: Another backbone than the tiny one.
SMALL = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_attention_heads": 2,
    "num_register_tokens": 4,
    "patch_size": 16,
    "image_size": 64,
}


def test_extraction_goes_on_where_it_ended(
    tiny_backbone: Backbone,
    samples: tuple[Sample, ...],
    extraction: Extraction,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("inspection.training.features._SAVE_EVERY_BATCHES", 1)
    whole = extract(tiny_backbone, samples, replace(extraction, cache=tmp_path / "whole"))

    with pytest.raises(KeyboardInterrupt):
        extract(Counted(tiny_backbone, ends_after=3), samples, extraction)
    successor = Counted(tiny_backbone)
    features = extract(successor, samples, extraction)

    assert successor.calls == len(samples) / 4 - 3
    rows = np.arange(len(samples))
    for found, wanted in zip(features.taps(rows), whole.taps(rows), strict=True):
        assert torch.equal(found.patches, wanted.patches)
        assert torch.equal(found.cls, wanted.cls)
    assert torch.equal(features.masks(rows), whole.masks(rows))


def test_extraction_leaves_out_and_names_what_cannot_be_read(
    tiny_backbone: Backbone, with_a_broken_file: list[Sample], extraction: Extraction
) -> None:
    features = extract(tiny_backbone, with_a_broken_file, extraction)

    assert 2 not in features.rows
    assert len(features.rows) == len(with_a_broken_file) - 1
    (sentence,) = features.unreadable
    assert "broken.png" in sentence


def test_file_that_can_be_read_again_is_taken_the_next_time(
    tiny_backbone: Backbone, with_a_broken_file: list[Sample], extraction: Extraction
) -> None:
    broken = with_a_broken_file[2].image
    stamp = broken.stat()
    features = extract(tiny_backbone, with_a_broken_file, extraction)
    whole = with_a_broken_file[1].image.read_bytes()

    # As a network drive comes back: the same file, readable now.
    broken.write_bytes(whole)
    os.utime(broken, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    found = _Rows(
        extraction.cache / "features" / features.identity,
        tiny_backbone,
        with_a_broken_file,
        extraction,
    )

    assert found.complete(lambda _: None) == {}
    again = Features(extraction.cache / "features" / features.identity, with_a_broken_file, {})
    assert torch.equal(again.taps(np.array([2]))[0].cls, again.taps(np.array([1]))[0].cls)


def test_two_extractions_of_the_same_data_take_turns(
    tiny_backbone: Backbone, samples: tuple[Sample, ...], extraction: Extraction
) -> None:
    class Meddling(Counted):
        """While it extracts, another one of the same data is begun."""

        def forward(self, images: torch.Tensor) -> object:
            if self.calls == 1:
                self.other = Thread(target=extract, args=(tiny_backbone, samples, extraction))
                self.other.start()
            return super().forward(images)

    meddling = Meddling(tiny_backbone)
    features = extract(meddling, samples, extraction)
    meddling.other.join()

    rows = np.arange(len(samples))
    with torch.inference_mode():
        assert all(tap.patches.abs().amax(dim=(1, 2)).min() > 0 for tap in features.taps(rows))


def test_features_whose_files_were_removed_are_computed_again(
    tiny_backbone: Backbone, samples: tuple[Sample, ...], extraction: Extraction
) -> None:
    features = extract(tiny_backbone, samples, extraction)
    (extraction.cache / "features" / features.identity / "patches.npy").unlink()

    again = Counted(tiny_backbone)
    extract(again, samples, extraction)

    assert again.calls == len(samples) / 4


def test_strict_extraction_ends_at_the_first_file_that_cannot_be_read(
    tiny_backbone: Backbone, with_a_broken_file: list[Sample], extraction: Extraction
) -> None:
    with pytest.raises(DatasetError, match=r"broken\.png"):
        extract(tiny_backbone, with_a_broken_file, replace(extraction, is_strict=True))


def test_strict_extraction_does_not_take_what_another_has_left_out(
    tiny_backbone: Backbone, with_a_broken_file: list[Sample], extraction: Extraction
) -> None:
    extract(tiny_backbone, with_a_broken_file, extraction)

    with pytest.raises(DatasetError, match=r"broken\.png"):
        extract(tiny_backbone, with_a_broken_file, replace(extraction, is_strict=True))


def test_image_size_that_cuts_patches_is_refused(
    tiny_backbone: Backbone, samples: tuple[Sample, ...], extraction: Extraction
) -> None:
    with pytest.raises(ConfigurationError, match="no multiple of 16"):
        extract(tiny_backbone, samples, replace(extraction, image_size_px=100))


def test_features_that_do_not_fit_on_the_disk_are_refused_before_they_are_begun(
    tiny_backbone: Backbone,
    samples: tuple[Sample, ...],
    extraction: Extraction,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10_000))

    with pytest.raises(DatasetError, match=r"has room for 0\.0 GB"):
        extract(tiny_backbone, samples, extraction)


def test_features_among_categories_are_those_rows_only(
    tiny_backbone: Backbone, samples: tuple[Sample, ...], extraction: Extraction
) -> None:
    features = extract(tiny_backbone, samples, extraction)

    chosen = features.among({samples[0].category})

    assert {features.samples[row].category for row in chosen.rows} == {samples[0].category}
    assert 0 < len(chosen.rows) < len(features.rows)
    assert chosen.identity != features.identity

"""Parity can be asked for from outside, for any folder of the format."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from inspection.training import parity

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def copied(reference_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(reference_dir, tmp_path / "reference", copy_function=shutil.copy))


def test_every_reference_number_is_met(
    reference_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = parity.main([str(reference_dir)])

    printed = capsys.readouterr().out
    assert code == 0, printed
    assert "FAIL" not in printed
    for method in parity.PUBLISHED:
        assert all(name in printed for name in np.load(reference_dir / f"{method}.npz"))
    for file in ("metrics.json", "prompts.json"):
        names = json.loads((reference_dir / file).read_text()).keys() - {"object"}
        assert all(name in printed for name in names)
    assert all(file in printed for file in ("dinov3-tiny.npz", "preprocess.npz"))


def test_a_number_that_is_off_is_named_and_fails(
    copied: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity, "PUBLISHED", {})  # the heads take the longest
    expected = json.loads((copied / "metrics.json").read_text())
    (copied / "metrics.json").write_text(json.dumps(expected | {"pixel_ap": 0.5}))
    prompts = json.loads((copied / "prompts.json").read_text())
    (copied / "prompts.json").write_text(json.dumps(prompts | {"normal_count": 246}))

    code = parity.main([str(copied)])

    failed = [line for line in capsys.readouterr().out.splitlines() if "FAIL" in line]
    assert code == 1
    assert ["pixel_ap" in line or "normal_count" in line for line in failed] == [True, True]


def test_other_seeds_and_batch_sizes_are_read_from_the_folder(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copied / "manifest.json").write_text(
        json.dumps({"seed": 7, "batch_size": 3, "labels": [0, 1, 1]})
    )
    seeds = parity.Seeds.read(copied)
    for method in parity.PUBLISHED:
        shapes = json.loads((copied / f"{method}.weights.json").read_text())
        np.savez(copied / f"{method}.npz", **parity.answers(method, shapes, seeds))
    assert np.load(copied / "ava-dino.npz")["global_logits"].shape == (3, 2)

    code = parity.main([str(copied)])

    assert code == 0, capsys.readouterr().out


def test_a_folder_that_is_none_ends_with_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = parity.main([str(tmp_path)])

    assert code == 2
    assert capsys.readouterr().err.startswith(f"{tmp_path} cannot be compared")


def test_an_error_that_is_no_number_does_not_pass() -> None:
    assert not parity.Comparison(name="x", error=float("nan"), tolerance=1.0).has_passed

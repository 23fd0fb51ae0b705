from dataclasses import replace
from pathlib import Path

import pytest

from inspection.model.checkpoint import load_checkpoint
from inspection.training.pocket import Run, make_checkpoint
from inspection.training.schedule import Schedule
from tests.tiny import TINY


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(
        folder=tmp_path,
        schedule=Schedule(
            steps_count=2, windows_count=4, wholes_count=4, window_px=32, sentences_count=2
        ),
        pairs_count=6,
        held_out_pairs_count=3,
        trials_count=1,
        trial_parts_count=8,
        threads_count=1,
        rendered_sizes_px=(64,),
    )


def test_pocket_run_ends_with_a_checkpoint_and_its_card(run: Run) -> None:
    folder = make_checkpoint(run, TINY)

    loaded = load_checkpoint(folder)
    card = (folder / "card.md").read_text()
    assert loaded.config.head == TINY.head
    assert loaded.config.tap_blocks == TINY.tap_blocks
    assert "Apache-2.0" in card
    assert "| woven fabric |" in card


def test_pocket_run_does_not_train_again_what_its_state_says_is_done(run: Run) -> None:
    without_trials = replace(run, trials_count=0)
    first = load_checkpoint(make_checkpoint(without_trials, TINY)).content_hash

    again = load_checkpoint(make_checkpoint(without_trials, TINY)).content_hash

    assert again == first

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from inspection.model.prompts import prompts_for
from inspection.model.text import TextTower, open_clip_config


def sha256(sentences: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(sorted(sentences)).encode()).hexdigest()


def test_prompts_are_the_published_ensemble(reference_dir: Path) -> None:
    expected = json.loads((reference_dir / "prompts.json").read_text())

    prompts = prompts_for(expected["object"])

    assert len(prompts.normal) == expected["normal_count"]
    assert len(prompts.anomalous) == expected["anomalous_count"]
    assert sha256(prompts.normal) == expected["normal_sentences_sha256"]
    assert sha256(prompts.anomalous) == expected["anomalous_sentences_sha256"]


def test_prompts_become_the_published_tokens(reference_dir: Path) -> None:
    expected = json.loads((reference_dir / "prompts.json").read_text())
    prompts = prompts_for(expected["object"])

    tokens = TextTower.tokens_of(
        prompts.normal + prompts.anomalous, open_clip_config("ViT-L-14-336").context_length
    )

    rows = sorted(tokens.tolist())
    digest = hashlib.sha256(np.asarray(rows, dtype="<i8").tobytes()).hexdigest()
    assert digest == expected["token_ids_sha256_of_sorted_rows"]


def test_prompts_name_the_product_in_every_sentence() -> None:
    prompts = prompts_for("coffee leaf")

    assert all("coffee leaf" in sentence for sentence in prompts.normal + prompts.anomalous)


def test_defects_are_one_more_state_each_for_every_template() -> None:
    plain = prompts_for("metal nut")

    prompts = prompts_for("metal nut", ("with a missing screw", "without thread"))

    assert prompts.normal == plain.normal
    assert prompts.anomalous[:175] == plain.anomalous
    assert len(prompts.anomalous) == 175 + 2 * 35
    assert "a photo of a metal nut with a missing screw." in prompts.anomalous
    assert "this is one metal nut without thread in the scene." in prompts.anomalous


@pytest.mark.parametrize(
    ("defect", "words"),
    [
        ("with a crack", "nut with a crack"),
        ("Missing a screw", "nut Missing a screw"),
        ("a crack", "nut with a crack"),
        ("bent_pin", "nut with bent pin"),
        ("  inclusion\nof dirt. ", "nut with inclusion of dirt"),
        ("{0.__class__}", "nut with {0.  class  }"),
    ],
)
def test_defect_follows_the_products_name_with_a_word_that_connects_it(
    defect: str, words: str
) -> None:
    prompts = prompts_for("nut", (defect,))

    assert f"a photo of a {' '.join(words.split())}." in prompts.anomalous


def test_defects_that_say_nothing_new_add_nothing() -> None:
    plain = prompts_for("nut")

    prompts = prompts_for("nut", ("", " . ", "flaw", "with flaw"))

    assert prompts == plain


def test_defect_named_twice_counts_once() -> None:
    prompts = prompts_for("nut", ("a crack", "with a crack"))

    assert len(prompts.anomalous) == 175 + 35

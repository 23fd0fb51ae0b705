import hashlib
import json
from pathlib import Path

import numpy as np

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

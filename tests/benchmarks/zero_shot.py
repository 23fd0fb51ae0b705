"""Both methods on photographs of products they have not seen, with the packaged backbone.

``python -m tests.benchmarks.zero_shot OUT REAL_MINI`` trains each method on one category (for 10
epochs) and on all but one (for 4, of more images), measures it on the others, and prints two
Markdown tables, one with 95 % intervals. The features of all images are computed once, for training
and measuring alike. What is done is kept in OUT; called again it goes on.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inspection.domain.recipe import Recipe
from inspection.model.checkpoint import load_checkpoint
from inspection.model.head import draw_map
from inspection.model.methods import METHODS, Head, head_config, make_head
from inspection.model.text import ProductTexts
from inspection.training.adapters import AdapterTraining
from inspection.training.bootstrap import ROUNDS_COUNT
from inspection.training.datasets import open_dataset
from inspection.training.features import Extraction, extract
from inspection.training.plan import Plan
from inspection.training.reading import Example
from inspection.training.tally import Tally

SIZE_PX = 256
FIGURES = ("i_auroc", "p_auroc", "p_ap", "aupro_30")
BATCH_COUNT = 16


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.zero_shot")
    parser.add_argument("out", type=Path)
    parser.add_argument("real_mini", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parsed = parser.parse_args()
    torch.set_num_threads(parsed.threads)
    study = _Study(parsed.out, parsed.real_mini)
    results = parsed.out / "zero_shot.json"
    done: dict[str, Any] = json.loads(results.read_text()) if results.is_file() else {}
    for seen in [*study.names, *(f"not {name}" for name in study.names)]:
        for method in METHODS:
            key = f"{method}|{seen}"
            if key not in done:
                done[key] = study.measure(method, seen)
                results.write_text(json.dumps(done))
                sys.stderr.write(f"{key} {done[key]}\n")
    sys.stdout.write(_tables(done, study.names) + "\n")


class _Study:
    def __init__(self, out: Path, real_mini: Path) -> None:
        dataset = open_dataset("folder", real_mini)
        network = load_checkpoint("pocket").network
        self.names = dataset.categories
        self._out = out
        self._features = extract(
            network.backbone, dataset.samples, Extraction(image_size_px=SIZE_PX, cache=out)
        )
        texts = ProductTexts(network.text)
        self._texts = {
            product: texts(Recipe(product=product))
            for product in {sample.product for sample in dataset.samples}
        }

    def measure(self, method: str, seen: str) -> dict[str, dict[str, list[float]]]:
        """Train on a category, or on all but one, and measure on the others."""
        learnt = [name for name in self.names if f"not {name}" != seen]
        if seen in self.names:
            learnt = [seen]
        head = self._trained(method, learnt)
        unseen = [name for name in self.names if name not in learnt]
        return {name: self._figures(head, name) for name in unseen}

    def _trained(self, method: str, categories: list[str]) -> Head:
        torch.manual_seed(0)
        config = head_config(method, token_width=192, text_width=64, taps_count=4)
        plan = Plan(epochs_count=10 if len(categories) == 1 else 4, batch_count=32)
        training = AdapterTraining(
            make_head(config), self._features.among(categories), self._texts, plan
        )
        state = self._out / "state.pt"
        state.unlink(missing_ok=True)
        training.run(state)
        head = make_head(config)
        head.load_state_dict(training.best)
        return head.eval()

    def _figures(self, head: Head, category: str) -> dict[str, list[float]]:
        features = self._features.among([category])
        tally = Tally(rounds_count=ROUNDS_COUNT, seed=(0,), gallery=None)
        # Shuffled: the first images decide the bins of the bootstrap.
        order = np.random.default_rng(0).permutation(features.rows)
        for first in range(0, len(order), BATCH_COUNT):
            rows = order[first : first + BATCH_COUNT]
            text = torch.stack([self._texts[features.samples[row].product] for row in rows])
            with torch.inference_mode():
                logits = head(features.taps(rows), text).patch_logits
                grids = logits.view(*logits.shape[:2], *features.grid)
                maps = draw_map(grids, (SIZE_PX, SIZE_PX)).numpy()
            blank = np.zeros((1, 1, 3), np.uint8)
            examples = [
                Example(sample=features.samples[row], image=blank, mask=mask > 0)
                for row, mask in zip(rows, features.masks(rows).numpy(), strict=True)
            ]
            tally.add(examples, maps.max(axis=(1, 2)).tolist(), maps)
        found = tally.result(category, unreadable_count=0, has_masks=True).figures
        return {name: [found[name].value, found[name].low, found[name].high] for name in FIGURES}


def _tables(done: dict[str, Any], names: tuple[str, ...]) -> str:
    lines = [
        "| measured on, trained on all others | method | I-AUROC | P-AUROC | P-AP | AUPRO 0.30 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in names:
        for method in METHODS:
            figures = done[f"{method}|not {name}"][name]
            cells = " | ".join(_interval(figures[figure]) for figure in FIGURES)
            lines.append(f"| {name} | {method} | {cells} |")
    for method in METHODS:
        values = [[done[f"{method}|not {n}"][n][f][0] for f in FIGURES] for n in names]
        cells = " | ".join(f"{100 * value:.1f}" for value in np.mean(values, axis=0))
        lines.append(f"| mean | {method} | {cells} |")
    lines += ["", "| trained on | method | " + " | ".join(names) + " |"]
    lines.append("| --- | --- |" + " --- |" * len(names))
    for seen in names:
        for method in METHODS:
            found = done[f"{method}|{seen}"]
            cells = [_pair(found[name]) if name in found else "" for name in names]
            lines.append(f"| {seen} | {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _interval(values: list[float]) -> str:
    value, low, high = (100 * each for each in values)
    return f"{value:.1f} ({low:.1f} to {high:.1f})"


def _pair(figures: dict[str, list[float]]) -> str:
    return f"{100 * figures['i_auroc'][0]:.1f} / {100 * figures['p_auroc'][0]:.1f}"


if __name__ == "__main__":
    main()

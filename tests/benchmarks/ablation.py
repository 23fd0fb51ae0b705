"""Which variant of a head measures better: ``python -m tests.benchmarks.ablation OUT REAL_MINI``.

Learns from and measures on what may choose a default: parts that the project renders, and the
photographs of coffee leaves and of fabric. Every variant is trained on one of them and measured on
products that it has not seen; prints a Markdown table of means over the pairs and seeds.
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
from inspection.model.methods import Head, head_config, make_head
from inspection.model.text import ProductTexts
from inspection.training.adapters import AdapterTraining
from inspection.training.bootstrap import image_figures
from inspection.training.datasets import Sample, open_dataset
from inspection.training.features import Extraction, Features, extract
from inspection.training.pixels import PixelCounts, keyed
from inspection.training.plan import Plan
from tests.datasets import render_dataset

SIZE_PX = 256
VARIANTS: dict[str, tuple[str, dict[str, Any], float]] = {
    "ava-dino": ("ava-dino", {}, 1e-3),
    "ava-dino, interleaved text (published)": ("ava-dino", {"text_stack": "interleave"}, 1e-3),
    "ava-dino, last tap routes": ("ava-dino", {"routing": "last-tap"}, 1e-3),
    "ava-dino, second linear of text": ("ava-dino", {"text_linear": "second"}, 1e-3),
    "ava-dino, rate 1e-4": ("ava-dino", {}, 1e-4),
    "ad-dinov3": ("ad-dinov3", {}, 1e-3),
    "ad-dinov3, residual": ("ad-dinov3", {"has_residual": True}, 1e-3),
    "ad-dinov3, first linear": ("ad-dinov3", {"linear": "first"}, 1e-3),
    "ad-dinov3, first linear, interleaved text (published)": (
        "ad-dinov3",
        {"linear": "first", "text_stack": "interleave"},
        1e-3,
    ),
    "ad-dinov3, first linear, rate 1e-4": ("ad-dinov3", {"linear": "first"}, 1e-4),
}
PHOTOGRAPHS = ("coffee_leaf", "fabric")
FIGURES = ("i_auroc", "p_auroc", "p_ap", "aupro_30")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.ablation")
    parser.add_argument("out", type=Path)
    parser.add_argument("real_mini", type=Path)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parsed = parser.parse_args()
    torch.set_num_threads(parsed.threads)
    study = _Study(parsed.out, parsed.real_mini, epochs_count=parsed.epochs)
    results = parsed.out / "ablation.json"
    done = json.loads(results.read_text()) if results.is_file() else {}
    for seed in range(parsed.seeds):
        for name in VARIANTS:
            for pair in study.pairs:
                key = f"{name}|{pair}|{seed}"
                if key not in done:
                    done[key] = study.measure(name, pair, seed)
                    results.write_text(json.dumps(done))
                    sys.stderr.write(f"{key} {done[key]}\n")
    sys.stdout.write(_table(done, list(study.pairs)) + "\n")


class _Study:
    def __init__(self, out: Path, real_mini: Path, *, epochs_count: int) -> None:
        rendered = out / "rendered"
        if not rendered.is_dir():
            render_dataset(
                "mvtec-ad", rendered, categories=12, normal=10, anomalous=10, size_px=SIZE_PX
            )
        parts = open_dataset("mvtec-ad", rendered)
        photographs = open_dataset("folder", real_mini)
        samples: list[Sample] = [
            *parts.samples,
            *(sample for sample in photographs.samples if sample.category in PHOTOGRAPHS),
        ]
        self._checkpoint = load_checkpoint("pocket")
        self._features = extract(
            self._checkpoint.network.backbone,
            samples,
            Extraction(image_size_px=SIZE_PX, cache=out / "features"),
        )
        texts = ProductTexts(self._checkpoint.network.text)
        self._texts = {
            product: texts(Recipe(product=product)).clone()
            for product in {sample.product for sample in samples}
        }
        self._out, self._epochs_count = out, epochs_count
        some, others = parts.categories[::2], parts.categories[1::2]
        self.pairs: dict[str, tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]] = {
            "rendered, other products": (some, tuple((name,) for name in others)),
            "rendered to photographs": (parts.categories, (("coffee_leaf",), ("fabric",))),
            "coffee leaf to fabric": (("coffee_leaf",), (("fabric",),)),
            "fabric to coffee leaf": (("fabric",), (("coffee_leaf",),)),
        }

    def measure(self, variant: str, pair: str, seed: int) -> dict[str, float]:
        method, values, rate = VARIANTS[variant]
        torch.manual_seed(seed)
        config = head_config(method, token_width=192, text_width=64, taps_count=4, values=values)
        seen, unseen = self.pairs[pair]
        plan = Plan(epochs_count=self._epochs_count, rate=rate, seed=seed, batch_count=32)
        training = AdapterTraining(make_head(config), self._features.among(seen), self._texts, plan)
        state = self._out / "state.pt"
        state.unlink(missing_ok=True)
        training.run(state)
        head = make_head(config)
        head.load_state_dict(training.best)
        each = [self._figures(head.eval(), self._features.among(names)) for names in unseen]
        return {name: float(np.mean([found[name] for found in each])) for name in FIGURES}

    def _figures(self, head: Head, features: Features) -> dict[str, float]:
        counts, scores = PixelCounts(), []
        for first in range(0, len(features.rows), 16):
            rows = features.rows[first : first + 16]
            text = torch.stack([self._texts[features.samples[row].product] for row in rows])
            with torch.inference_mode():
                logits = head(features.taps(rows), text).patch_logits
                maps = draw_map(logits.unflatten(2, features.grid), (SIZE_PX, SIZE_PX)).numpy()
            scores.append(maps.max(axis=(1, 2)))
            counts.add(keyed(maps, features.masks(rows).numpy() > 0))
        image = image_figures(features.labels[features.rows], np.concatenate(scores))
        pixel = counts.curve().figures()
        return {name: float({**image, **pixel}[name]) for name in FIGURES}


def _table(done: dict[str, dict[str, float]], pairs: list[str]) -> str:
    lines = [
        "| head | " + " | ".join(pairs) + " | mean |",
        "| --- |" + " --- |" * (len(pairs) + 1),
    ]
    for name in VARIANTS:
        cells = []
        for pair in pairs:
            found = [value for key, value in done.items() if key.startswith(f"{name}|{pair}|")]
            if found:
                cells.append([np.mean([each[figure] for each in found]) for figure in FIGURES])
        if len(cells) == len(pairs):
            shown = [*cells, np.mean(cells, axis=0)]
            lines.append(
                f"| {name} | "
                + " | ".join(" / ".join(f"{100 * value:.1f}" for value in cell) for cell in shown)
                + " |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()

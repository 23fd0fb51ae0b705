"""A comparison as JSON for scripts and as a Markdown table for people."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from inspection.training.comparison import BASELINES, CategoryComparison, Comparison, Row
from inspection.training.evaluation import means
from inspection.training.metrics import Interval
from inspection.training.report import ABSENT, Subject, cell, reasons, row, unreadable_notes
from inspection.training.tally import FIGURES, CategoryEvaluation

#: Names of the figures in JSON.
_NAMES = {
    "i_auroc": "image_auroc",
    "i_ap": "image_ap",
    "i_f1max": "image_f1max",
    "p_auroc": "pixel_auroc",
    "p_ap": "pixel_ap",
    "aupro_30": "aupro_30",
}
_READING = (
    "Per cent, with 95 % bootstrap intervals over test images; which good images became "
    "references is not in them: another --seed draws others. The thresholds of F1 are chosen "
    "with the labels: an upper bound, not what a line reaches."
)
_BASELINES = (
    "Baselines, on the same images: darkness-edge marks what is darker than the picture's median "
    "and edges, and uses no reference; patch-pca marks what lies outside the principal components "
    "of the raw patches of all good training images."
)


def as_json(subject: Subject, comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return one object; figures are in [0, 1], undefined ones are None with the reason."""
    return asdict(subject) | {
        "checkpoint_hash": comparisons[0].checkpoint_hash,
        "rows": [
            _place(one, each) | _row(found)
            for one, each in _categories(comparisons)
            for found in each.rows
        ],
        "baselines": [
            _place(one, each) | {"name": name} | _figures(each.baselines[name])
            for one, each in _categories(comparisons)
            for name in BASELINES
        ],
        "means": [
            {"dataset": one.dataset} | named | _mean(evaluations)
            for one in comparisons
            for named, evaluations in _groups(one)
        ],
        "datasets": [
            {
                "dataset": one.dataset,
                "path": str(one.path),
                "images": one.images_count,
                "good_images": one.good_count,
                "unreadable": [
                    {"path": str(each.path), "reason": each.reason} for each in one.unreadable
                ],
                "remarks": list(one.remarks),
                "seconds": round(one.seconds, 3),
            }
            for one in comparisons
        ],
    }


def as_markdown(subject: Subject, comparisons: Sequence[Comparison]) -> str:
    """Return a table a data set, in per cent with 95 % intervals, each with its remarks."""
    return "\n\n".join(_section(each, subject) for each in comparisons)


def _categories(
    comparisons: Sequence[Comparison],
) -> Iterator[tuple[Comparison, CategoryComparison]]:
    for one in comparisons:
        for each in one.categories:
            yield one, each


def _groups(
    comparison: Comparison,
) -> Iterator[tuple[dict[str, Any], list[CategoryEvaluation]]]:
    """Yield what is measured alike in all categories: each number of references, each baseline."""
    categories = comparison.categories
    for place, first in enumerate(categories[0].rows):
        yield (
            {"references": first.references},
            [each.rows[place].evaluation for each in categories],
        )
    for name in BASELINES:
        yield {"name": name}, [each.baselines[name] for each in categories]


def _place(comparison: Comparison, each: CategoryComparison) -> dict[str, Any]:
    return {"dataset": comparison.dataset, "category": each.category}


def _row(found: Row) -> dict[str, Any]:
    return {
        "references": found.references,
        "reference_images": found.images_count,
        "same_as": "all" if found.is_all and found.references != "all" else None,
        "reference_hash": found.reference_hash,
        "normal": found.evaluation.normal_count,
        "anomalous": found.evaluation.anomalous_count,
        **_figures(found.evaluation),
    }


def _figures(evaluation: CategoryEvaluation) -> dict[str, Any]:
    return _valued(evaluation.figures) | {
        "undefined": {
            _NAMES[name]: reason for name, reason in evaluation.undefined.items() if name in _NAMES
        }
    }


def _mean(evaluations: Sequence[CategoryEvaluation]) -> dict[str, Any]:
    found = means(evaluations)
    counts = {_NAMES[name]: mean.categories_count for name, mean in found.items() if name in _NAMES}
    return _valued({name: mean.figure for name, mean in found.items()}) | {"categories": counts}


def _valued(figures: Mapping[str, Interval]) -> dict[str, Any]:
    values = {
        shown: figures[name].value if name in figures else None for name, shown in _NAMES.items()
    }
    interval = {
        shown: {"low": figures[name].low, "high": figures[name].high}
        for name, shown in _NAMES.items()
        if name in figures
    }
    return {**values, "interval": interval}


def _section(comparison: Comparison, subject: Subject) -> str:
    which = f"checkpoint {subject.checkpoint} ({comparison.checkpoint_hash[:12]})"
    lines = [
        f"### {comparison.dataset}, beside references: {subject.method}, {which}",
        "",
        row(["category", "references", *(FIGURES[name] for name in _NAMES)]),
        row(["---", "---", *["---:"] * len(_NAMES)]),
    ]
    for each in comparison.categories:
        lines += [
            row([each.category, _shown(found), *_cells(found.evaluation.figures)])
            for found in each.rows
        ]
        lines += [
            row([each.category, name, *_cells(each.baselines[name].figures)]) for name in BASELINES
        ]
    for named, evaluations in _groups(comparison):
        figures = {name: mean.figure for name, mean in means(evaluations).items()}
        (what,) = named.values()
        lines.append(row(["**mean**", str(what), *_cells(figures)]))
    return "\n".join([*lines, "", *(f"* {note}" for note in _notes(comparison, subject))])


def _shown(found: Row) -> str:
    if found.references == found.images_count:
        return str(found.references)
    return f"{found.references} ({found.images_count})"


def _cells(figures: Mapping[str, Interval]) -> list[str]:
    return [cell(figures.get(name)) for name in _NAMES]


def _notes(comparison: Comparison, subject: Subject) -> list[str]:
    seconds = max(comparison.seconds, 1e-9)
    notes = [
        _READING,
        _BASELINES,
        (
            f"{comparison.images_count} test images and {comparison.good_count} good training "
            f"images in {seconds:.1f} s on {subject.device}."
        ),
    ]
    for each in comparison.categories:
        measured = [(str(one.references), one.evaluation) for one in each.rows]
        measured += [(name, each.baselines[name]) for name in BASELINES]
        said: dict[str, list[str]] = {}
        for what, evaluation in measured:
            for text in reasons(evaluation):
                said.setdefault(text, []).append(what)
        notes += [
            f"{ABSENT} {each.category}, {', '.join(what)}: {text}." for text, what in said.items()
        ]
    return [*notes, *comparison.remarks, *unreadable_notes(comparison.unreadable)]

"""An evaluation as JSON for scripts and as a Markdown table for people."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from inspection.training.evaluation import Evaluation
from inspection.training.literature import AVERAGES, published
from inspection.training.metrics import Interval
from inspection.training.reading import Unreadable
from inspection.training.tally import FIGURES, CategoryEvaluation

#: Stands for a figure that is undefined or was not published.
ABSENT = "\N{EN DASH}"
_READING = (
    "Per cent, with 95 % bootstrap intervals over images. The thresholds of F1 are chosen with the "
    "labels: an upper bound, not what a line reaches."
)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What was evaluated."""

    #: The checkpoint's name or folder, as it was given.
    checkpoint: str
    #: `ava-dino`, `ad-dinov3` or `references`.
    method: str
    #: What it ran on: `cpu`, `cuda`.
    device: str


def as_json(subject: Subject, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """Return one object with everything; figures are in [0, 1], undefined ones are None."""
    return asdict(subject) | {
        "checkpoint_hash": evaluations[0].checkpoint_hash,
        "evaluations": [_evaluation(each, subject) for each in evaluations],
    }


def as_markdown(subject: Subject, evaluations: Sequence[Evaluation]) -> str:
    """Return a table a data set, in per cent with 95 % intervals, each with its remarks."""
    return "\n\n".join(_section(each, subject) for each in evaluations)


def _evaluation(evaluation: Evaluation, subject: Subject) -> dict[str, Any]:
    known = published(evaluation.dataset, subject.method)
    means = {
        name: None
        if (mean := evaluation.mean.get(name)) is None
        else asdict(mean.figure) | {"categories": mean.categories_count}
        for name in FIGURES
    }
    return {
        "dataset": evaluation.dataset,
        "path": str(evaluation.path),
        "split": evaluation.split,
        "images": evaluation.images_count,
        "categories": [_category(each) for each in evaluation.categories],
        "mean": means,
        "published": None if known is None else asdict(known),
        "unreadable": [
            {"path": str(each.path), "reason": each.reason} for each in evaluation.unreadable
        ],
        "remarks": list(evaluation.remarks),
        "seconds": round(evaluation.seconds, 3),
        "images_per_second": round(evaluation.images_count / max(evaluation.seconds, 1e-9), 3),
        "metrics_s": round(evaluation.metrics_s, 3),
    }


def _category(each: CategoryEvaluation) -> dict[str, Any]:
    return {
        "category": each.category,
        "normal": each.normal_count,
        "anomalous": each.anomalous_count,
        "unreadable": each.unreadable_count,
        "figures": {
            name: asdict(each.figures[name]) if name in each.figures else None for name in FIGURES
        },
        "undefined": dict(each.undefined),
    }


def _section(evaluation: Evaluation, subject: Subject) -> str:
    which = f"checkpoint {subject.checkpoint} ({evaluation.checkpoint_hash[:12]})"
    lines = [
        f"### {evaluation.dataset}, {evaluation.split} split: {subject.method}, {which}",
        "",
        row(["category", "normal", "anomalous", *FIGURES.values()]),
        row(["---", *["---:"] * (2 + len(FIGURES))]),
        *(_category_row(each) for each in evaluation.categories),
        _mean_row(evaluation),
    ]
    known = published(evaluation.dataset, subject.method)
    if known is not None:
        cells = [_percent(known.figures.get(name)) for name in FIGURES]
        lines.append(row([f"{subject.method}, published", "", "", *cells]))
    return "\n".join([*lines, "", *(f"* {note}" for note in _notes(evaluation, subject))])


def _category_row(each: CategoryEvaluation) -> str:
    cells = [cell(each.figures.get(name)) for name in FIGURES]
    return row([each.category, str(each.normal_count), str(each.anomalous_count), *cells])


def _mean_row(evaluation: Evaluation) -> str:
    cells = []
    for name in FIGURES:
        mean = evaluation.mean.get(name)
        text = cell(None if mean is None else mean.figure)
        if mean is not None and mean.categories_count < len(evaluation.categories):
            text += f", {mean.categories_count} of {len(evaluation.categories)}"
        cells.append(text)
    normal_count = sum(each.normal_count for each in evaluation.categories)
    anomalous_count = sum(each.anomalous_count for each in evaluation.categories)
    return row(["**mean**", str(normal_count), str(anomalous_count), *cells])


def _notes(evaluation: Evaluation, subject: Subject) -> list[str]:
    seconds = max(evaluation.seconds, 1e-9)
    spent = f"{seconds:.1f} s on {subject.device}, {evaluation.images_count / seconds:.1f} a second"
    notes = [_READING, f"{evaluation.images_count} images in {spent}."]
    known = published(evaluation.dataset, subject.method)
    if known is not None:
        notes += [f"Published: {known.source}.", *known.caveats]
    elif subject.method in AVERAGES:
        notes.append(AVERAGES[subject.method])
    notes += [
        f"{ABSENT} {each.category}: {text}."
        for each in evaluation.categories
        for text in reasons(each)
    ]
    notes += evaluation.remarks
    return notes + unreadable_notes(evaluation.unreadable)


def reasons(each: CategoryEvaluation) -> list[str]:
    """Return why figures are undefined, each reason with the figures."""
    found: dict[str, list[str]] = {}
    for name, reason in each.undefined.items():
        found.setdefault(reason, []).append(FIGURES[name])
    return [f"{reason} ({', '.join(names)})" for reason, names in found.items()]


def unreadable_notes(unreadable: Sequence[Unreadable]) -> list[str]:
    """Return what could not be read."""
    if not unreadable:
        return []
    return [
        f"Files that could not be read and are left out: {len(unreadable)}.",
        *(each.reason for each in unreadable),
    ]


def cell(figure: Interval | None) -> str:
    """Return a figure in per cent with its interval."""
    if figure is None:
        return ABSENT
    return f"{100 * figure.value:.1f} ({100 * figure.low:.1f} to {100 * figure.high:.1f})"


def _percent(value: float | None) -> str:
    return ABSENT if value is None else f"{100 * value:.1f}"


def row(cells: Sequence[str]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"

"""Whether calibrated thresholds keep their promise, and how soon drift withdraws it.

``python -m tests.benchmarks.promise`` prints three Markdown tables: of repeated calibrations, the
share whose true false-reject rate is above the one promised; parts until the promise is withdrawn
after scores have moved; and withdrawals over a long run in which nothing has. It takes minutes.
With ``--scores FILE`` it also calibrates on scores drawn from a JSON file of good parts' scores (a
list, or lists by name), whose true rates are known because the file is the whole population.
"""

import argparse
import json
import math
import random
import statistics
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from inspection.domain.calibration import Calibration, calibrated
from inspection.domain.drift import DriftState, marks_of, watch

#: Good parts, false-reject rate and confidence of each promise.
PROMISES = ((100, 0.03, 0.95), (300, 0.02, 0.95), (1000, 0.005, 0.95), (1000, 0.02, 0.9))
#: Share of defective parts in the streams, and in the contaminated calibration sets.
DEFECTS, CONTAMINATION = 0.06, 0.05
#: Means and standard deviations that scores move to, from 0 and 1.
MOVES = (
    *((shift, 1.0) for shift in (0.5, 1.0, 2.0, 4.0)),
    *((-shift, 1.0) for shift in (0.5, 1.0, 2.0, 4.0)),
    (0.0, 2.0),
    (0.0, 0.5),
)
#: Parts before scores move, and after which a stream counts as not noticed.
QUIET_PARTS, PATIENCE_PARTS = 500, 20_000

Draw = Callable[[random.Random], float]


@dataclass(frozen=True, kw_only=True)
class Population:
    """Scores to calibrate on, and the truth about those of good parts."""

    name: str
    draw: Draw
    #: Share of good parts that score above a threshold.
    above: Callable[[float], float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.promise")
    parser.add_argument("--scores", type=Path, help="JSON file of good parts' scores")
    parser.add_argument("--repeats", type=int, default=200, help="calibrations of each kind")
    parser.add_argument("--runs", type=int, default=25, help="streams for each move of the scores")
    parser.add_argument("--parts", type=int, default=1_000_000, help="length of the quiet run")
    parser.add_argument("--seed", type=int, default=1)
    parsed = parser.parse_args()
    populations = [*_simulated(), *(_read(parsed.scores) if parsed.scores else ())]
    rng = random.Random(parsed.seed)
    for table in (
        _kept(populations, parsed.repeats, rng),
        _noticed(parsed.runs, rng),
        _quiet(parsed.parts, rng),
    ):
        sys.stdout.write("\n".join(table) + "\n\n")
        sys.stdout.flush()


def _simulated() -> Iterator[Population]:
    yield Population(name="uniform", draw=random.Random.random, above=lambda x: 1 - x)
    yield Population(
        name="heavy-tailed (Cauchy)",
        draw=lambda rng: math.tan(math.pi * (rng.random() - 0.5)),
        above=lambda x: 0.5 - math.atan(x) / math.pi,
    )
    yield Population(
        name="discrete with ties",
        draw=lambda rng: float(math.floor(4 * rng.expovariate(1))),
        above=lambda x: math.exp(-(x + 1) / 4),
    )
    yield Population(
        name=f"normal, {CONTAMINATION:.0%} of the set defective",
        draw=lambda rng: _score(rng, defects=CONTAMINATION),
        above=lambda x: math.erfc(x / math.sqrt(2)) / 2,
    )


def _read(file: Path) -> Iterator[Population]:
    content = json.loads(file.read_text())
    for name, scores in (content if isinstance(content, dict) else {file.stem: content}).items():
        yield _finite(f"{name} ({len(scores)} good parts)", sorted(scores))


def _finite(name: str, ascending: Sequence[float]) -> Population:
    return Population(
        name=name,
        draw=lambda rng: rng.choice(ascending),
        above=lambda x: 1 - bisect_right(ascending, x) / len(ascending),
    )


def _score(
    rng: random.Random, *, mean: float = 0.0, deviation: float = 1.0, defects: float = DEFECTS
) -> float:
    """Draw a normal score; defective parts score four standard deviations higher."""
    return rng.gauss(4, 1) if rng.random() < defects else rng.gauss(mean, deviation)


def _stream(rng: random.Random, *, mean: float = 0.0, deviation: float = 1.0) -> Iterator[float]:
    while True:
        yield _score(rng, mean=mean, deviation=deviation)


def _kept(populations: Sequence[Population], repeats: int, rng: random.Random) -> Iterable[str]:
    yield "| scores | good parts | promised | confidence | mean true rate | broken | at most |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for population in populations:
        for count, rate, confidence in PROMISES:
            truths = [
                population.above(_threshold(population, (count, rate, confidence), rng))
                for _ in range(repeats)
            ]
            broken = sum(truth > rate for truth in truths)
            # Two standard deviations above what the promise allows.
            error = 1 - confidence
            allowed = repeats * error + 2 * math.sqrt(repeats * error * confidence)
            yield (
                f"| {population.name} | {count:,} | {rate:.1%} | {confidence:.0%} "
                f"| {statistics.fmean(truths):.2%} | {broken} of {repeats} "
                f"| {repeats * error:.0f} ({allowed:.0f} with chance) |"
            )


def _threshold(
    population: Population, promise: tuple[int, float, float], rng: random.Random
) -> float:
    count, rate, confidence = promise
    scores = [population.draw(rng) for _ in range(count)]
    made = calibrated(scores, false_reject_rate=rate, confidence=confidence)
    assert isinstance(made, Calibration)
    return made.threshold


def _noticed(runs: int, rng: random.Random) -> Iterable[str]:
    counts = (100, 300, 1000, 10_000)
    yield "| scores move to | " + " | ".join(f"{n:,} good parts" for n in counts) + " |"
    yield "| --- |" + " --- |" * len(counts)
    for mean, deviation in MOVES:
        cells = [_delays(runs, count, (mean, deviation), rng) for count in counts]
        yield f"| mean {mean:+g}, deviation {deviation:g} | " + " | ".join(cells) + " |"


def _delays(runs: int, count: int, move: tuple[float, float], rng: random.Random) -> str:
    delays = []
    for _ in range(runs):
        marks = marks_of([rng.gauss(0, 1) for _ in range(count)])
        quiet = watch(DriftState(), marks, islice(_stream(rng), QUIET_PARTS))
        assert not quiet.is_alarmed
        moved = islice(_stream(rng, mean=move[0], deviation=move[1]), PATIENCE_PARTS)
        state = watch(quiet, marks, moved)
        delays.append(state.seen_count - QUIET_PARTS if state.is_alarmed else math.inf)
    ranked = sorted(delays)
    return " / ".join(
        f"{delay:,.0f}" if delay < math.inf else f"> {PATIENCE_PARTS:,}"
        for delay in (ranked[len(ranked) // 2], ranked[math.ceil(0.9 * len(ranked)) - 1])
    )


def _quiet(parts: int, rng: random.Random) -> Iterable[str]:
    yield f"| good parts | defective then | now | withdrawn within {parts:,} parts |"
    yield "| --- | --- | --- | --- |"
    for count in (100, 1000, 10_000):
        for then in (0.0, DEFECTS):
            marks = marks_of([_score(rng, defects=then) for _ in range(count)])
            state = watch(DriftState(), marks, islice(_stream(rng), parts))
            shown = f"after {state.seen_count:,}" if state.is_alarmed else "no"
            yield f"| {count:,} | {then:.0%} | {DEFECTS:.0%} | {shown} |"


if __name__ == "__main__":
    main()

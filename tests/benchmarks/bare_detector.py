"""The detector with nothing around it, to compare the line with; prints JSON.

python -m tests.benchmarks.bare_detector PICTURES CHECKPOINT THREADS FRAMES

One process decodes and scores encoded pictures, already in memory, as a replica does: so many
threads, `FORWARD_PICTURES` at a time, the next ones decoded while the model computes.
"""

import itertools
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from inspection.domain.recipe import Recipe
from inspection.model.detector import Detector
from inspection.serving.request import Request
from inspection.serving.scorer import FORWARD_PICTURES, Scorer

#: Frames before measuring begins, and pictures that are scored alone.
WARM_UP_FRAMES, SINGLE_PICTURES = 64, 100


def frames_per_second(scorer: Scorer, requests: Sequence[Request], count: int) -> float:
    """Score `count` frames in batches, one being decoded while another is scored."""
    endless = itertools.cycle(requests)
    batches = [
        list(itertools.islice(endless, FORWARD_PICTURES)) for _ in range(count // FORWARD_PICTURES)
    ]
    begun_s = time.perf_counter()
    with ThreadPoolExecutor(max_workers=1) as beside:
        coming = beside.submit(scorer.decode, batches[0])
        for batch, following in itertools.zip_longest(batches, batches[1:]):
            pictures = coming.result()
            if following:
                coming = beside.submit(scorer.decode, following)
            scorer.score(batch, pictures)
    return FORWARD_PICTURES * len(batches) / (time.perf_counter() - begun_s)


def one_picture_ms(scorer: Scorer, requests: Sequence[Request]) -> float:
    """Return the median time of a picture that is decoded and scored alone."""
    times_ms = []
    for request in itertools.islice(itertools.cycle(requests), SINGLE_PICTURES):
        begun_s = time.perf_counter()
        scorer.score([request], scorer.decode([request]))
        times_ms.append((time.perf_counter() - begun_s) * 1000)
    return median(times_ms)


def main(pictures: str, checkpoint: str, threads: int, count: int) -> None:
    files = sorted(Path(pictures).glob("*.jpg"), key=lambda file: file.stem[::-1])
    requests = [
        Request(payload=file.read_bytes(), recipe=Recipe(product=file.stem[:-4].replace("-", " ")))
        for file in files
    ]
    detector = Detector.load(checkpoint, device="cpu", threads=threads)
    scorer = Scorer(detector, picture_limit_px=64_000_000, threads=threads)
    frames_per_second(scorer, requests, WARM_UP_FRAMES)
    figures = {
        "frames_per_second": frames_per_second(scorer, requests, count),
        "one_picture_ms": one_picture_ms(scorer, requests),
    }
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))

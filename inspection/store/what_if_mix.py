"""What-if questions to measure with: limits over all of a specimen's time, and its replays."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import numpy as np

from inspection.domain.line import Scope
from inspection.domain.what_if import Limit, Question
from inspection.store import replays, what_ifs
from inspection.store.database import Database
from inspection.store.specimen import Specimen

#: Questions about frames.
QUESTIONS: Final = 100


def what_if_ms(database: Database, specimen: Specimen) -> list[float]:
    """Ask how many frames other thresholds would flip, over all of the time.

    Returns:
        Milliseconds that each answer took, in a transaction of its own.
    """
    taken = []
    for question in _questions(specimen):
        begun_s = time.perf_counter()
        with database.read() as connection:
            what_ifs.ask(connection, question)
        taken.append((time.perf_counter() - begun_s) * 1000)
    return taken


def replay_s_per_million(database: Database, specimen: Specimen) -> float | None:
    """Replay the first line's parts and alerts over all of the time.

    Returns:
        Seconds for a million frames of the line; None when it has none.
    """
    question = next(_questions(specimen))
    with database.read() as connection:
        count = what_ifs.ask(connection, question).tally.frame_count
    begun_s = time.perf_counter()
    for _ in replays.replay(database, question):
        pass
    return (time.perf_counter() - begun_s) / count * 1_000_000 if count else None


def _questions(specimen: Specimen) -> Iterator[Question]:
    random = np.random.default_rng(3)
    for number in range(QUESTIONS):
        place = number % len(specimen.lines)
        line = specimen.lines[place]
        per_line = len(specimen.cameras) // len(specimen.lines)
        camera = specimen.cameras[place * per_line] if number % 3 == 2 else None  # noqa: PLR2004
        yield Question(
            scope=Scope(line=line, camera=camera),
            limit=Limit(value=float(random.uniform(0.2, 0.8))),
            from_at=specimen.from_at,
            to_at=specimen.to_at + timedelta(microseconds=1),
        )

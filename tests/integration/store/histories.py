"""Histories for what-if questions: random frames, judged by random thresholds, and a recount."""

import random
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from inspection.domain.inspection import Verdict, judge
from inspection.domain.ledger import Inspected
from inspection.domain.line import Camera, Scope, deciding_threshold
from inspection.domain.what_if import Limit, Move, Question
from inspection.store import in_force, ledger, thresholds
from inspection.store.database import Database
from inspection.store.thresholds import NewThreshold
from tests import factories
from tests.factories import CHECKPOINT_HASH, NOON

CAMERAS = (factories.camera(), factories.camera(name="cam-2", station="station-2"))
PRODUCTS = ("washer", "nut", None)
REFERENCES = (None, "feed" * 16)
SCOPES = (
    Scope(line="line-1"),
    Scope(line="line-1", product="washer"),
    Scope(line="line-1", station="station-2"),
    Scope(line="line-1", station="station-2", product="nut"),
    Scope(line="line-1", camera="cam-1"),
)
#: Many are the same, so that limits, bins and their ends are met.
VALUES = (-0.5, 0.0, 0.1234, 0.25, 0.25004, 0.5, 0.5001, 0.9999, 1.0, 1.5)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A frame of a history, and what decided it."""

    entry: Inspected
    camera: Camera
    decided_by: Scope | None


def frame_of(chance: random.Random, number: int, versions: Any, days: float) -> Judged:
    camera = chance.choice(CAMERAS)
    product, reference = chance.choice(PRODUCTS), chance.choice(REFERENCES)
    score = chance.choice(VALUES) if chance.random() < 0.5 else chance.gauss(0.3, 0.2)
    decided_by = deciding_threshold(versions, camera=camera, product=product)
    is_judge = decided_by is not None and decided_by.judges(
        checkpoint_hash=CHECKPOINT_HASH, reference_hash=reference
    )
    threshold = decided_by if is_judge else None
    who = {
        "camera": camera.name,
        "sequence_number": number,
        "captured_at": NOON + timedelta(milliseconds=chance.randrange(int(days * 86_400_000))),
    }
    serial = chance.choice((None, f"S-{number // 4}"))
    inspection = factories.inspection(
        **who,
        product=product,
        score=score,
        verdict=judge(score, threshold),
        threshold=threshold,
        reference_hash=reference,
        decided_by_id=None if decided_by is None else decided_by.threshold_id,
    )
    frame = factories.frame(**who, product=product, part_serial=serial)
    return Judged(
        entry=factories.inspected(**who, frame=frame, inspection=inspection),
        camera=camera,
        decided_by=None if decided_by is None else decided_by.scope,
    )


def record_history(
    database: Database, chance: random.Random, *, count: int, days: float
) -> list[Judged]:
    """Record frames of line-1, with changes of thresholds in between."""
    judged: list[Judged] = []
    batch = count // 6
    for start in range(0, count, batch):
        with database.write() as connection:
            if chance.random() < 0.8:
                thresholds.add_version(connection, random_threshold(chance))
            later = NOON + timedelta(days=36_500)
            versions = in_force.in_force(connection, later).thresholds
            made = [
                frame_of(chance, number, versions, days)
                for number in range(start + 1, start + batch + 1)
            ]
            at = NOON + timedelta(days=days)
            ledger.record(connection, [each.entry for each in made], at=at)
        judged += made
    return judged


def random_threshold(chance: random.Random) -> NewThreshold:
    limit = random_limit(chance)
    return NewThreshold(
        scope=chance.choice(SCOPES), set_at=NOON, set_by="test", reason="", **vars(limit)
    )


def random_limit(chance: random.Random) -> Limit:
    value = chance.choice((*VALUES, chance.gauss(0.3, 0.2), None))
    if chance.random() < 0.3:
        reference = chance.choice(REFERENCES)
        return Limit(value=value, checkpoint_hash=CHECKPOINT_HASH, reference_hash=reference)
    return Limit(value=value)


def random_question(chance: random.Random, *, days: float) -> Question:
    span_s = int(days * 86_400)
    begin_s = chance.randrange(-3_600, span_s)
    from_at = NOON + timedelta(seconds=begin_s, milliseconds=chance.choice((0, 0, 123)))
    length = chance.choice((600, 3_600, 3 * 3_600, 86_400, 2 * span_s))
    if chance.random() < 0.5:
        from_at = from_at.replace(minute=0, second=0, microsecond=0)
    return Question(
        scope=chance.choice(SCOPES),
        limit=random_limit(chance),
        from_at=from_at,
        to_at=from_at + timedelta(seconds=length),
    )


def move_of(question: Question, judged: Judged) -> Move | None:
    """Judge one frame anew, by the words of the question; None: it is not asked about."""
    inspection = judged.entry.inspection
    captured_at: datetime = inspection.identity.captured_at
    is_covered = question.scope.covers(camera=judged.camera, product=inspection.product)
    if not is_covered or not question.from_at <= captured_at < question.to_at:
        return None
    before, limit = inspection.verdict, question.limit
    decided_by = judged.decided_by
    if decided_by is not None and decided_by.specificity > question.scope.specificity:
        return before, before
    is_bound_to_others = limit.checkpoint_hash is not None and (
        (limit.checkpoint_hash, limit.reference_hash)
        != (inspection.checkpoint_hash, inspection.reference_hash)
    )
    if limit.value is None or is_bound_to_others:
        return before, Verdict.PENDING
    return before, Verdict.NG if inspection.score > limit.value else Verdict.OK


def recount(question: Question, history: list[Judged]) -> Counter[Move]:
    moves = (move_of(question, judged) for judged in history)
    return Counter(move for move in moves if move is not None)

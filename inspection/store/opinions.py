"""What reviewers said of what one version of a threshold judged: a proposal's evidence."""

from dataclasses import replace

from sqlalchemy import Connection, select

from inspection.domain.inspection import Verdict
from inspection.domain.line import Scope
from inspection.domain.proposal import Evidence, Opinion
from inspection.domain.rates import Judged
from inspection.domain.review import Decision
from inspection.errors import ConflictError, NotFoundError
from inspection.store.lines import line_id
from inspection.store.measured_rates import Asked, judgements
from inspection.store.review_tables import reviews
from inspection.store.score_counts import sources
from inspection.store.thresholds import scope_name, threshold_history

#: Reviews looked at, the newest first.
REVIEWS_COUNT = 50_000


def evidence_of(connection: Connection, scope: Scope, asked: Asked) -> tuple[Evidence, int]:
    """Return what people said about what the newest version of a threshold judged.

    Args:
        connection: of a `Database.read`.
        scope: where the threshold applies.
        asked: of which inspections.

    Returns:
        The evidence, and the version.

    Raises:
        NotFoundError: there is no such line, station or camera, or no threshold of this scope.
        ConflictError: it judged scores of several detectors, which cannot be compared.
    """
    versions = threshold_history(connection, scope)
    newest = versions[0] if versions else None
    if newest is None or newest.value is None:
        raise NotFoundError(f"there is no threshold in force for {scope_name(scope)}")
    judged = [
        one for one in judgements(connection, asked) if one.threshold_id == newest.threshold_id
    ]
    _check_detector(connection, newest.threshold_id, asked)
    empty = Judged(verdict=Verdict.OK, threshold_id=newest.threshold_id, population={})
    by_verdict = {one.verdict: one for one in judged}
    return Evidence(
        threshold=newest.value,
        ok=by_verdict.get(Verdict.OK, empty),
        ng=by_verdict.get(Verdict.NG, replace(empty, verdict=Verdict.NG)),
        opinions=_opinions(connection, newest.threshold_id, asked),
    ), newest.version


def _check_detector(connection: Connection, threshold_id: int, asked: Asked) -> None:
    found = sources(connection, line_id(connection, asked.line), product=asked.product)
    checkpoints = {
        source.checkpoint_hash for source in found.values() if source.threshold_id == threshold_id
    }
    if len(checkpoints) > 1:
        raise ConflictError(
            "this version judged scores of several checkpoints, which cannot be compared; set the "
            "threshold again, and review what it judges then"
        )


def _opinions(connection: Connection, threshold_id: int, asked: Asked) -> tuple[Opinion, ...]:
    review = reviews.c
    statement = (
        select(
            review.ledger_id,
            review.score,
            review.verdict,
            review.reviewed_by,
            review.decision,
        )
        .where(
            review.threshold_id == threshold_id,
            review.line_id == line_id(connection, asked.line),
            review.captured_at >= asked.from_at,
            review.captured_at < asked.to_at,
        )
        .order_by(review.id.desc())
        .limit(REVIEWS_COUNT)
    )
    if asked.product is not None:
        statement = statement.where(review.product == asked.product)
    newest: dict[tuple[int, str], Opinion] = {}
    for row in connection.execute(statement):
        opinion = Opinion(
            inspection_id=row.ledger_id,
            score=row.score,
            verdict=Verdict(row.verdict),
            reviewer=row.reviewed_by,
            decision=Decision(row.decision),
        )
        newest.setdefault((row.ledger_id, row.reviewed_by), opinion)
    return tuple(newest.values())

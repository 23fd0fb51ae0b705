"""What-if answers equal a recount of every frame, to the row."""

import random
from collections import Counter
from datetime import timedelta

import pytest

from inspection.domain.inspection import Verdict
from inspection.domain.line import Scope
from inspection.domain.what_if import PART_VERDICTS, Limit, Question
from inspection.errors import ConfigurationError, NotFoundError
from inspection.store import ledger, replays, what_ifs
from inspection.store.database import Database
from inspection.store.replays import Replayed
from inspection.store.what_if_examples import examples
from tests import factories
from tests.factories import NOON
from tests.integration.store import histories


@pytest.mark.parametrize(("seed", "days"), [(1, 0.2), (2, 2.5), (3, 12.0)])
def test_answer_is_that_of_a_recount_for_any_scope_limit_and_period(
    site_database: Database, seed: int, days: float
) -> None:
    chance = random.Random(seed)
    history = histories.record_history(site_database, chance, count=300, days=days)

    seen: Counter[tuple[Verdict, Verdict]] = Counter()
    for _ in range(60):
        question = histories.random_question(chance, days=days)
        with site_database.read() as connection:
            answer = what_ifs.ask(connection, question)

        moves = histories.recount(question, history)
        assert answer.tally.moves == moves, question
        assert sum(span.ng_before_count for span in answer.spans) == answer.tally.before(Verdict.NG)
        assert sum(span.ng_after_count for span in answer.spans) == answer.tally.after(Verdict.NG)
        hours = sum(span.hours for span in answer.spans)
        assert hours == pytest.approx(answer.hours)
        seen.update(moves)
    assert len(seen) == 9  # every verdict became every other


def test_spans_of_an_answer_are_those_of_their_hours(site_database: Database) -> None:
    chance = random.Random(4)
    history = histories.record_history(site_database, chance, count=120, days=0.5)
    question = Question(
        scope=Scope(line="line-1"),
        limit=Limit(value=0.3),
        from_at=NOON + timedelta(minutes=10),
        to_at=NOON + timedelta(hours=5, minutes=20),
    )

    with site_database.read() as connection:
        answer = what_ifs.ask(connection, question)

    assert len(answer.spans) == 6
    assert [span.hours for span in answer.spans] == pytest.approx([5 / 6, 1, 1, 1, 1, 1 / 3])
    for span in answer.spans:
        part = Question(
            scope=question.scope, limit=question.limit, from_at=span.begin_at, to_at=span.end_at
        )
        moves = histories.recount(part, history)
        assert span.ng_before_count == sum(n for (b, _), n in moves.items() if b == "NG")
        assert span.ng_after_count == sum(n for (_, a), n in moves.items() if a == "NG")


def test_frames_that_a_more_specific_threshold_decided_are_untouched(
    site_database: Database,
) -> None:
    chance = random.Random(5)
    history = histories.record_history(site_database, chance, count=120, days=0.5)
    question = Question(
        scope=Scope(line="line-1"),
        limit=Limit(value=-1.0),
        from_at=NOON,
        to_at=NOON + timedelta(days=1),
    )

    with site_database.read() as connection:
        answer = what_ifs.ask(connection, question)

    of_others = [each for each in history if each.decided_by not in (None, question.scope)]
    assert answer.untouched_count == len(of_others) > 0
    assert answer.tally.frame_count == 120


def test_question_about_nothing_is_refused(site_database: Database) -> None:
    with pytest.raises(ConfigurationError, match="before it begins"):
        Question(scope=Scope(line="line-1"), limit=Limit(value=0.5), from_at=NOON, to_at=NOON)
    question = Question(
        scope=Scope(line="line-1", camera="cam-9"),
        limit=Limit(value=0.5),
        from_at=NOON,
        to_at=NOON + timedelta(hours=1),
    )
    with site_database.read() as connection, pytest.raises(NotFoundError, match="cam-9"):
        what_ifs.ask(connection, question)


def test_parts_are_those_of_a_recount_with_the_worst_of_their_frames(
    site_database: Database,
) -> None:
    chance = random.Random(6)
    history = histories.record_history(site_database, chance, count=240, days=0.5)
    unjudged = [
        factories.uninspected(
            **who, frame=factories.frame(**who, part_serial=f"S-{number}" if number % 3 else None)
        )
        for number in range(1, 30)
        for who in [
            {
                "camera": "cam-2",
                "sequence_number": 1000 + number,
                "captured_at": NOON + timedelta(minutes=number),
            }
        ]
    ]
    with site_database.write() as connection:
        ledger.record(connection, unjudged, at=NOON)

    for _ in range(8):
        question = histories.random_question(chance, days=0.5)
        *_, result = replays.replay(site_database, question)

        worst: dict[object, tuple[int, int]] = {}
        for each in history:
            inspection = each.entry.inspection
            if not question.from_at <= inspection.identity.captured_at < question.to_at:
                continue
            before, after = histories.move_of(question, each) or (inspection.verdict,) * 2
            ranks = (PART_VERDICTS.index(before), PART_VERDICTS.index(after))
            key = each.entry.frame.part_serial or inspection.identity
            known = worst.get(key, (0, 0))
            worst[key] = (max(known[0], ranks[0]), max(known[1], ranks[1]))
        for entry in unjudged:
            if question.from_at <= entry.identity.captured_at < question.to_at:
                key = entry.frame.part_serial or entry.identity
                known = worst.get(key, (0, 0))
                worst[key] = (max(known[0], 2), max(known[1], 2))
        expected = Counter((PART_VERDICTS[b], PART_VERDICTS[a]) for b, a in worst.values())
        assert isinstance(result, Replayed)
        assert result.parts == expected


def test_examples_are_the_flipping_frames_next_to_the_limit(site_database: Database) -> None:
    chance = random.Random(8)
    history = histories.record_history(site_database, chance, count=240, days=0.5)

    seen_count = 0
    for _ in range(10):
        question = histories.random_question(chance, days=0.5)
        with site_database.read() as connection:
            found = examples(connection, question, limit=3)

        value = question.limit.value or 0.0
        nearest = []
        for after in (Verdict.NG, Verdict.OK):
            moves = [(histories.move_of(question, each), each) for each in history]
            nearest += sorted(
                abs(each.entry.inspection.score - value)
                for move, each in moves
                if move is not None and move[0] is not move[1] and move[1] is after
            )[:3]
        assert [each.distance for each in found] == nearest
        frames = {each.entry.identity.frame_id: each for each in history}
        for each in found:
            assert histories.move_of(question, frames[each.frame_id]) == (each.before, each.after)
        seen_count += len(found)
    assert seen_count > 10

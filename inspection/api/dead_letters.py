"""Dead letters: frames that could not be judged, and inspecting them again."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from inspection.api.gate import Permitted
from inspection.api.idempotency import Once
from inspection.api.installation import Given
from inspection.api.moment import Moment
from inspection.api.page import Cursor, Limit, Page, cursor_of, keys_of
from inspection.api.problems import declared
from inspection.api.shapes import Body, RowId, View
from inspection.api.text import Name, Reason
from inspection.domain.access import Permission, Principal
from inspection.domain.dead_letter import DeadLetter, DeadLetterState
from inspection.domain.ledger import Reason as WhyUninspected
from inspection.errors import NotFoundError
from inspection.store import dead_letters
from inspection.store.dead_letters import DeadLetterQuery

router = APIRouter(tags=["dead letters"], route_class=Once)

Looking = Annotated[Principal, Depends(Permitted(Permission.READ))]
Redriving = Annotated[Principal, Depends(Permitted(Permission.REDRIVE))]

LetterIds = Annotated[list[RowId], Field(min_length=1, max_length=1000)]


class LettersBody(Body):
    """Some dead letters."""

    letters: LetterIds = Field(examples=[[4, 5]])


class DiscardBody(LettersBody):
    """Some dead letters, and why they need not be inspected."""

    note: Reason


class DeadLetterView(View):
    """One frame that was, or still is, uninspected."""

    letter: int = Field(examples=[4])
    frame: str = Field(examples=["washers-top/17"])
    captured_at: Moment
    line: str
    state: DeadLetterState
    reason: WhyUninspected
    detail: str
    size_bytes: int
    is_kept: bool = Field(description="whether its bytes are still there")
    attempts: int
    dead_lettered_at: Moment
    requested_at: Moment | None
    requested_by: str | None
    settled_at: Moment | None
    settled_by: str | None
    note: str | None
    inspection: int | None = Field(description="of a letter that was inspected after all")


class ChangedView(View):
    """Which of the letters were changed."""

    letters: list[int] = Field(examples=[[4, 5]])
    left_out: list[int] = Field(
        description="unknown, settled, or, to be inspected again, without bytes or row"
    )


@router.get("/dead-letters", operation_id="list_dead_letters", responses=declared(400, 404))
def list_dead_letters(  # noqa: PLR0913 - one parameter a filter
    given: Given,
    _caller: Looking,
    *,
    camera: Name | None = None,
    line: Name | None = None,
    reason: WhyUninspected | None = None,
    state: DeadLetterState | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[DeadLetterView]:
    """List dead letters, the newest first."""
    query = DeadLetterQuery(
        camera=camera,
        line=line,
        reason=reason,
        state=state,
        before=None if cursor is None else keys_of(cursor, int)[0],
        limit=limit + 1,
    )
    with given.database.read() as connection:
        found = dead_letters.list_letters(connection, query)
    shown = found[:limit]
    more = len(found) > limit
    return Page(
        items=[_view(letter) for letter in shown],
        next_cursor=cursor_of(shown[-1].letter_id) if more else None,
    )


@router.get("/dead-letters/{letter}", operation_id="get_dead_letter", responses=declared(404))
def get_dead_letter(letter: RowId, given: Given, _caller: Looking) -> DeadLetterView:
    """Show one dead letter."""
    with given.database.read() as connection:
        found = dead_letters.list_letters(connection, DeadLetterQuery(ids=[letter]))
    if not found:
        raise NotFoundError(f"there is no dead letter {letter}")
    return _view(found[0])


@router.post("/dead-letters/redrive", operation_id="redrive_dead_letters")
def redrive_dead_letters(body: LettersBody, given: Given, caller: Redriving) -> ChangedView:
    """Have inspectors inspect letters again, with the threshold and reference in force then."""
    with given.database.write() as connection:
        changed = dead_letters.request(
            connection, sorted(set(body.letters)), at=given.clock(), by=caller.name
        )
    return _changed(body, changed)


@router.post("/dead-letters/discard", operation_id="discard_dead_letters")
def discard_dead_letters(body: DiscardBody, given: Given, caller: Redriving) -> ChangedView:
    """Say that letters need not be inspected; their bytes go, what is known of them stays."""
    with given.database.write() as connection:
        changed = dead_letters.discard(
            connection,
            sorted(set(body.letters)),
            at=given.clock(),
            by=caller.name,
            note=body.note,
        )
    return _changed(body, changed)


def _changed(body: LettersBody, changed: list[int]) -> ChangedView:
    return ChangedView(letters=changed, left_out=sorted(set(body.letters) - set(changed)))


def _view(letter: DeadLetter) -> DeadLetterView:
    is_redriven = letter.state is DeadLetterState.REDRIVEN
    return DeadLetterView(
        letter=letter.letter_id,
        frame=letter.identity.frame_id,
        captured_at=letter.identity.captured_at,
        line=letter.line,
        state=letter.state,
        reason=letter.reason,
        detail=letter.detail,
        size_bytes=letter.size_bytes,
        is_kept=letter.is_kept,
        attempts=letter.attempt_count,
        dead_lettered_at=letter.dead_lettered_at,
        requested_at=letter.requested_at,
        requested_by=letter.requested_by,
        settled_at=letter.settled_at,
        settled_by=letter.settled_by,
        note=letter.note,
        inspection=letter.ledger_id if is_redriven else None,
    )

"""The audit, for administrators: who changed what, and where its hash chain ends."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from inspection.api.gate import Permitted
from inspection.api.installation import Given
from inspection.api.moment import Moment
from inspection.api.page import Cursor, Limit, Page, cursor_of, keys_of
from inspection.api.problems import declared
from inspection.api.shapes import View
from inspection.api.text import SearchText
from inspection.domain.access import Permission, Principal
from inspection.domain.chain import Head
from inspection.store.audit import ChangeQuery, SealedChange, sealed_changes
from inspection.store.audit_state import audit_state

router = APIRouter(tags=["audit"])

Auditor = Annotated[Principal, Depends(Permitted(Permission.AUDIT))]


class ChangeView(View):
    """One change, and the link of the chain that seals it."""

    id: int = Field(examples=[17])
    at: Moment
    who: str = Field(examples=["anna"])
    action: str = Field(examples=["set"])
    thing: str = Field(examples=["threshold"])
    name: str = Field(examples=["line=washers"])
    before: dict[str, Any] | None = Field(examples=[{"version": 1, "value": 0.5}])
    after: dict[str, Any] | None = Field(examples=[{"version": 2, "value": 0.6}])
    link: int | None = Field(description="number of its link; null: it was never sealed")
    mac: str | None = Field(description="of its link")


class HeadView(View):
    """The end of the chain: keep it elsewhere, and a cut tail is found."""

    number: int = Field(examples=[4711])
    mac: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    key: str = Field(description="name of the key, which says nothing of it")
    sealed_at: Moment


class VerificationView(View):
    """How the audit stands, and what the newest `inspection audit verify` has found."""

    head: HeadView | None
    unsealed_count: int = Field(description="changes that were never sealed: see who made them")
    open_since: Moment | None = Field(
        description="when the first frame was recorded that no digest covers; null: all are"
    )
    verified_at: Moment | None = Field(description="null: nobody has verified it yet")
    verified_by: str | None
    result: dict[str, Any] | None = Field(examples=[{"is_intact": True, "rows": 120000}])


@router.get("/audit", operation_id="list_changes", responses=declared(400))
def list_changes(  # noqa: PLR0913, PLR0917 - one parameter a filter
    _caller: Auditor,
    given: Given,
    who: SearchText | None = None,
    thing: SearchText | None = None,
    name: SearchText | None = None,
    from_at: Annotated[Moment | None, Query(description="made at or after")] = None,
    to_at: Annotated[Moment | None, Query(description="made before")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[ChangeView]:
    """List changes of configuration, thresholds, reviews, users …, and exports, newest first."""
    query = ChangeQuery(
        who=who,
        thing=thing,
        name=name,
        from_at=from_at,
        to_at=to_at,
        before_id=None if cursor is None else keys_of(cursor, int)[0],
        limit=limit + 1,
    )
    with given.database.read() as connection:
        found = sealed_changes(connection, query)
    shown = found[:limit]
    more = cursor_of(shown[-1].change_id) if len(found) > limit else None
    return Page(items=[_view(one) for one in shown], next_cursor=more)


@router.get("/audit/head", operation_id="get_audit_head")
def get_audit_head(_caller: Auditor, given: Given) -> HeadView | None:
    """Show where the chain ends; null while nothing is sealed."""
    with given.database.read() as connection:
        return _head(audit_state(connection).head)


@router.get("/audit/verification", operation_id="get_audit_verification")
def get_audit_verification(_caller: Auditor, given: Given) -> VerificationView:
    """Show how the audit stands. To verify all of it is `inspection audit verify`."""
    with given.database.read() as connection:
        state = audit_state(connection)
    return VerificationView(
        head=_head(state.head),
        unsealed_count=state.unsealed_count,
        open_since=state.open_since,
        verified_at=state.verified_at,
        verified_by=state.verified_by,
        result=state.verified,
    )


def _head(head: Head | None) -> HeadView | None:
    if head is None:
        return None
    return HeadView(number=head.number, mac=head.mac, key=head.key_id, sealed_at=head.sealed_at)


def _view(one: SealedChange) -> ChangeView:
    change = one.change
    return ChangeView(
        id=one.change_id,
        at=change.at,
        who=change.who,
        action=change.action,
        thing=change.thing,
        name=change.name,
        before=None if change.before is None else dict(change.before),
        after=None if change.after is None else dict(change.after),
        link=one.number,
        mac=one.mac,
    )

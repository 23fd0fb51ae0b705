"""How the audit stands: where its chain ends, and what is not sealed yet."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from inspection.domain.chain import Head
from inspection.store import chain, digests, tables
from inspection.store.audit import Change, add_change


@dataclass(frozen=True, kw_only=True)
class AuditState:
    """What a look at the newest rows says; that nobody has tampered it does not say."""

    #: None: nothing is sealed yet.
    head: Head | None
    #: Changes that were never sealed.
    unsealed_count: int
    #: When the first frame was recorded that no digest covers; None: all are covered.
    open_since: datetime | None
    #: The newest verification, as `write_result` wrote it down; None: there was none.
    verified_at: datetime | None
    verified_by: str | None
    verified: dict[str, Any] | None


def audit_state(connection: Connection) -> AuditState:
    """Return how the audit stands."""
    covered = digests.covered_up_to(connection, digests.LEDGER.kind)
    ledger, row = tables.ledger.c, tables.audit.c
    first_open = select(ledger.recorded_at).where(ledger.id > covered).order_by(ledger.id).limit(1)
    newest = (
        select(tables.audit)
        .where(row.thing == "audit", row.name == "verification")
        .order_by(row.id.desc())
        .limit(1)
    )
    last = connection.execute(newest).first()
    return AuditState(
        head=chain.head(connection),
        unsealed_count=len(chain.unsealed(connection)),
        open_since=connection.scalar(first_open),
        verified_at=None if last is None else last.at,
        verified_by=None if last is None else last.who,
        verified=None if last is None else last.after,
    )


def write_result(connection: Connection, result: dict[str, Any], *, at: datetime, by: str) -> None:
    """Write down what a verification has found."""
    change = Change(
        at=at, who=by, action="verified", thing="audit", name="verification", after=result
    )
    add_change(connection, change)

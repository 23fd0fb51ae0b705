"""Accounts: every frame that was accepted is inspected, uninspected, dropped, or in flight."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from inspection.accounting import accounts, total
from inspection.api.gate import Permitted
from inspection.api.installation import Given
from inspection.api.moment import Moment
from inspection.api.shapes import View
from inspection.domain.access import Permission, Principal
from inspection.domain.ledger import Account

router = APIRouter(tags=["accounts"])

Looking = Annotated[Principal, Depends(Permitted(Permission.READ))]


class AccountView(View):
    """accepted = inspections + uninspected + dropped + in_flight."""

    accepted: int = Field(description="frames that were given an identity", examples=[1024])
    inspections: int = Field(examples=[1000])
    uninspected: int = Field(examples=[3])
    dropped: int = Field(examples=[5])
    in_flight: int = Field(description="counted, never computed", examples=[16])
    reasons: dict[str, int] = Field(description="of uninspected frames", examples=[{"corrupt": 3}])
    causes: dict[str, int] = Field(description="of drops", examples=[{"drop_oldest": 5}])
    missing_count: int = Field(
        description="frames nobody can account for: anything but 0 is a broken promise",
        examples=[0],
    )
    is_balanced: bool


class CameraAccountView(AccountView):
    """The account of one camera."""

    camera: str
    line: str
    verdicts: dict[str, int] = Field(examples=[{"OK": 990, "NG": 10}])
    removed: int = Field(description="rows that retention has removed; they count all the same")
    oldest_at: Moment | None = Field(description="exposure of the oldest frame in flight, about")


class AccountsView(View):
    """The accounts of all cameras, and what they add up to."""

    total: AccountView
    cameras: list[CameraAccountView]


@router.get("/accounts", operation_id="get_accounts")
def get_accounts(given: Given, _caller: Looking) -> AccountsView:
    """Show that every accepted frame is accounted for, per camera and of all."""
    parts = accounts(given.database, given.stream_client, given.journal_dir)
    return AccountsView(
        total=AccountView(**_figures(total(parts))),
        cameras=[
            CameraAccountView(
                **_figures(part.account),
                camera=part.camera,
                line=part.line,
                verdicts=dict(part.verdicts),
                removed=part.removed_count,
                oldest_at=part.oldest_at,
            )
            for part in parts
        ],
    )


def _figures(account: Account) -> dict[str, Any]:
    return {
        "accepted": account.accepted,
        "inspections": account.inspected,
        "uninspected": account.uninspected_count,
        "dropped": account.dropped_count,
        "in_flight": account.in_flight,
        "reasons": dict(account.uninspected),
        "causes": dict(account.dropped),
        "missing_count": account.missing_count,
        "is_balanced": account.is_balanced,
    }

"""Parts: everything that is known of one serial number."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends
from pydantic import Field

from inspection.api import problems
from inspection.api.gate import Permitted
from inspection.api.inspections import InspectionView
from inspection.api.installation import Given
from inspection.api.moment import Moment
from inspection.api.shapes import View
from inspection.api.text import Label
from inspection.domain.access import Permission, Principal
from inspection.domain.alert import Alert
from inspection.domain.evidence import Gone
from inspection.domain.ledger import Outcome
from inspection.domain.part import PartVerdict
from inspection.store.parts import Part, PartFrame, get_part

router = APIRouter(tags=["parts"])

_Reader = Annotated[Principal, Depends(Permitted(Permission.READ))]


class FrameView(View):
    """One frame of a part."""

    frame: int = Field(description="row of the ledger", examples=[4711])
    captured_at: Moment
    outcome: Outcome
    reason: str | None = Field(description="why it was not inspected", examples=["corrupt"])
    detail: str | None
    line: str = Field(examples=["line-1"])
    station: str = Field(examples=["station-1"])
    camera: str = Field(examples=["cam-1"])
    sequence_number: int = Field(examples=[42])
    product: str | None = Field(examples=["washer-m12"])
    lot: str | None = Field(examples=["L-7"])
    trigger_id: str | None
    picture: str | None = Field(description="SHA-256 of the kept bytes; null: none are kept")
    picture_gone: Gone | None
    recorded_at: Moment
    inspection: InspectionView | None = Field(description="null: it was not inspected")
    alerts: list[int] = Field(description="ids of alerts that it belongs to", examples=[[3]])

    @classmethod
    def of(cls, frame: PartFrame) -> Self:
        """Show a frame."""
        inspection = frame.inspection
        return cls(
            frame=frame.ledger_id,
            captured_at=frame.identity.captured_at,
            outcome=frame.outcome,
            reason=frame.reason,
            detail=frame.detail,
            line=frame.line,
            station=frame.station,
            camera=frame.identity.camera,
            sequence_number=frame.identity.sequence_number,
            product=frame.product,
            lot=frame.lot,
            trigger_id=frame.trigger_id,
            picture=None if frame.picture is None else frame.picture.sha256,
            picture_gone=frame.picture_gone,
            recorded_at=frame.recorded_at,
            inspection=None if inspection is None else InspectionView.of(inspection),
            alerts=list(frame.alert_ids),
        )


class PartAlertView(View):
    """An alert that frames of the part belong to."""

    alert: int = Field(examples=[3])
    rule: str = Field(examples=["ng"])
    kind: str = Field(examples=["ng"])
    summary: str
    opened_at: Moment
    acknowledged_at: Moment | None
    resolved_at: Moment | None

    @classmethod
    def of(cls, alert: Alert) -> Self:
        """Show an alert."""
        return cls(
            alert=alert.alert_id,
            rule=alert.rule,
            kind=alert.kind,
            summary=alert.summary,
            opened_at=alert.opened_at,
            acknowledged_at=alert.acknowledged_at,
            resolved_at=alert.resolved_at,
        )


class PartView(View):
    """One part."""

    part_serial: str = Field(examples=["S-000042"])
    verdict: PartVerdict = Field(description="the worst of its frames")
    frames: list[FrameView] = Field(description="the oldest exposure first")
    is_complete: bool = Field(description="false: it has more than 1,000 frames")
    alerts: list[PartAlertView]

    @classmethod
    def of(cls, part: Part) -> Self:
        """Show a part."""
        return cls(
            part_serial=part.serial,
            verdict=part.verdict,
            frames=[FrameView.of(frame) for frame in part.frames],
            is_complete=part.is_complete,
            alerts=[PartAlertView.of(alert) for alert in part.alerts],
        )


@router.get("/parts/{serial:path}", operation_id="get_part", responses=problems.declared(404))
def show_part(given: Given, _caller: _Reader, serial: Label) -> PartView:
    """Show everything about one part: all frames, verdicts, thresholds, reviews, alerts."""
    with given.database.read() as connection:
        return PartView.of(get_part(connection, serial))

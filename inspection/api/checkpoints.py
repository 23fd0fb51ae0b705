"""Checkpoints: what inspections were made with, and what replicas are to use now."""

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from inspection.api.gate import Permitted
from inspection.api.installation import Given
from inspection.api.page import Cursor, Limit, Page, page_of
from inspection.api.problems import declared
from inspection.api.shapes import View
from inspection.domain.access import Permission, Principal
from inspection.errors import CheckpointError, NotFoundError
from inspection.model.checkpoint_folder import CARD_FILE, read_configuration, resolve_checkpoint
from inspection.store.checkpoints import used_checkpoints

router = APIRouter(tags=["checkpoints"])

Looking = Annotated[Principal, Depends(Permitted(Permission.READ))]


class UsedCheckpointView(View):
    """A checkpoint on a line, with one reference or with none."""

    checkpoint_hash: str
    reference_hash: str | None
    line: str
    inspection_count: int = Field(description="inspections that are still there", examples=[1024])
    first_on: date = Field(description="day of the first exposure, in UTC")
    last_on: date


class ConfiguredCheckpointView(View):
    """What replicas are to use."""

    checkpoint: str = Field(examples=["pocket"])
    checkpoint_hash: str | None = Field(
        description="as it says itself; `inspection checkpoint verify` checks it"
    )
    method: str | None
    card: str = Field(description="what it is and how well it does, in Markdown; may be empty")


@router.get("/checkpoints", operation_id="list_checkpoints", responses=declared(400))
def list_checkpoints(
    given: Given, _caller: Looking, *, cursor: Cursor = None, limit: Limit = 50
) -> Page[UsedCheckpointView]:
    """List what inspections were made with: checkpoint, reference and line, by hash."""
    with given.database.read() as connection:
        found = used_checkpoints(connection)
    views = [UsedCheckpointView(**asdict(one)) for one in found]
    return page_of(views, key=_key, cursor=cursor, limit=limit)


@router.get("/checkpoints/configured", operation_id="get_checkpoint", responses=declared(404))
def get_checkpoint(given: Given, _caller: Looking) -> ConfiguredCheckpointView:
    """Show the checkpoint that is set on this machine, with its model card."""
    if given.checkpoint is None:
        raise NotFoundError("no checkpoint is set for this process")
    folder = resolve_checkpoint(given.checkpoint)
    try:
        described: dict[str, Any] = read_configuration(folder)
    except CheckpointError as error:
        raise NotFoundError(f"INSPECTION_CHECKPOINT: {error}") from error
    return ConfiguredCheckpointView(
        checkpoint=given.checkpoint,
        checkpoint_hash=_text(described.get("content_hash")),
        method=_text(described.get("method")),
        card=_card(folder),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _card(folder: Path) -> str:
    try:
        return (folder / CARD_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _key(view: UsedCheckpointView) -> str:
    return f"{view.checkpoint_hash}/{view.line}/{view.reference_hash or ''}"

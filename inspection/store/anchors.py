"""Anchors: ends of the audit's chain, written to a file outside the database.

A chain alone does not show that its tail was cut off, or that an older copy of the whole database
took its place. The file has a line of JSON an anchor: `at`, `database` (its address), `number`,
`mac`, `key`; lines are only ever appended, and are on the disk when `append` returns.
"""

import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from inspection.domain.chain import Head, canonical
from inspection.errors import ConfigurationError, UnavailableError


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """An end of the chain that somebody has written down."""

    number: int
    mac: str
    #: When it was written down, as the file says it.
    at: str
    #: Address of the database it is of.
    database: str


def append(file: Path, head: Head, *, database: str, at: datetime) -> None:
    """Append an anchor, and wait until it is on the disk.

    Raises:
        UnavailableError: it cannot be written.
    """
    line = {
        "at": at,
        "database": database,
        "number": head.number,
        "mac": head.mac,
        "key": head.key_id,
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        try:
            # One write: what two processes append at once does not mix.
            os.write(descriptor, canonical(line).encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UnavailableError(
            f"the audit's anchors cannot be written to {file}: {error.strerror}"
        ) from error


def read(file: Path, *, database: str | None = None) -> list[Anchor]:
    """Return the anchors of a file, those of one database or all; none when there is no file.

    Raises:
        ConfigurationError: it is no file of anchors.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read as anchors: {error}") from error
    anchors = [_anchor(file, place, line) for place, line in enumerate(lines, start=1) if line]
    return [anchor for anchor in anchors if database in (None, anchor.database)]


def _anchor(file: Path, place: int, line: str) -> Anchor:
    try:
        said = json.loads(line)
        return Anchor(
            number=int(said["number"]),
            mac=str(said["mac"]),
            at=str(said.get("at", "")),
            database=str(said.get("database", "")),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(
            f"{file}, line {place}: this is no anchor; give a file of `inspection audit head`"
        ) from error

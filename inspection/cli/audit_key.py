"""The key of the audit, and the file of its anchors: both outside the database."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from inspection.domain.chain import AuditKeys
from inspection.errors import ConfigurationError, UnavailableError
from inspection.settings import Settings
from inspection.store import anchors
from inspection.store.database import Database
from inspection.telemetry import logger


def key_file(settings: Settings) -> Path:
    """Return where the key is kept when none is set."""
    return settings.data_dir.absolute() / "audit" / "key"


def anchor_file(settings: Settings) -> Path:
    """Return where the ends of the chain are written down."""
    return settings.data_dir.absolute() / "audit" / "anchors.jsonl"


def audit_keys(settings: Settings, *, is_made: bool = False) -> AuditKeys | None:
    """Return the keys that changes are sealed with.

    Where none is set, the first process on an SQLite database makes one. Of a database that other
    machines reach as well, only who asks for it does: else each machine would have another.

    Args:
        settings: of this process.
        is_made: make one on any database.

    Returns:
        None when there is none for this process: what it changes is then not sealed.

    Raises:
        ConfigurationError: a key is set that cannot be used.
    """
    file = key_file(settings)
    text = settings.audit_key
    if text is None:
        text = _kept(file, is_made=is_made or settings.database.startswith("sqlite"))
    try:
        return None if text is None else AuditKeys.of(text)
    except ConfigurationError as error:
        where = file if settings.audit_key is None else "INSPECTION_AUDIT_KEY"
        raise ConfigurationError(f"{where}: {error}") from error


def add_key(settings: Settings) -> AuditKeys:
    """Put a new key before those in the file, and return them all.

    Raises:
        ConfigurationError: the key is set elsewhere, or the file cannot be written.
    """
    if settings.audit_key is not None:
        raise ConfigurationError(
            "INSPECTION_AUDIT_KEY: put the new key before the former one, with a comma between "
            "them, in every process; then run this again"
        )
    file = key_file(settings)
    text = f"{token_hex(32)}\n{_kept(file, is_made=False) or ''}"
    try:
        _written(file.parent, text).replace(file)
    except OSError as error:
        raise ConfigurationError(
            f"the key of the audit cannot be kept in {file}: {error.strerror}"
        ) from error
    return AuditKeys.of(text)


@contextmanager
def anchoring(settings: Settings, database: Database) -> Iterator[None]:
    """Anchor the last link that this process has added, when the block is left."""
    try:
        yield
    finally:
        if database.sealed_head is not None:
            _anchor(settings, database)


def _anchor(settings: Settings, database: Database) -> None:
    head = database.sealed_head
    if head is None:
        return
    try:
        anchors.append(anchor_file(settings), head, database=database.address, at=datetime.now(UTC))
    except UnavailableError as error:
        logger().warning("audit_not_anchored", error=str(error))
    else:
        logger().debug("audit_anchored", number=head.number, mac=head.mac, key=head.key_id)


def _kept(file: Path, *, is_made: bool) -> str | None:
    """Return what is in the file of the key, None when it cannot be read."""
    try:
        if is_made and not file.exists():
            made = _written(file.parent, token_hex(32) + "\n")
            with suppress(FileExistsError):
                # Appears whole or not at all, and never in the place of another one.
                os.link(made, file)
            made.unlink()
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        logger().warning("audit_key_unavailable", file=str(file), error=str(error))
        return None


def _written(folder: Path, text: str) -> Path:
    """Write a file that only this user may read, and wait until it is on the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".key-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)

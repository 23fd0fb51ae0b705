"""`inspection doctor`: finds the common faults of an installation and says the cure."""

import shutil
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from inspection.capture.exposure import CaptureState
from inspection.cli import context, output, weights
from inspection.errors import InspectionError, UnavailableError
from inspection.settings import Settings, prepare_data_dir
from inspection.store import lines
from inspection.stream.producer import state

#: Less free disk than this is a fault, in bytes.
FREE_LIMIT_BYTES = 2 * 2**30

#: What is put into the picture store to see that it takes pictures; always the same.
PROBE = b"inspection doctor"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False) -> None:
    """Check settings, disk, stream server, database, pictures, checkpoint and cameras.

    Exit code 1 when something is wrong; each finding says the cure.

    Example: inspection doctor --json
    """
    settings = context.begin("doctor")
    checks: dict[str, Callable[[Settings], str]] = {
        "disk": _disk,
        "stream server": _stream_server,
        "database": _database,
        "pictures": _pictures,
        "checkpoint": weights.finding,
        "cameras": _cameras,
    }
    rows: list[dict[str, Any]] = []
    for name, check in checks.items():
        try:
            rows.append({"check": name, "is_ok": True, "finding": check(settings)})
        except InspectionError as error:
            rows.append({"check": name, "is_ok": False, "finding": str(error)})
    output.show_rows(rows, as_json=as_json)
    if not all(row["is_ok"] for row in rows):
        sys.exit(1)


def _disk(settings: Settings) -> str:
    prepare_data_dir(settings)
    folder = settings.data_dir.absolute()
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < FREE_LIMIT_BYTES:
        raise UnavailableError(
            f"{free_bytes / 2**30:.1f} GiB are free at {folder}: make room, or set "
            "INSPECTION_DATA_DIR to another disk"
        )
    return f"{free_bytes / 2**30:.0f} GiB free at {folder}"


def _stream_server(settings: Settings) -> str:
    with context.streams(settings) as client:
        server = context.checked_streams(client)
    if not server.is_persistent:
        raise UnavailableError(
            f"{server.kind} {server.version} keeps nothing when it restarts: set appendonly yes"
        )
    where = "set by INSPECTION_REDIS_URL" if settings.redis_url else "embedded"
    return f"{server.kind} {server.version}, {where}"


def _database(settings: Settings) -> str:
    with context.opened_database(settings) as database:
        return f"{database.address}, schema {database.revision()}"


def _pictures(settings: Settings) -> str:
    store = context.pictures(settings)
    try:
        store.get(store.put(PROBE, "application/octet-stream"))
    except InspectionError as error:
        raise UnavailableError(
            f"{error}; correct INSPECTION_PICTURE_URL, or who may write there"
        ) from error
    return settings.pictures


def _cameras(settings: Settings) -> str:
    with context.opened_database(settings) as database, database.read() as connection:
        cameras = lines.list_cameras(connection)
    with context.streams(settings) as client:
        states = {camera.name: state(client, camera.name) for camera in cameras}
    failed = {
        name: s for name, s in states.items() if s is not None and s.state == CaptureState.FAILED
    }
    if failed:
        raise UnavailableError("; ".join(f"{name}: {s.detail}" for name, s in failed.items()))
    if not states:
        return "none yet; add some with `inspection line add`"
    return ", ".join(f"{name} {s.state if s else 'never seen'}" for name, s in states.items())

"""`inspection deadletter`: frames that could not be judged, and what to do about them."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from sqlalchemy import Connection

from inspection.cli import context, output
from inspection.domain.dead_letter import DeadLetter, DeadLetterState
from inspection.domain.ledger import Reason
from inspection.errors import ConfigurationError, InspectionError, NotFoundError
from inspection.settings import Settings
from inspection.store import dead_letters, inspections
from inspection.store.database import Database
from inspection.store.dead_letters import DeadLetterQuery
from inspection.stream.connection import connect_async
from inspection.stream.dead_letters import DeadLetters

app = typer.Typer(
    help="Frames that could not be judged: their bytes, and inspecting them again.",
    no_args_is_help=True,
)

#: Seconds between looks at what became of requested letters.
LOOK_S: Final = 0.3

#: Letters asked for in one statement.
LETTERS_AT_ONCE: Final = 5_000

Frames = Annotated[
    list[str] | None, typer.Argument(metavar="[CAMERA/NUMBER]...", show_default=False)
]
CameraName = Annotated[str | None, typer.Option("--camera")]
LineName = Annotated[str | None, typer.Option("--line")]
ReasonName = Annotated[Reason | None, typer.Option("--reason")]
All = Annotated[bool, typer.Option("--all", help="every dead letter that waits")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command("list")
def list_letters(
    *,
    camera: CameraName = None,
    line: LineName = None,
    reason: ReasonName = None,
    state: Annotated[DeadLetterState | None, typer.Option("--state")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 50,
    as_json: Json = False,
) -> None:
    """List dead letters, the newest first.

    Example: inspection deadletter list --line washers --state waiting --json
    """
    settings = context.begin("deadletter")
    query = DeadLetterQuery(camera=camera, line=line, reason=reason, state=state, limit=limit)
    with context.opened_database(settings) as database, database.read() as connection:
        letters = dead_letters.list_letters(connection, query)
    output.show_rows([_brief(letter) for letter in letters], as_json=as_json)


@app.command()
def show(
    frame: Annotated[str, typer.Argument(metavar="CAMERA/NUMBER")],
    *,
    payload: Annotated[
        Path | None, typer.Option(help="write the encoded bytes to this file")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show one dead letter; with --payload also its bytes, exactly as they came.

    Of a number that was given to several exposures, the newest.

    Example: inspection deadletter show washers-top/4711 --payload frame.bin
    """
    settings = context.begin("deadletter")
    query = DeadLetterQuery(frames=[_frame(frame)], limit=1)
    with context.opened_database(settings) as database, database.read() as connection:
        found = dead_letters.list_letters(connection, query)
    if not found:
        raise NotFoundError(f"there is no dead letter {frame}; see `inspection deadletter list`")
    output.show_object(_whole(found[0]), as_json=as_json)
    if payload is not None:
        _write(payload, _bytes(settings, found[0]))


@app.command()
def redrive(  # noqa: PLR0913 - one option a filter
    frames: Frames = None,
    *,
    camera: CameraName = None,
    line: LineName = None,
    reason: ReasonName = None,
    is_all: All = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="ask for it, and do not wait for inspectors")
    ] = False,
    as_json: Json = False,
) -> None:
    """Have dead letters inspected again, with the threshold and reference in force now.

    Running inspectors do it. The frame's row in the ledger moves from uninspected to inspected;
    one that is refused again waits on, with the new reason.

    Example: inspection deadletter redrive --line washers --reason reference
    """
    settings = context.begin("deadletter")
    query = _chosen(frames, camera=camera, line=line, reason=reason, is_all=is_all)
    waiting = replace(query, state=DeadLetterState.WAITING)
    with context.opened_database(settings) as database:
        with database.write() as connection:
            letters = dead_letters.list_letters(connection, waiting)
            ids = [letter.letter_id for letter in letters]
            asked = dead_letters.request(connection, ids, at=context.clock(), by=output.person())
        _say_left_out([letter for letter in letters if letter.letter_id not in set(asked)])
        if not no_wait:
            _wait(database, asked)
        rows = _became(database, asked)
    output.show_rows(rows, as_json=as_json)
    if frames and len(asked) < len(frames):
        raise InspectionError(
            f"{len(frames) - len(asked)} of {len(frames)} frames cannot be inspected again"
        )


@app.command()
def discard(  # noqa: PLR0913 - one option a filter
    frames: Frames = None,
    *,
    camera: CameraName = None,
    line: LineName = None,
    reason: ReasonName = None,
    is_all: All = False,
    note: Annotated[str, typer.Option(help="why they need not be inspected")],
    as_json: Json = False,
) -> None:
    """Say that dead letters need not be inspected; their bytes go, what is known of them stays.

    Example: inspection deadletter discard washers-top/4711 --note "test picture"
    """
    settings = context.begin("deadletter")
    if not note.strip():
        raise ConfigurationError("--note is empty; say why the frames need not be inspected")
    query = _chosen(frames, camera=camera, line=line, reason=reason, is_all=is_all)
    with context.opened_database(settings) as database:
        with database.write() as connection:
            ids = [each.letter_id for each in dead_letters.list_letters(connection, query)]
            discarded = dead_letters.discard(
                connection, ids, at=context.clock(), by=output.person(), note=note
            )
        rows = _became(database, discarded)
    output.show_rows(rows, as_json=as_json)
    if frames and len(discarded) < len(frames):
        raise InspectionError(
            f"{len(frames) - len(discarded)} of {len(frames)} frames are no dead letters that wait"
        )


def _chosen(
    frames: Sequence[str] | None,
    *,
    camera: str | None,
    line: str | None,
    reason: Reason | None,
    is_all: bool,
) -> DeadLetterQuery:
    """Return the query of a command that changes something; it must be told what.

    Raises:
        ConfigurationError: nothing is chosen, or it is chosen in two ways.
    """
    by_filter = is_all or not camera is line is reason is None
    if bool(frames) == by_filter:
        raise ConfigurationError(
            "name the frames as CAMERA/NUMBER, or choose them by --camera, --line, --reason "
            "or --all"
        )
    return DeadLetterQuery(
        camera=camera,
        line=line,
        reason=reason,
        frames=[_frame(frame) for frame in frames] if frames else None,
    )


def _frame(text: str) -> tuple[str, int]:
    camera, _, number = text.rpartition("/")
    if not camera or not number.isdecimal() or int(number) >= 2**63:
        raise ConfigurationError(f"{text!r} is no frame; write CAMERA/NUMBER, such as top/4711")
    return camera, int(number)


def _wait(database: Database, ids: Sequence[int]) -> None:
    if ids:
        output.say(
            f"waiting for inspectors to take {len(ids)} frames up; Ctrl-C does not stop them"
        )
    for start in range(0, len(ids), LETTERS_AT_ONCE):
        some = ids[start : start + LETTERS_AT_ONCE]
        query = DeadLetterQuery(ids=some, state=DeadLetterState.REQUESTED, limit=1)
        while _is_any(database, query):
            time.sleep(LOOK_S)


def _is_any(database: Database, query: DeadLetterQuery) -> bool:
    with database.read() as connection:
        return bool(dead_letters.list_letters(connection, query))


def _became(database: Database, ids: Sequence[int]) -> list[dict[str, Any]]:
    rows = []
    for start in range(0, len(ids), LETTERS_AT_ONCE):
        query = DeadLetterQuery(ids=ids[start : start + LETTERS_AT_ONCE])
        with database.read() as connection:
            letters = dead_letters.list_letters(connection, query)
            rows += [_brief(letter) | _judged(connection, letter) for letter in reversed(letters)]
    return rows


def _judged(connection: Connection, letter: DeadLetter) -> dict[str, Any]:
    if letter.state is not DeadLetterState.REDRIVEN or letter.ledger_id is None:
        return {"inspection": None, "score": None, "verdict": None}
    row = inspections.get(connection, letter.ledger_id)
    return {"inspection": row.inspection_id, "score": row.score, "verdict": row.verdict.value}


def _say_left_out(letters: Sequence[DeadLetter]) -> None:
    for letter in letters:
        why = "its bytes are gone" if letter.ledger_id else "retention has removed its row"
        output.say(f"{letter.identity.frame_id} cannot be inspected again: {why}")


def _bytes(settings: Settings, letter: DeadLetter) -> bytes:
    async def read() -> Mapping[bytes, bytes] | None:
        client = connect_async(context.redis_url(settings), block_ms=0)
        try:
            return await DeadLetters(client).read(letter.identity)
        finally:
            await client.aclose()

    fields = asyncio.run(read())
    if fields is None or b"payload" not in fields:
        raise NotFoundError(
            f"the bytes of {letter.identity.frame_id} are gone: newer dead letters took their "
            "place (INSPECTION_DEAD_LETTER_MB), or it was settled"
        )
    return fields[b"payload"]


def _write(path: Path, payload: bytes) -> None:
    try:
        path.write_bytes(payload)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error


def _brief(letter: DeadLetter) -> dict[str, Any]:
    return {
        "frame": letter.identity.frame_id,
        "captured_at": letter.identity.captured_at.isoformat(timespec="milliseconds"),
        "line": letter.line,
        "state": letter.state.value,
        "reason": letter.reason.value,
        "detail": letter.detail,
        "size_bytes": letter.size_bytes,
        "is_kept": letter.is_kept,
        "attempts": letter.attempt_count,
    }


def _whole(letter: DeadLetter) -> dict[str, Any]:
    times = {
        "dead_lettered_at": letter.dead_lettered_at,
        "requested_at": letter.requested_at,
        "settled_at": letter.settled_at,
    }
    return (
        _brief(letter)
        | {
            name: None if at is None else at.isoformat(timespec="milliseconds")
            for name, at in times.items()
        }
        | {
            "requested_by": letter.requested_by,
            "settled_by": letter.settled_by,
            "note": letter.note,
            "inspection": letter.ledger_id if letter.state is DeadLetterState.REDRIVEN else None,
        }
    )

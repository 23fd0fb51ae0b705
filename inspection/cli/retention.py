"""`inspection keeper` and `inspection retention`: what is kept, what goes, and when it is full."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from inspection.cli import context, output
from inspection.cli.audit_key import anchor_file, audit_keys
from inspection.cli.heartbeat import beating
from inspection.cli.processes import Lifeline
from inspection.domain.chain import AuditKeys
from inspection.domain.evidence import Amount
from inspection.domain.forecast import HISTORY_DAYS, Outlook
from inspection.settings import Settings
from inspection.store.database import Database
from inspection.telemetry import logger

if TYPE_CHECKING:
    from inspection.keeping.keeper import Keeper, Report
    from inspection.keeping.outlook import Holdings

#: Seconds that the last digests may take at the end.
SEALING_S: Final = 10.0

app = typer.Typer(help="What is kept and for how long: rows, pictures, maps.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="print JSON")]


def add_to(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.command()(keeper)
    parent.add_typer(app, name="retention")


def keeper(
    *,
    slot: Annotated[int, typer.Option(help="number of this keeper on this machine")] = 0,
    lifeline: Lifeline = False,
) -> None:
    """Remove what is old, or more than there is room for, until stopped; several may run.

    Example: INSPECTION_KEEP_GB=200 inspection keeper
    """
    settings = context.begin("keeper", has_lifeline=lifeline)
    stop = context.stop_on_signals()
    keys = audit_keys(settings, is_made=True)
    with (
        _keeper(settings, stop, is_supervised=lifeline) as one,
        context.opened_database(settings, is_supervised=lifeline) as database,
        beating(database, "keeper", clock=context.clock, slot=slot) as pulse,
        _sealing(settings, database, keys, stop),
    ):
        logger().info("keeper_ready")
        one.run(pulse.turn)


@app.command()
def run(*, as_json: Json = False) -> None:
    """Remove now what is due, as the keeper does, and say what was removed.

    Example: INSPECTION_KEEP_OK_DAYS=7 inspection retention run
    """
    settings, stop = context.begin("retention"), context.stop_on_signals()
    with _keeper(settings, stop) as one:
        whole = one.round()
        while whole.is_more and not stop.is_set():
            whole = whole.merged(one.round())
    output.show_object(_removed(whole), as_json=as_json)


@app.command()
def sweep(*, as_json: Json = False) -> None:
    """Remove pictures that no row keeps: a killed process may have left some.

    The picture store must belong to this database alone.

    Example: inspection retention sweep
    """
    settings, stop = context.begin("retention"), context.stop_on_signals()
    with _keeper(settings, stop) as one:
        report = one.sweep()
    output.show_object(_removed(report), as_json=as_json)


@app.command()
def show(*, as_json: Json = False) -> None:
    """Show what is kept, what is gone and why, and when the room will be full.

    Example: inspection retention show --json
    """
    from inspection.keeping.outlook import holdings

    settings = context.begin("retention")
    pictures = context.pictures(settings)
    with context.opened_database(settings) as database:
        found = holdings(database, pictures, settings.limits, at=context.clock())
    if as_json:
        output.show_object(_shown(found, settings), as_json=True)
        return
    output.show_rows(_table(found), as_json=False)
    output.show_object(_summary(found, settings), as_json=False)


@contextmanager
def _sealing(
    settings: Settings, database: Database, keys: AuditKeys | None, stop: threading.Event
) -> Iterator[None]:
    """Seal what is recorded, in a thread of its own: a round of removing may take a minute."""
    if keys is None:
        yield
        return
    from inspection.keeping.sealing import Sealer

    sealer = Sealer(database, keys, anchor_file(settings), clock=context.clock)
    thread = threading.Thread(target=sealer.run, args=[stop], name="sealer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(SEALING_S)


@contextmanager
def _keeper(
    settings: Settings, stop: threading.Event, *, is_supervised: bool = False
) -> "Iterator[Keeper]":
    from inspection.keeping.keeper import Keeper

    pictures = context.pictures(settings)
    with context.opened_database(settings, is_supervised=is_supervised) as database:
        yield Keeper(database, pictures, settings.limits, clock=context.clock, stop=stop)


def _removed(report: "Report") -> dict[str, Any]:
    return {
        "rows": report.row_count,
        "files": report.file_count,
        "file_bytes": report.file_bytes,
        "evidence": {why.value: _amount(amount) for why, amount in report.amounts.items()},
    }


def _shown(found: "Holdings", settings: Settings) -> dict[str, Any]:
    limits, room = settings.limits, found.room
    return {
        "rows": found.row_count,
        "rows_removed": found.removed_row_count,
        "kept": {key.name.lower(): _amount(amount) for key, amount in found.kept.items()},
        "kept_bytes": found.kept_bytes,
        "gone": {why.value: _amount(amount) for why, amount in found.gone.items()},
        "keep_days": settings.keep_days,
        "keep_ok_days": settings.keep_ok_days,
        "keep_ng_days": settings.keep_ng_days,
        "budget_bytes": limits.budget_bytes,
        "free_bytes": room and room.free_bytes,
        "reusable_bytes": room and room.reusable_bytes,
        "leaving_bytes": room and room.leaving_bytes,
        "reserve_bytes": limits.reserve_bytes,
        "forecast": {
            "outlook": found.forecast.outlook.value,
            "full_in_days": found.forecast.full_in_days,
            "limit": found.limit and found.limit.value,
            "steady_bytes": found.forecast.steady_bytes,
            "history_days": found.history_days,
            "sentence": _sentence(found),
        },
    }


def _table(found: "Holdings") -> list[dict[str, Any]]:
    amounts = {f"kept, {key.name}": amount for key, amount in found.kept.items()}
    amounts |= {f"gone, {why.value}": amount for why, amount in found.gone.items()}
    return [
        {
            "evidence": name,
            "pictures": amount.picture_count,
            "maps": amount.map_count,
            "size": _size(amount.size_bytes),
        }
        for name, amount in amounts.items()
    ]


def _summary(found: "Holdings", settings: Settings) -> dict[str, Any]:
    limits, room = settings.limits, found.room
    of_rows = f"{found.row_count}, kept for {settings.keep_days:g} days"
    return {
        "rows": f"{of_rows}; {found.removed_row_count} were removed",
        "evidence": f"{_size(found.kept_bytes)}; of OK kept for {settings.keep_ok_days:g} days, "
        f"of others for {settings.keep_ng_days:g}",
        "budget": "none" if limits.budget_bytes is None else _size(limits.budget_bytes),
        "disk": "elsewhere"
        if room is None
        else f"{_size(room.size_bytes)} free, of which {_size(limits.reserve_bytes)} are reserved",
        "forecast": _sentence(found),
    }


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:.3f} GB"


def _sentence(found: "Holdings") -> str:
    outlook = found.forecast
    if outlook.outlook is Outlook.UNKNOWN:
        return (
            f"too little history to say: {24 * found.history_days:.0f} hours of it, "
            f"{24 * HISTORY_DAYS:.0f} are needed, written down by a running keeper"
        )
    size = f"{(outlook.steady_bytes or 0) / 2**30:.3g} GB"
    if outlook.full_in_days is None:
        return f"steady: age limits hold it at {size}"
    room = "the budget" if found.limit == "budget" else "the disk"
    return (
        f"full in {outlook.full_in_days:.3g} days ({room}); the first evidence to go then goes "
        f"before its age, which would need {size}"
    )


def _amount(amount: Amount) -> dict[str, int]:
    return {
        "pictures": amount.picture_count,
        "picture_bytes": amount.picture_bytes,
        "maps": amount.map_count,
        "map_bytes": amount.map_bytes,
    }

"""`inspection audit`: who changed what, and whether anybody has changed it behind our backs."""

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from inspection.cli import context, output
from inspection.cli.audit_key import add_key, anchor_file, audit_keys, key_file
from inspection.domain.chain import AuditKeys, Head, LinkKind
from inspection.errors import ConfigurationError, InspectionError
from inspection.settings import Settings
from inspection.store import anchors, audit, chain
from inspection.store.anchors import Anchor
from inspection.store.audit import Change, ChangeQuery, SealedChange
from inspection.store.audit_state import write_result
from inspection.store.database import Database
from inspection.store.verification import Verification, Verifier

#: Links read at a time when they are exported.
STRIDE: Final = 1_000

app = typer.Typer(
    help="The audit: who changed what, sealed against tampering.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command("list")
def list_(  # noqa: PLR0913 - one option a filter
    *,
    who: Annotated[str | None, typer.Option(help="only what this person or process did")] = None,
    thing: Annotated[
        str | None, typer.Option(help="only of this kind: threshold, line, user, export …")
    ] = None,
    name: Annotated[str | None, typer.Option(help="only of the thing with this name")] = None,
    since: Annotated[str | None, typer.Option(help="from here on, 2026-11-21T14:00:00Z")] = None,
    until: Annotated[str | None, typer.Option(help="before")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    before: Annotated[int | None, typer.Option(help="`id` of the last row seen")] = None,
    as_json: AsJson = False,
) -> None:
    """List changes, the newest first.

    Example: inspection audit list --thing threshold --since 2026-11-01T00:00:00Z
    """
    settings = context.begin("audit")
    query = ChangeQuery(
        who=who,
        thing=thing,
        name=name,
        from_at=_moment(since, "--since"),
        to_at=_moment(until, "--until"),
        before_id=before,
        limit=limit,
    )
    with context.opened_database(settings) as database, database.read() as connection:
        found = audit.sealed_changes(connection, query)
    output.show_rows([_row(one) if as_json else _brief(one) for one in found], as_json=as_json)


@app.command()
def head(*, as_json: AsJson = False) -> None:
    """Print the end of the chain: keep it where nobody who can change the database can reach it.

    What it prints with --json is a line of a file for `inspection audit verify --anchor`.

    Example: inspection audit head --json >> /mnt/other-machine/anchors.jsonl
    """
    settings = context.begin("audit")
    with context.opened_database(settings) as database, database.read() as connection:
        found = chain.lasting_head(connection)
    if found is None:
        raise InspectionError("nothing is sealed yet: start `inspection keeper`")
    at = context.clock()
    output.show_object(_head(found, database, at), as_json=as_json)


@app.command()
def verify(
    *,
    anchor: Annotated[
        Path | None,
        typer.Option(help="file of anchors kept elsewhere; without it the one of this machine"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find rows that were edited, removed, moved or added by SQL; exit code 1 if there are any.

    It reads every change and every row of the history, while others go on working. What it found
    is written down as a change itself.

    Example: inspection audit verify --anchor /mnt/other-machine/anchors.jsonl
    """
    settings = context.begin("audit")
    keys = _keys(settings)
    with context.opened_database(settings) as database:
        known = _anchors(settings, anchor, database)
        found = Verifier(database, keys, known).run()
        said = _verified(found)
        with database.write() as connection:
            write_result(connection, said, at=context.clock(), by=output.person())
    output.show_object(said, as_json=as_json)
    if found.findings:
        many = len(found.findings)
        more = f"; {many - 1} more were found" if many > 1 else ""
        raise InspectionError(f"tampered with: {found.findings[0]}{more}")


@app.command()
def export(
    *,
    after: Annotated[int, typer.Option(min=0, help="only links after this number")] = 0,
    changes_only: Annotated[bool, typer.Option("--changes", help="only links of changes")] = False,
) -> None:
    """Print the chain as JSON Lines, each link with its MAC, for a verifier of your own.

    The README says what the bytes are that the MAC is made of.

    Example: inspection audit export > audit.jsonl
    """
    settings = context.begin("audit")
    with context.opened_database(settings) as database:
        with database.write() as connection:
            audit.add_change(
                connection,
                Change(
                    at=context.clock(),
                    who=output.person(),
                    action="exported",
                    thing="audit",
                    name="links",
                    after={"after": after},
                ),
            )
        for line in _exported(database, after):
            if not changes_only or line["kind"] == LinkKind.CHANGE:
                sys.stdout.write(json.dumps(line) + "\n")


@app.command()
def rotate() -> None:
    """Go over to a new key; what former keys have sealed is still verified with them.

    1. The first call makes a new key (or tells where to put it) and keeps the former one.
    2. Start all processes again, so that they know both.
    3. The second call has the new key used from then on.

    Example: inspection audit rotate
    """
    settings = context.begin("audit")
    keys = _keys(settings)
    with context.opened_database(settings) as database:
        with database.read() as connection:
            last = chain.head(connection)
        if last is None or last.key_id == keys.newest:
            keys = add_key(settings)
            output.say(
                f"{key_file(settings)} has the new key {keys.newest} before the former ones: "
                "start all processes again, then run this once more"
            )
            return
        with database.write() as connection:
            chain.change_key(connection, keys, at=context.clock())
    output.say(f"sealed with the key {keys.newest} from here on")


@app.command()
def adopt(*, reason: Annotated[str, typer.Option(help="why, for the history")]) -> None:
    """Seal changes that were never sealed, as they are now: a process had no key, or another one.

    See first with `inspection audit verify` what they are: a forged one is sealed like the others.

    Example: inspection audit adopt --reason "the API had no INSPECTION_AUDIT_KEY until today"
    """
    if not reason.strip():
        raise ConfigurationError("--reason: say why")
    settings = context.begin("audit")
    _keys(settings)
    with context.opened_database(settings) as database, database.write() as connection:
        ids = chain.unsealed(connection)
        if ids:
            audit.adopt(connection, ids, at=context.clock(), by=output.person(), reason=reason)
    output.say(f"{len(ids)} changes were adopted")


def _keys(settings: Settings) -> AuditKeys:
    keys = audit_keys(settings)
    if keys is None:
        raise ConfigurationError(
            f"there is no key of the audit in {key_file(settings)}: run this where "
            "`inspection keeper` runs, or set INSPECTION_AUDIT_KEY_FILE"
        )
    return keys


def _anchors(settings: Settings, given: Path | None, database: Database) -> list[Anchor]:
    if given is None:
        return anchors.read(anchor_file(settings), database=database.address)
    found = anchors.read(given)
    if not found:
        raise ConfigurationError(f"--anchor: there are no anchors in {given}")
    return found


def _exported(database: Database, after: int) -> Iterator[dict[str, Any]]:
    while True:
        with database.read() as connection:
            links = chain.links(connection, after=after, limit=STRIDE)
        for link in links:
            yield {
                "number": link.number,
                "kind": link.kind,
                "sealed_at": link.sealed_at.isoformat(timespec="microseconds"),
                "key": link.key_id,
                "statement": link.statement,
                "mac": link.mac,
            }
        if len(links) < STRIDE:
            return
        after = links[-1].number


def _head(found: Head, database: Database, at: datetime) -> dict[str, Any]:
    return {
        "at": at.isoformat(timespec="microseconds"),
        "database": database.address,
        "number": found.number,
        "mac": found.mac,
        "key": found.key_id,
    }


def _verified(found: Verification) -> dict[str, Any]:
    return {
        "is_intact": not found.findings,
        "findings": [
            {"table": one.table, "id": one.row_id, "what": one.what} for one in found.findings
        ],
        "links": found.link_count,
        "changes": found.change_count,
        "rows": found.row_count,
        "removed": found.removed_count,
        "not_yet_covered": found.open_count,
        "anchors": found.anchor_count,
        "head": found.head and {"number": found.head.number, "mac": found.head.mac},
    }


def _row(one: SealedChange) -> dict[str, Any]:
    change = one.change
    return {
        "id": one.change_id,
        "at": change.at.isoformat(),
        "who": change.who,
        "action": change.action,
        "thing": change.thing,
        "name": change.name,
        "before": change.before,
        "after": change.after,
        "link": one.number,
        "mac": one.mac,
    }


def _brief(one: SealedChange) -> dict[str, Any]:
    row = _row(one)
    del row["mac"]
    for side in ("before", "after"):
        # What rows are like that were re-driven is for the verification alone.
        row[side] = {
            key: value for key, value in (row[side] or {}).items() if key not in ("parts", "rows")
        } or None
    return row


def _moment(given: str | None, option: str) -> datetime | None:
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigurationError(
            f"{option}: {given!r} is no time with a zone; write for example 2026-11-21T14:00:00Z"
        )
    return moment

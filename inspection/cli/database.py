"""`inspection db`: the schema, and whether every frame is accounted for."""

from typing import Annotated, Any

import typer

from inspection.accounting import CameraAccount, accounts, total
from inspection.cli import context, output
from inspection.domain.ledger import Account
from inspection.errors import InspectionError
from inspection.store.database import Database

app = typer.Typer(help="The database: schema and accounts.", no_args_is_help=True)


@app.command()
def upgrade() -> None:
    """Create the schema, or bring it to this program's version.

    Example: inspection db upgrade
    """
    settings = context.begin("db")
    database = Database.open(settings.database)
    database.migrate()
    output.say(f"schema at {database.revision()}")
    database.close()


@app.command()
def check() -> None:
    """Say whether the database answers and has this program's schema.

    Example: inspection db check
    """
    settings = context.begin("db")
    with context.opened_database(settings) as database:
        output.say(f"{database.address}: schema at {database.revision()}")


@app.command()
def verify(*, as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False) -> None:
    """Show that every accepted frame is accounted for, once; exit code 1 when one is not.

    accepted = inspected + uninspected + dropped + in flight, per camera.

    Example: inspection db verify --json
    """
    settings = context.begin("db")
    with context.opened_database(settings) as database, context.streams(settings) as client:
        parts = accounts(database, client, settings.journals)
    rows = [{"camera": p.camera, **_figures(p.account), **_faults(p)} for p in parts]
    if as_json:
        whole = {**_figures(total(parts)), "is_balanced": _are_balanced(parts), "cameras": rows}
        output.show_object(whole, as_json=True)
    else:
        output.show_rows(rows, as_json=False)
    if not _are_balanced(parts):
        lost = sum(len(part.missing) for part in parts)
        doubled = sum(len(part.doubled) for part in parts)
        raise InspectionError(f"{lost} frames are missing, {doubled} are there twice")


def _are_balanced(parts: list[CameraAccount]) -> bool:
    return all(p.account.is_balanced and not p.doubled and not p.missing for p in parts)


def _figures(account: Account) -> dict[str, Any]:
    return {
        "accepted": account.accepted,
        "inspections": account.inspected,
        "uninspected": account.uninspected_count,
        "dropped": account.dropped_count,
        "in_flight": account.in_flight,
        "reasons": dict(account.uninspected),
        "causes": dict(account.dropped),
    }


def _faults(part: CameraAccount) -> dict[str, Any]:
    return {"missing": list(part.missing), "doubled": list(part.doubled)}

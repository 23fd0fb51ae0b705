"""`inspection db`: the schema, and whether every frame is accounted for."""

from typing import Annotated, Any

import typer

from inspection.accounting import accounts, total
from inspection.cli import context, output
from inspection.domain.ledger import Account
from inspection.errors import InspectionError
from inspection.store import ledger

app = typer.Typer(help="The database: schema and accounts.", no_args_is_help=True)


@app.command()
def upgrade() -> None:
    """Create the schema, or bring it to this program's version.

    Example: inspection db upgrade
    """
    settings = context.begin("db")
    with context.migrated_database(settings) as database:
        output.say(f"schema at {database.revision()}")


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
        with database.read() as connection:
            doubled = {p.camera: ledger.doubled_numbers(connection, p.camera) for p in parts}
    rows = [
        {
            "camera": part.camera,
            **_figures(part.account),
            "missing": list(part.missing),
            "doubled": doubled[part.camera],
        }
        for part in parts
    ]
    missing_count = sum(len(part.missing) for part in parts)
    doubled_count = sum(map(len, doubled.values()))
    is_balanced = all(part.account.is_balanced for part in parts) and not doubled_count
    if as_json:
        whole = {**_figures(total(parts)), "is_balanced": is_balanced, "cameras": rows}
        output.show_object(whole, as_json=True)
    else:
        output.show_rows(rows, as_json=False)
    if not is_balanced:
        raise InspectionError(
            f"{missing_count} frames are missing, {doubled_count} are there twice"
        )


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

"""`inspection db`: the schema, and whether every frame is accounted for."""

from itertools import islice
from typing import Annotated, Any, Final

import typer

from inspection.accounting import Audit, CameraAccount, accounts, audit, total
from inspection.cli import context, output
from inspection.domain.ledger import Account
from inspection.errors import InspectionError

#: Missing frames that are called by their numbers; all are counted.
NAMED_COUNT: Final = 1_000

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

    accepted = inspected + uninspected + dropped + in flight, per camera; and the counters that say
    so are those one gets by counting every row.

    Example: inspection db verify --json
    """
    settings = context.begin("db")
    with context.opened_database(settings) as database, context.streams(settings) as client:
        parts = accounts(database, client, settings.journals)
        audits = [audit(database, part) for part in parts]
    rows = [_row(part, found) for part, found in zip(parts, audits, strict=True)]
    missing_count = sum(row["missing_count"] for row in rows)
    doubled_count = sum(len(found.doubled) for found in audits)
    difference_count = sum(len(found.differences) for found in audits)
    is_balanced = all(part.account.is_balanced for part in parts) and not (
        missing_count or doubled_count or difference_count
    )
    if as_json:
        whole = {
            **_figures(total(parts)),
            "missing_count": missing_count,
            "is_balanced": is_balanced,
            "cameras": rows,
        }
        output.show_object(whole, as_json=True)
    else:
        output.show_rows(rows, as_json=False)
    if not is_balanced:
        counters = f", {difference_count} counters are wrong" if difference_count else ""
        raise InspectionError(
            f"{missing_count} frames are missing, {doubled_count} are there twice{counters}"
        )


def _row(part: CameraAccount, found: Audit) -> dict[str, Any]:
    names = islice((number for gap in found.missing for number in gap), NAMED_COUNT)
    return {
        "camera": part.camera,
        **_figures(part.account),
        "removed": part.removed_count,
        "missing_count": max(part.account.missing_count, sum(map(len, found.missing))),
        "missing": list(names),
        "doubled": list(found.doubled),
        "differences": [
            {
                "outcome": each.outcome.value,
                "reason": each.reason,
                "counted": each.counted,
                "found": each.found,
            }
            for each in found.differences
        ],
    }


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

"""`inspection threshold`: the limits above which a score means NG, and what others would mean."""

from typing import Annotated

import typer

from inspection.cli import context, output
from inspection.cli.what_if import what_if
from inspection.domain.line import Scope, Threshold
from inspection.reporting.threshold_report import row_of, short_row_of
from inspection.store import threshold_list, thresholds
from inspection.store.rollbacks import Rollback, roll_back
from inspection.store.threshold_list import Listed

app = typer.Typer(help="The limits above which a score means NG.", no_args_is_help=True)
app.command("what-if")(what_if)

Product = Annotated[str | None, typer.Option(help="only for this product")]
Station = Annotated[str | None, typer.Option(help="only for this station")]
CameraName = Annotated[str | None, typer.Option("--camera", help="only for this camera")]
Reason = Annotated[str, typer.Option(help="why, for the history")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command("set")
def set_(  # noqa: PLR0913  (every argument is an option of the command)
    line: str,
    value: Annotated[
        str, typer.Argument(help="score above which a part is NG; `none` withdraws it (pending)")
    ],
    *,
    reason: Reason = "",
    product: Product = None,
    station: Station = None,
    camera: CameraName = None,
    as_json: AsJson = False,
) -> None:
    """Set the threshold of a line, or of a product, station or camera of it.

    The most specific one wins: camera, station, product, line. Every version is kept. It comes into
    force a second later, for all inspectors at once.

    Example: inspection threshold set washers 0.62 --product "steel washer" --reason "new supplier"
    """
    settings = context.begin("threshold")
    scope = Scope(line=line, product=product, station=station, camera=camera)
    with context.opened_database(settings) as database:
        with database.write() as connection:
            threshold = thresholds.set_threshold(
                connection,
                scope,
                output.number(value, name="VALUE"),
                at=context.clock(),
                by=output.person(),
                reason=reason,
            )
        with database.read() as connection:
            versions = threshold_list.history(connection, scope)
    _show(threshold, versions, as_json=as_json)


@app.command("list")
def list_(line: Annotated[str | None, typer.Argument()] = None, *, as_json: AsJson = False) -> None:
    """List the thresholds of a line, or of all, with what they promise.

    Those of products, stations and cameras say whether they differ from their line's.

    Example: inspection threshold list washers
    """
    settings = context.begin("threshold")
    with context.opened_database(settings) as database, database.read() as connection:
        found = threshold_list.newest(connection, line=line)
    _show_all(found, as_json=as_json)


@app.command()
def history(
    line: str,
    *,
    product: Product = None,
    station: Station = None,
    camera: CameraName = None,
    as_json: AsJson = False,
) -> None:
    """Show every version of a threshold, the newest first: who set it, when and why.

    Example: inspection threshold history washers --camera top-1
    """
    settings = context.begin("threshold")
    scope = Scope(line=line, product=product, station=station, camera=camera)
    with context.opened_database(settings) as database, database.read() as connection:
        found = threshold_list.history(connection, scope)
    _show_all(found, as_json=as_json)


@app.command()
def rollback(  # noqa: PLR0913  (every argument is an option of the command)
    line: str,
    *,
    version: Annotated[
        int | None, typer.Option(min=1, help="which; by default the one before the newest")
    ] = None,
    reason: Reason = "",
    product: Product = None,
    station: Station = None,
    camera: CameraName = None,
    as_json: AsJson = False,
) -> None:
    """Set a former version of a threshold again, as a new one.

    What it was bound to and what it promised come back with it; a promise that was withdrawn
    stays withdrawn.

    Example: inspection threshold rollback washers --reason "the new lamp is gone again"
    """
    settings = context.begin("threshold")
    scope = Scope(line=line, product=product, station=station, camera=camera)
    asked = Rollback(
        scope=scope, version=version, at=context.clock(), by=output.person(), reason=reason
    )
    with context.opened_database(settings) as database:
        with database.write() as connection:
            threshold = roll_back(connection, asked)
        with database.read() as connection:
            versions = threshold_list.history(connection, scope)
    _show(threshold, versions, as_json=as_json)


def _show(threshold: Threshold, versions: list[Listed], *, as_json: bool) -> None:
    if as_json:
        (listed,) = (v for v in versions if v.threshold.version == threshold.version)
        output.show_object(row_of(listed), as_json=True)
        return
    output.say(
        f"{thresholds.scope_name(threshold.scope)}: version {threshold.version}, "
        f"{'withdrawn' if threshold.value is None else threshold.value}"
    )


def _show_all(found: list[Listed], *, as_json: bool) -> None:
    described = row_of if as_json else short_row_of
    output.show_rows([described(each) for each in found], as_json=as_json)

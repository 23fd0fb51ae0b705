"""`inspection threshold`: the limit above which a score means NG."""

from typing import Annotated

import typer

from inspection.cli import context, output
from inspection.domain.line import Scope
from inspection.store import thresholds

app = typer.Typer(help="The limits above which a score means NG.", no_args_is_help=True)


@app.command("set")
def set_(
    line: str,
    value: Annotated[
        str, typer.Argument(help="score above which a part is NG; `none` withdraws it (pending)")
    ],
    *,
    reason: Annotated[str, typer.Option(help="why, for the history")] = "",
    product: Annotated[str | None, typer.Option(help="only for this product")] = None,
    station: Annotated[str | None, typer.Option(help="only for this station")] = None,
    camera: Annotated[str | None, typer.Option(help="only for this camera")] = None,
) -> None:
    """Set the threshold of a line, or of a product, station or camera of it.

    The most specific one wins: camera, station, product, line. Every version is kept.

    Example: inspection threshold set washers 0.62 --product "steel washer" --reason "new supplier"
    """
    settings = context.begin("threshold")
    scope = Scope(line=line, product=product, station=station, camera=camera)
    with context.opened_database(settings) as database, database.write() as connection:
        threshold = thresholds.set_threshold(
            connection,
            scope,
            output.number(value, name="VALUE"),
            at=context.clock(),
            by=output.person(),
            reason=reason,
        )
    output.say(
        f"{thresholds.scope_name(scope)}: version {threshold.version}, "
        f"{'withdrawn' if threshold.value is None else threshold.value}"
    )

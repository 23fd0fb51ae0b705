"""`inspection line`: what stands on the floor and what it is making."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from inspection.cli import context, output, rule, shelf
from inspection.cli.calibrate import calibrate
from inspection.cli.duration import end_of
from inspection.cli.site_file import create_missing, read_site_file
from inspection.domain.line import Camera, Line, PicturePolicy
from inspection.domain.recipe import LineRecipe, Recipe
from inspection.errors import ConfigurationError
from inspection.reporting.threshold_report import row_of
from inspection.store import lines, recipes, shelves, threshold_list, thresholds
from inspection.store.shelves import Silence

app = typer.Typer(help="Lines, their cameras, and what they are making.", no_args_is_help=True)
app.command()(calibrate)
app.add_typer(rule.app, name="rule")

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command()
def add(
    config: Annotated[Path, typer.Option("--config", help="YAML file as of `inspection up`")],
) -> None:
    """Add the lines, cameras, recipes and channels of a file; what is there stays as it is.

    Example: inspection line add --config washers.yaml
    """
    settings = context.begin("line")
    site_file = read_site_file(config)
    with context.migrated_database(settings) as database, database.write() as connection:
        create_missing(connection, site_file, at=context.clock(), by=output.person())


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """List the lines, their cameras and what they are making.

    Example: inspection line list --json
    """
    settings = context.begin("line")
    with context.opened_database(settings) as database, database.read() as connection:
        rows = [
            {
                "line": line.name,
                "product": line.product,
                "cameras": [c.name for c in lines.list_cameras(connection, line=line.name)],
                "thresholds": len(thresholds.list_thresholds(connection, line=line.name)),
            }
            for line in lines.list_lines(connection)
        ]
    output.show_rows(rows, as_json=as_json)


@app.command()
def show(line: str, *, as_json: AsJson = False) -> None:
    """Show one line: product, alert rules, cameras, thresholds and what they promise, recipes.

    Example: inspection line show washers
    """
    settings = context.begin("line")
    with context.opened_database(settings) as database, database.read() as connection:
        found = lines.get_line(connection, line)
        cameras = lines.list_cameras(connection, line=line)
        limits = threshold_list.newest(connection, line=line)
        told = recipes.list_recipes(connection, line=line)
        shelved = shelves.list_shelves(connection, context.clock(), line)
    shown = _described(found, cameras) | {
        "shelved": [shelf.row_of(each) for each in shelved],
        "thresholds": [row_of(limit) for limit in limits],
        "recipes": [_told(recipe) for recipe in told],
    }
    output.show_object(shown, as_json=as_json)


@app.command()
def make(line: str, product: str) -> None:
    """Change a line over to another product, between two frames.

    Example: inspection line make washers "steel washer"
    """
    settings = context.begin("line")
    with context.opened_database(settings) as database, database.write() as connection:
        lines.make(connection, line, product, at=context.clock(), by=output.person())


@app.command()
def change(
    line: str,
    *,
    pictures: Annotated[
        PicturePolicy | None, typer.Option(help="whose pictures are kept beside the database")
    ] = None,
    sample_rate: Annotated[
        float | None, typer.Option(min=0, max=1, help="share of OK frames whose picture is kept")
    ] = None,
    learn: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=1_000,
            help="first frames of each product and station that a reference is learnt from",
        ),
    ] = None,
) -> None:
    """Change which pictures a line keeps and how much it learns; what is left out stays.

    Example: inspection line change washers --pictures all --learn 64
    """
    given = {"pictures": pictures, "sample_rate": sample_rate, "learn_count": learn}
    wanted: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if not wanted:
        raise ConfigurationError("name what to change: --pictures, --sample-rate or --learn")
    settings = context.begin("line")
    with context.opened_database(settings) as database, database.write() as connection:
        before = lines.lock_line(connection, line)
        after = replace(before, **wanted)
        lines.change_line(connection, before, after, at=context.clock(), by=output.person())


@app.command()
def remove(line: str) -> None:
    """Remove a line that has no cameras, thresholds, recipes, alerts and history.

    Example: inspection line remove trial
    """
    settings = context.begin("line")
    with context.opened_database(settings) as database, database.write() as connection:
        lines.remove_line(connection, line, at=context.clock(), by=output.person())


@app.command()
def pause(
    line: str,
    *,
    reason: Annotated[str, typer.Option(help="why, for the history")],
    lasts: Annotated[
        str | None, typer.Option("--for", help="how long, such as 30min, 8h or 2d")
    ] = None,
) -> None:
    """Open no alerts of a line until it is resumed, or the time is over; inspections go on.

    Example: inspection line pause washers --for 8h --reason "new tool is run in"
    """
    settings = context.begin("line")
    now = context.clock()
    until_at = None if lasts is None else end_of(lasts, now)
    silence = Silence(at=now, by=output.person(), reason=reason, until_at=until_at)
    with context.opened_database(settings) as database, database.write() as connection:
        shelves.pause(connection, line, silence)


@app.command()
def resume(line: str) -> None:
    """Open alerts of a paused line again.

    Example: inspection line resume washers
    """
    settings = context.begin("line")
    with context.opened_database(settings) as database, database.write() as connection:
        shelves.resume(connection, line, at=context.clock(), by=output.person())


@app.command()
def recipe(
    line: str,
    product: Annotated[
        str, typer.Argument(help="as frames name it; `object`: of those that name none")
    ],
    *,
    defect: Annotated[
        list[str] | None,
        typer.Option(help="what may be wrong with it; one for each, replacing those there were"),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="withdraw the recipe")] = False,
    reason: Annotated[str, typer.Option(help="why, for the history")] = "",
    as_json: AsJson = False,
) -> None:
    """Show, set or withdraw what the detector is told of a product's defects, beside its name.

    A defect is a phrase that follows the product's name. Running inspectors use a changed recipe
    for the frames they take two seconds later at the latest; every version is kept. Other defects
    mean other scores: look at the threshold as well.

    Example: inspection line recipe boards "circuit board" --defect "with a missing screw"
    """
    if defect and clear:
        raise ConfigurationError("--clear withdraws the recipe; leave it out to set defects")
    settings = context.begin("line")
    with context.opened_database(settings) as database:
        if defect or clear:
            named = Recipe(product=product, defects=tuple(defect or ()))
            with database.write() as connection:
                recipes.set_recipe(
                    connection, line, named, at=context.clock(), by=output.person(), reason=reason
                )
        with database.read() as connection:
            told = recipes.list_recipes(connection, line=line)
    shown: dict[str, Any] = {"line": line, "product": product, "version": None, "defects": []}
    for one in told:
        if one.recipe.product == product:
            shown |= _told(one)
    output.show_object(shown, as_json=as_json)


def _told(recipe: LineRecipe) -> dict[str, Any]:
    return {
        "product": recipe.recipe.product,
        "version": recipe.version,
        "set_at": recipe.set_at.isoformat(),
        "set_by": recipe.set_by,
        "reason": recipe.reason,
        "defects": list(recipe.recipe.defects),
    }


def _described(line: Line, cameras: list[Camera]) -> dict[str, Any]:
    return {
        "line": line.name,
        "product": line.product,
        "rules": [rule.row_of(each) for each in line.rules],
        "pictures": line.pictures.value,
        "sample_rate": line.sample_rate,
        "learn": line.learn_count,
        "cameras": [
            {"camera": c.name, "station": c.station, "source": c.source.kind} for c in cameras
        ],
    }

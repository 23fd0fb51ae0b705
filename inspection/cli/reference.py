"""`inspection reference`: what normal looks like, for each product at each station of a line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from inspection.cli import context, good_parts, output
from inspection.cli.heartbeat import beating
from inspection.cli.processes import Lifeline, ray_address
from inspection.domain.recipe import recipe_in_force
from inspection.domain.reference import LineReference, ReferencePlace
from inspection.errors import ConfigurationError, NotFoundError
from inspection.settings.preparation import prepare_ray
from inspection.store import lines, recipes, references
from inspection.telemetry import logger

app = typer.Typer(help="What normal looks like, from good parts.", no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="print JSON")]
_Product = Annotated[
    str | None, typer.Option(help="as frames name it; `object`: of those that name none")
]
_Station = Annotated[str | None, typer.Option(help="station of the line")]
_Reason = Annotated[str, typer.Option(help="why, for the history")]


@app.command()
def build(  # noqa: PLR0913 - one option a choice
    line: str,
    *,
    folder: Annotated[Path | None, typer.Option(help="folder of pictures of good parts")] = None,
    from_last: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="kept pictures of so many last good frames"),
    ] = None,
    product: _Product = None,
    station: _Station = None,
    reason: _Reason = "",
    as_json: _Json = False,
) -> None:
    """Build references from good parts, and put them in force.

    With --from-last, good is what was found OK; where the line has no threshold, pending frames and
    those uninspected for want of a reference count. A line with several stations gets a reference
    for each. The product, unless given, is what the station's cameras are set to, or what the line
    is making. Running inspectors use a new reference two seconds later at the latest. Other
    references mean other scores: calibrated thresholds have to be calibrated again.

    Example: inspection reference build washers --folder pictures/good --reason "first reference"
    """
    if (folder is None) == (from_last is None):
        raise ConfigurationError("say where the good parts are: --folder DIR, or --from-last N")
    settings = context.begin("reference")
    from inspection.cli.building import Builder

    with context.opened_database(settings) as database:
        with database.read() as connection:
            places = good_parts.places(connection, line, station=station, product=product)
            if folder is not None:
                found = [good_parts.in_folder(folder, places)]
            else:
                store = context.pictures(settings)
                found = good_parts.in_history(connection, store, places, from_last or 0)
            told = recipes.list_recipes(connection, line=line)
        in_force = {(one.line, one.recipe.product): one.recipe for one in told}
        builder = Builder.load(settings)
        rows = []
        for parts in found:
            recipe = recipe_in_force(in_force, line=line, product=parts.place.product)
            built = builder.build(parts, recipe)
            with database.write() as connection:
                added = references.add_reference(
                    connection, built.new, at=context.clock(), by=output.person(), reason=reason
                )
            counted = {"found": built.found_count, "skipped": list(built.skipped)}
            rows.append(_described(added) | counted)
    output.show_rows(rows, as_json=as_json)


@app.command("list")
def list_(
    line: Annotated[str | None, typer.Argument(help="only of this line")] = None,
    *,
    as_json: _Json = False,
) -> None:
    """List every version of the references, the newest of each product and station first.

    Example: inspection reference list washers --json
    """
    settings = context.begin("reference")
    with context.opened_database(settings) as database, database.read() as connection:
        found = references.list_references(connection, line=line)
    output.show_rows([_described(reference) for reference in found], as_json=as_json)


@app.command()
def show(
    line: str,
    *,
    product: _Product = None,
    station: _Station = None,
    version: Annotated[
        int | None, typer.Option(min=1, max=2**31 - 1, help="unset: the one in force")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Show a reference, and see that its file is whole.

    Example: inspection reference show washers --station top
    """
    settings = context.begin("reference")
    with context.opened_database(settings) as database, database.read() as connection:
        place = _one_place(connection, line, station=station, product=product)
        found = references.get_reference(connection, place, version=version)
        size_bytes = len(references.reference_file(connection, found.content_hash))
    output.show_object(_described(found) | {"size_bytes": size_bytes}, as_json=as_json)


@app.command()
def withdraw(
    line: str,
    *,
    product: _Product = None,
    station: _Station = None,
    reason: _Reason = "",
    as_json: _Json = False,
) -> None:
    """Score the frames of a line, or of a product or station of it, without references again.

    Every version is kept, and can be restored.

    Example: inspection reference withdraw washers --reason "new lamp"
    """
    settings = context.begin("reference")
    with context.opened_database(settings) as database, database.write() as connection:
        known = references.list_references(connection, line=line, is_in_force=True)
        places = _places(known, station=station, product=product)
        if not places:
            raise NotFoundError(f"no such reference of line {line!r} is in force")
        withdrawn = [
            references.withdraw_reference(
                connection, place, at=context.clock(), by=output.person(), reason=reason
            )
            for place in places
        ]
    output.show_rows([_described(reference) for reference in withdrawn], as_json=as_json)


@app.command()
def restore(
    line: str,
    *,
    version: Annotated[int, typer.Option(min=1, max=2**31 - 1, help="as listed")],
    product: _Product = None,
    station: _Station = None,
    reason: _Reason = "",
    as_json: _Json = False,
) -> None:
    """Put an earlier version of a reference in force again.

    Example: inspection reference restore washers --version 2 --reason "old lamp is back"
    """
    settings = context.begin("reference")
    with context.opened_database(settings) as database, database.write() as connection:
        place = _one_place(connection, line, station=station, product=product)
        restored = references.restore_reference(
            connection, place, version, at=context.clock(), by=output.person(), reason=reason
        )
    output.show_object(_described(restored), as_json=as_json)


@app.command()
def learn(*, lifeline: Lifeline = False) -> None:
    """Learn references of lines that ask for it (`learn: 64`) from their frames, until stopped.

    Only kept pictures can be learnt from, and NG frames never are. One such process does it for
    all lines; replicas do the computing.

    Example: INSPECTION_DATABASE_URL=postgresql://… inspection reference learn
    """
    settings = context.begin("learner", has_lifeline=lifeline)
    context.check_ray(settings, is_supervised=lifeline)
    prepare_ray(settings)
    from inspection.serving import application
    from inspection.serving.learning import Learning
    from inspection.serving.surveying import RaySurveying

    with context.opened_database(settings, is_supervised=lifeline) as database:
        application.connect(ray_address(settings))
        # Not before: while it waits for replicas, a signal ends it at once.
        stop = context.stop_on_signals()
        learning = Learning(
            database,
            context.pictures(settings),
            RaySurveying(application.handle()),
            clock=context.clock,
        )
        logger().info("learner_ready")
        with beating(database, "learner", clock=context.clock) as pulse:
            learning.run(stop, turned=pulse.turn)


def _places(
    known: Sequence[LineReference], *, station: str | None, product: str | None
) -> list[ReferencePlace]:
    places = dict.fromkeys(reference.place for reference in known)
    return [
        place
        for place in places
        if station in (None, place.station) and product in (None, place.product)
    ]


def _one_place(
    connection: Connection, line: str, *, station: str | None, product: str | None
) -> ReferencePlace:
    """Return the one place of a line that has references and is meant.

    Raises:
        NotFoundError: there is no such line, or no such reference of it.
        ConfigurationError: several places may be meant.
    """
    lines.get_line(connection, line)
    known = references.list_references(connection, line=line)
    places = _places(known, station=station, product=product)
    if not places:
        there_are = _named(_places(known, station=None, product=None))
        raise NotFoundError(f"line {line!r} has no such reference; it has: {there_are}")
    if len(places) > 1:
        raise ConfigurationError(
            f"line {line!r} has several references; say with --station or --product which one is "
            f"meant: {_named(places)}"
        )
    return places[0]


def _named(places: Sequence[ReferencePlace]) -> str:
    return "; ".join(f"station={p.station} product={p.product}" for p in places) or "none"


def _described(reference: LineReference) -> dict[str, Any]:
    return {
        "line": reference.line,
        "station": reference.station,
        "product": reference.product,
        "version": reference.version,
        "is_in_force": reference.is_in_force,
        "source": reference.source.value,
        "images": reference.images_count,
        "content_hash": reference.content_hash,
        "checkpoint_hash": reference.checkpoint_hash,
        "made_at": reference.made_at.isoformat(timespec="milliseconds"),
        "made_by": reference.made_by,
        "reason": reference.reason,
    }

"""`inspection demo`: a whole plant on simulated cameras, with one command."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import typer

from inspection.cli import context, dashboard, output, summary, truth
from inspection.cli.invitation import invitation
from inspection.cli.program import Program, running
from inspection.cli.site_file import SiteFile
from inspection.cli.up import finish, watch
from inspection.domain.alert import AlertKind
from inspection.domain.calibration import TooFew, calibrated, needed_count
from inspection.domain.channel import Channel
from inspection.domain.line import Camera, Line, OverflowPolicy, PicturePolicy, Scope, Source
from inspection.domain.rule import rule_of, with_defaults
from inspection.domain.site import Site
from inspection.errors import ConfigurationError, InspectionError
from inspection.settings import Settings
from inspection.settings.preparation import prepare_data_dir
from inspection.store import calibrations, inspections, references
from inspection.store.calibration_sets import oldest_set

#: Lines of the demo and what they make.
PRODUCTS = {"washers": "metal washer", "labels": "printed label", "fabric": "woven fabric"}

#: The first parts of every line are good: from some of them it learns what normal looks like, …
LEARNT_PARTS = 32

#: … the scores of others make its threshold, with this promise, …
FALSE_REJECT_RATE, CONFIDENCE = 0.02, 0.95

#: … and these are enough for both.
GOOD_PARTS = 260

#: Of the others, so many are defective.
DEFECT_RATE = 0.06

#: Parts a second on each line.
RATE_HZ = 4.0

#: Without a verdict for so long, in seconds, the demo gives up.
VERDICT_S = 300.0

#: A folder with this file in it was made by the demo and may be removed by it.
MARKER = ".inspection-demo"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    *,
    for_s: Annotated[
        float | None,
        typer.Option(
            "--for", min=1, help="seconds from the first verdict; without it until Ctrl-C"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="everything simulated follows from it")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="print the account as JSON")] = False,
) -> None:
    """Run three simulated lines from camera to alert, on this machine alone.

    The first parts of each line are good: verdicts are pending while it learns what normal looks
    like and earns a threshold, about a minute. Then every other part may be defective, and in the
    end the verdicts are held against what the simulator knows. What is recorded stays below
    INSPECTION_DATA_DIR/demo until the next demo.

    Example: inspection demo --for 120 --json
    """
    settings = _own(context.begin("demo"))
    stop = context.stop_on_signals()
    site_file = SiteFile(site=_site(seed), thresholds={})
    with running(settings, site_file, is_fresh=True) as program:
        _invite(program)
        calibrate = _calibration(program)
        is_over = _ending(program, for_s)

        def look() -> bool:
            calibrate()
            return stop.is_set() or is_over()

        with dashboard.shown(program) as refresh:
            watch(program, refresh, lambda: stop.is_set() or program.has_replicas or is_over())
            # Not before: cameras that nobody inspects would only fill their streams.
            program.capture()
            watch(program, refresh, look)
            is_drained = program.drain(context.second_signal(stop), refresh)
        result = replace(
            summary.summarise(program.database, program.account()),
            truth=truth.outcomes(program.database),
        )
    output.say(
        f"everything of this run is in {settings.data_dir}; look at it with\n"
        f"  INSPECTION_DATA_DIR={settings.data_dir} inspection history --verdict NG"
    )
    finish(result, is_drained=is_drained, as_json=as_json)


def _invite(program: Program) -> None:
    link = invitation(
        program.database, server=program.url, at=context.clock(), by="inspection demo"
    )
    output.say(f"sign in on this machine, once, within the hour: {link}")


def _own(settings: Settings) -> Settings:
    """Return settings of the demo's folder, with embedded servers, whatever else is set.

    Raises:
        ConfigurationError: the folder holds something that is not a demo's.
    """
    folder = settings.data_dir.absolute() / "demo"
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise ConfigurationError(
            f"{folder} holds something else than a demo; set INSPECTION_DATA_DIR to another folder"
        )
    servers = {"redis_url", "database_url", "picture_url", "ray_address"}
    own = settings.model_copy(update={"data_dir": folder, **dict.fromkeys(servers)})
    prepare_data_dir(own)
    (folder / MARKER).touch()
    return own


def _site(seed: int) -> Site:
    lines = tuple(
        Line(
            name=name,
            product=product,
            rules=with_defaults(rule_of(AlertKind.NG, {"off_delay_s": 15})),
            pictures=PicturePolicy.NG_AND_SAMPLE,
            learn_count=LEARNT_PARTS,
        )
        for name, product in PRODUCTS.items()
    )
    cameras = tuple(
        Camera(
            name=f"{name}-top",
            line=name,
            station="top",
            source=Source(
                kind="simulated",
                product=product,
                seed=seed * 100 + number,
                defect_rate=DEFECT_RATE,
                good_parts_count=GOOD_PARTS,
            ),
            rate_hz=RATE_HZ,
            overflow=OverflowPolicy.DROP_OLDEST,
        )
        for number, (name, product) in enumerate(PRODUCTS.items())
    )
    return Site(lines=lines, cameras=cameras, channels=(Channel(name="log", kind="log"),))


def _calibration(program: Program) -> Callable[[], None]:
    """Return what sets each line's threshold as soon as its good parts support the promise."""
    waiting = set(PRODUCTS)
    wish = {"false_reject_rate": FALSE_REJECT_RATE, "confidence": CONFIDENCE}
    count = needed_count(**wish)

    def look() -> None:
        for name in sorted(waiting):
            with program.database.read() as connection:
                known = references.list_references(connection, line=name)
                used = oldest_set(connection, Scope(line=name), count)
            final = {each.content_hash for each in known if each.is_final and each.is_in_force}
            if used is None or used.reference_hash not in final or len(used.scores) < count:
                continue
            made = calibrated(used.scores, **wish)
            if isinstance(made, TooFew):
                continue
            reason = (
                f"{made.good_count} good parts: false rejects <= {made.false_reject_rate:.0%} "
                f"with {made.confidence:.0%} confidence"
            )
            with program.database.write() as connection:
                calibrations.set_promise(
                    connection, used, made, at=context.clock(), by="inspection demo", reason=reason
                )
            output.say(f"line {name}: threshold {made.threshold:.4f} from {reason}")
            waiting.discard(name)

    return look


def _ending(program: Program, for_s: float | None) -> Callable[[], bool]:
    """Return what says whether the demo's time, from the first verdict on, is over."""
    first_s: float | None = None
    begun_s = time.monotonic()

    def is_over() -> bool:
        nonlocal first_s
        now_s = time.monotonic()
        if first_s is not None:
            return for_s is not None and now_s - first_s >= for_s
        with program.database.read() as connection:
            if any(inspections.verdict_counts(connection).values()):
                first_s = now_s
        if now_s - begun_s > VERDICT_S:
            raise InspectionError(
                f"no verdict within {VERDICT_S:.0f} s; the logs in "
                f"{program.settings.data_dir / 'logs'} say why"
            )
        return False

    return is_over

"""`inspection line calibrate`: a threshold from good parts, with what it promises."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from inspection.cli import context, output
from inspection.domain.calibration import Calibration, TooFew, calibrated, needed_count
from inspection.domain.line import Scope
from inspection.errors import InspectionError
from inspection.store import calibrations
from inspection.store.calibration_sets import CalibrationSet, Replay, newest_set, replayed
from inspection.store.thresholds import scope_name


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What calibration makes of a scope's history; nothing is changed yet."""

    scope: Scope
    #: Asked for, 0 to 1.
    false_reject_rate: float
    #: Asked for, 0 to 1.
    confidence: float
    #: None when nothing was inspected.
    used: CalibrationSet | None
    made: Calibration | TooFew
    #: None without a threshold.
    replay: Replay | None


def calibrate(  # noqa: PLR0913  (every argument is an option of the command)
    line: str,
    *,
    from_last: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="take the last N inspections, all good parts")
    ],
    false_reject_rate: Annotated[
        float, typer.Option(help="share of good parts that may be NG, between 0 and 1")
    ],
    confidence: Annotated[
        float, typer.Option(help="probability that the promise holds, between 0 and 1")
    ] = 0.95,
    product: Annotated[str | None, typer.Option(help="only for this product")] = None,
    station: Annotated[str | None, typer.Option(help="only for this station")] = None,
    camera: Annotated[str | None, typer.Option(help="only for this camera")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="show what it would do; change nothing")
    ] = False,
    reason: Annotated[str, typer.Option(help="why, for the history")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Set the lowest threshold that keeps false rejects below a rate, with that confidence.

    It is made from the last inspections of the line, or of a product, station or camera of it,
    that were scored by the detector and reference in use, whatever their verdict. You vouch that
    they show good parts: defective ones among them raise the threshold, so that the promise about
    false rejects still holds, while more defects escape. It judges scores of the same detector
    and reference only; after a change of either, verdicts are pending until you calibrate again.

    With too few inspections nothing is changed, and the command says how many more are needed.

    Example: inspection line calibrate washers --from-last 1000 --false-reject-rate 0.005 --dry-run
    """
    settings = context.begin("line")
    scope = Scope(line=line, product=product, station=station, camera=camera)
    with context.opened_database(settings) as database:
        with database.read() as connection:
            used = newest_set(connection, scope, from_last)
            trial = _tried(connection, scope, used, (false_reject_rate, confidence))
        if used is not None and isinstance(trial.made, Calibration) and not dry_run:
            with database.write() as connection:
                calibrations.set_promise(
                    connection,
                    used,
                    trial.made,
                    at=context.clock(),
                    by=output.person(),
                    reason=reason or _reason(trial.made),
                )
    if as_json or isinstance(trial.made, Calibration):
        output.show_object(_described(trial, is_dry_run=dry_run), as_json=as_json)
    if isinstance(trial.made, TooFew):
        raise InspectionError(_too_few(scope, trial.made, used))
    if used is not None and used.others_count and not as_json:
        output.say(_others(used))


def _tried(
    connection: Connection, scope: Scope, used: CalibrationSet | None, wish: tuple[float, float]
) -> Trial:
    false_reject_rate, confidence = wish
    made: Calibration | TooFew
    if used is None:
        needed = needed_count(false_reject_rate=false_reject_rate, confidence=confidence)
        made = TooFew(good_count=0, needed_count=needed)
    else:
        made = calibrated(used.scores, false_reject_rate=false_reject_rate, confidence=confidence)
    replay = None
    if used is not None and isinstance(made, Calibration):
        replay = replayed(connection, used, made.threshold)
    return Trial(
        scope=scope,
        false_reject_rate=false_reject_rate,
        confidence=confidence,
        used=used,
        made=made,
        replay=replay,
    )


def _described(trial: Trial, *, is_dry_run: bool) -> dict[str, Any]:
    made, used = trial.made, trial.used
    wish = {"false_reject_rate": trial.false_reject_rate, "confidence": trial.confidence}
    return {
        "line": trial.scope.line,
        "scope": scope_name(trial.scope),
        "threshold": made.threshold if isinstance(made, Calibration) else None,
        "good_count": made.good_count,
        "needed": needed_count(**wish),
        **wish,
        "bound": made.bound if isinstance(made, Calibration) else None,
        "checkpoint_hash": used.checkpoint_hash if used else None,
        "reference_hash": used.reference_hash if used else None,
        "others_count": used.others_count if used else 0,
        "history": None if trial.replay is None else _history(trial.replay),
        "is_dry_run": is_dry_run,
    }


def _history(replay: Replay) -> dict[str, Any]:
    return {
        "rows": replay.row_count,
        "ok_before": replay.ok_before_count,
        "ng_before": replay.ng_before_count,
        "pending_before": replay.pending_before_count,
        "ok_after": replay.row_count - replay.ng_after_count,
        "ng_after": replay.ng_after_count,
        "flips": {"ng_to_ok": replay.ng_to_ok_count, "ok_to_ng": replay.ok_to_ng_count},
        "ng_after_rate": replay.ng_after_rate,
    }


def _reason(made: Calibration) -> str:
    return (
        f"from {made.good_count} good parts: false rejects <= {made.false_reject_rate:g} with "
        f"confidence {made.confidence:g}"
    )


def _too_few(scope: Scope, made: TooFew, used: CalibrationSet | None) -> str:
    sentence = (
        f"{scope_name(scope)}: {made.missing_count} more good parts are needed: {made.good_count} "
        f"were taken, and this promise needs {made.needed_count}; nothing was changed"
    )
    return f"{sentence}; {_others(used)}" if used is not None and used.others_count else sentence


def _others(used: CalibrationSet) -> str:
    return (
        f"{used.others_count} inspections by another checkpoint or reference were passed over: "
        "their scores cannot be compared"
    )

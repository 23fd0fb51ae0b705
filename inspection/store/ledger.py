"""The ledger: one row for every frame that was given an identity, whatever became of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, and_, func, insert, or_, select

from inspection.domain.alert import AlertKind
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Account, Dropped, Entry, Inspected, Outcome, Uninspected
from inspection.store import evidence, tables
from inspection.store.alert_tables import alert_outbox
from inspection.store.cameras import camera_id, unknown_camera
from inspection.store.engine import insert_new

#: Numbers asked for in one statement; SQLite takes 32,766 values, PostgreSQL 65,535.
NUMBERS_PER_STATEMENT: Final = 5_000

#: Row ids of a camera, its station and its line.
_Place = tuple[int, int, int]
#: Row id of the camera, and sequence number: what no two rows may share.
_Key = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class RecordedCounts:
    """What one call has added to the ledger."""

    inspected_count: int = 0
    uninspected_count: int = 0
    dropped_count: int = 0
    #: Frames that had a row already; nothing of them was written.
    repeated_count: int = 0


def record(connection: Connection, entries: Sequence[Entry], *, at: datetime) -> RecordedCounts:
    """Add the frames that have no row yet; repeating a call adds nothing.

    1. Lock the cameras, so that nobody else records frames of them before this transaction ends.
    2. Leave out frames whose sequence number has a row. The time may differ: a frame that was
       trimmed from its stream has only its entry's, which is later after a clock was set back.
    3. Insert the ledger's rows; then, for these, inspections, maps and the alert worker's outbox.

    Args:
        connection: inside a transaction of `Database.write`.
        entries: of any cameras; of two with the same identity the first counts.
        at: the time of recording.

    Raises:
        NotFoundError: there is no such camera; nothing was written.
    """
    places = _locked_places(connection, {entry.identity.camera for entry in entries})
    fresh: dict[_Key, Entry] = {}
    for entry in entries:
        camera = places[entry.identity.camera][0]
        fresh.setdefault((camera, entry.identity.sequence_number), entry)
    for key in _present(connection, list(fresh)):
        del fresh[key]
    added = _insert_ledger(connection, fresh, places, at=at)
    inspected = {ledger_id: e for ledger_id, e in added.items() if isinstance(e, Inspected)}
    if inspected:
        _insert_inspected(connection, inspected, places, at=at)
    _insert_outbox(connection, added, places)
    evidence.add(connection, [(places[e.identity.camera][0], e) for e in added.values()])
    return RecordedCounts(
        inspected_count=len(inspected),
        uninspected_count=sum(isinstance(entry, Uninspected) for entry in added.values()),
        dropped_count=sum(isinstance(entry, Dropped) for entry in added.values()),
        repeated_count=len(entries) - len(added),
    )


def known(connection: Connection, camera: str, sequence_numbers: Collection[int]) -> set[int]:
    """Return those of `sequence_numbers` of the camera that have a row.

    Raises:
        NotFoundError: there is no such camera.
    """
    camera_key, numbers = camera_id(connection, camera), list(sequence_numbers)
    found: set[int] = set()
    for start in range(0, len(numbers), NUMBERS_PER_STATEMENT):
        asked = numbers[start : start + NUMBERS_PER_STATEMENT]
        statement = select(tables.ledger.c.sequence_number).where(
            tables.ledger.c.camera_id == camera_key,
            tables.ledger.c.sequence_number.in_(asked),
        )
        found.update(connection.scalars(statement))
    return found


def last_sequence_number(connection: Connection, camera: str) -> int:
    """Return the highest sequence number of the camera that has a row, 0 when none has.

    Raises:
        NotFoundError: there is no such camera.
    """
    statement = select(func.max(tables.ledger.c.sequence_number)).where(
        tables.ledger.c.camera_id == camera_id(connection, camera)
    )
    return connection.scalar(statement) or 0


def account_rows(connection: Connection, camera: str, *, up_to: int) -> Account:
    """Count the rows of the camera by outcome and reason.

    Args:
        connection: of a `Database.read`, so that all counts are of one moment.
        camera: its name.
        up_to: highest sequence number that counts; it is also the account's `accepted`.

    Returns:
        An account with nothing in flight: add what capture and stream hold.

    Raises:
        NotFoundError: there is no such camera.
    """
    columns = (tables.ledger.c.outcome, tables.ledger.c.reason)
    statement = (
        select(*columns, func.count().label("row_count"))
        .where(
            tables.ledger.c.camera_id == camera_id(connection, camera),
            tables.ledger.c.sequence_number <= up_to,
        )
        .group_by(*columns)
    )
    counts: dict[Outcome, dict[str, int]] = {outcome: {} for outcome in Outcome}
    for row in connection.execute(statement):
        counts[Outcome(row.outcome)][row.reason or ""] = row.row_count
    return Account(
        accepted=up_to,
        inspected=sum(counts[Outcome.INSPECTED].values()),
        uninspected=counts[Outcome.UNINSPECTED],
        dropped=counts[Outcome.DROPPED],
    )


def doubled_numbers(connection: Connection, camera: str) -> list[int]:
    """Return the sequence numbers of the camera with more than one row: a broken promise.

    Raises:
        NotFoundError: there is no such camera.
    """
    number = tables.ledger.c.sequence_number
    statement = (
        select(number)
        .where(tables.ledger.c.camera_id == camera_id(connection, camera))
        .group_by(number)
        .having(func.count() > 1)
        .order_by(number)
    )
    return list(connection.scalars(statement))


def _locked_places(connection: Connection, names: set[str]) -> dict[str, _Place]:
    cameras, stations = tables.cameras, tables.stations
    statement = (
        select(cameras.c.name, cameras.c.id, stations.c.id.label("station_id"), stations.c.line_id)
        .join(stations, stations.c.id == cameras.c.station_id)
        .where(cameras.c.name.in_(sorted(names)))
        # In one order, so that two who record frames of the same cameras cannot block each other.
        .order_by(cameras.c.id)
        .with_for_update(key_share=True, of=cameras)
    )
    rows = connection.execute(statement)
    places = {row.name: (row.id, row.station_id, row.line_id) for row in rows}
    for name in sorted(names - places.keys()):
        raise unknown_camera(connection, name)
    return places


def _present(connection: Connection, keys: list[_Key]) -> list[_Key]:
    ledger = tables.ledger.c
    found: list[_Key] = []
    for start in range(0, len(keys), NUMBERS_PER_STATEMENT):
        numbers: dict[int, list[int]] = {}
        for camera, number in keys[start : start + NUMBERS_PER_STATEMENT]:
            numbers.setdefault(camera, []).append(number)
        # Camera by camera: given pairs, SQLite would read its whole index.
        asked = or_(
            *(
                and_(ledger.camera_id == camera, ledger.sequence_number.in_(of_camera))
                for camera, of_camera in numbers.items()
            )
        )
        statement = select(ledger.camera_id, ledger.sequence_number).where(asked)
        found += [(row.camera_id, row.sequence_number) for row in connection.execute(statement)]
    return found


def _insert_ledger(
    connection: Connection, fresh: dict[_Key, Entry], places: dict[str, _Place], *, at: datetime
) -> dict[int, Entry]:
    if not fresh:
        return {}
    ledger = tables.ledger.c
    statement = insert_new(
        connection, tables.ledger, "camera_id", "captured_at", "sequence_number"
    ).returning(ledger.id, ledger.camera_id, ledger.sequence_number)
    values = [_ledger_values(entry, places[entry.identity.camera], at) for entry in fresh.values()]
    rows = connection.execute(statement, values)
    return {row.id: fresh[row.camera_id, row.sequence_number] for row in rows}


def _ledger_values(entry: Entry, place: _Place, at: datetime) -> dict[str, Any]:
    frame = None if isinstance(entry, Dropped) else entry.frame
    picture = None if isinstance(entry, Dropped) else entry.picture
    outcome, reason, detail = _outcome_of(entry)
    camera, station, line = place
    return {
        "camera_id": camera,
        "captured_at": entry.identity.captured_at,
        "sequence_number": entry.identity.sequence_number,
        "outcome": outcome.value,
        "reason": reason,
        "detail": detail,
        "line_id": line,
        "station_id": station,
        "product": frame and frame.product,
        "part_serial": frame and frame.part_serial,
        "lot": frame and frame.lot,
        "trigger_id": frame and frame.trigger_id,
        "picture_sha256": picture and picture.sha256,
        "picture_media_type": picture and picture.media_type,
        "picture_size_bytes": picture and picture.size_bytes,
        "keep_class": evidence.class_of(entry),
        "picture_gone": None if isinstance(entry, Dropped) else entry.picture_gone,
        "recorded_at": at,
    }


def _outcome_of(entry: Entry) -> tuple[Outcome, str | None, str | None]:
    if isinstance(entry, Inspected):
        return Outcome.INSPECTED, None, None
    if isinstance(entry, Uninspected):
        return Outcome.UNINSPECTED, entry.reason.value, entry.detail
    return Outcome.DROPPED, entry.cause.value, None


def _insert_inspected(
    connection: Connection,
    inspected: dict[int, Inspected],
    places: dict[str, _Place],
    *,
    at: datetime,
) -> None:
    inspections, maps = [], []
    for ledger_id, entry in inspected.items():
        camera, _, line = places[entry.identity.camera]
        inspection, threshold = entry.inspection, entry.inspection.threshold
        taps, rows, columns = entry.anomaly_map.shape
        latency = at - entry.identity.captured_at
        inspections.append(
            {
                "ledger_id": ledger_id,
                "captured_at": entry.identity.captured_at,
                "line_id": line,
                "camera_id": camera,
                "product": inspection.product,
                "score": inspection.score,
                "verdict": inspection.verdict.value,
                "threshold_id": threshold and threshold.threshold_id,
                "threshold_value": threshold and threshold.value,
                "checkpoint_hash": inspection.checkpoint_hash,
                "reference_hash": inspection.reference_hash,
                "waited_ms": inspection.latencies.waited_ms,
                "inference_ms": inspection.latencies.inference_ms,
                "latency_ms": latency / timedelta(milliseconds=1),
            }
        )
        grid = {"taps": taps, "rows": rows, "columns": columns, "data": entry.anomaly_map.data}
        maps.append({"ledger_id": ledger_id, **grid})
    connection.execute(insert(tables.inspections), inspections)
    connection.execute(insert(tables.maps), maps)


def _insert_outbox(
    connection: Connection, added: dict[int, Entry], places: dict[str, _Place]
) -> None:
    rows = [
        {
            "ledger_id": ledger_id,
            "line_id": places[entry.identity.camera][2],
            "kind": kind.value,
            "captured_at": entry.identity.captured_at,
        }
        for ledger_id, entry in added.items()
        if (kind := _alert_kind(entry)) is not None
    ]
    if rows:
        connection.execute(insert(alert_outbox), rows)


def _alert_kind(entry: Entry) -> AlertKind | None:
    if isinstance(entry, Uninspected):
        return AlertKind.UNINSPECTED
    is_ng = isinstance(entry, Inspected) and entry.inspection.verdict is Verdict.NG
    return AlertKind.NG if is_ng else None

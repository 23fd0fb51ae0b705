"""The ledger: one row for every frame that was given an identity, whatever became of it."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select

from inspection.domain.alert import AlertKind
from inspection.domain.frame import milliseconds
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import (
    Account,
    Dropped,
    Entry,
    Inspected,
    Uninspected,
    outcome_of,
)
from inspection.store import (
    accounts,
    dead_letters,
    evidence,
    histograms,
    partitions,
    presence,
    tables,
)
from inspection.store.alert_tables import alert_outbox
from inspection.store.bulk import execute_many, insert_many
from inspection.store.cameras import camera_id, unknown_camera
from inspection.store.histograms import Scored, ScoreSource
from inspection.store.presence import Fresh, Key

_LEAVE_WORD: Final = insert(alert_outbox)
#: Row ids of a camera, its station and its line.
Place = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class RecordedCounts:
    """What one call has added to the ledger."""

    inspected_count: int = 0
    uninspected_count: int = 0
    dropped_count: int = 0
    #: Frames that had a row already; nothing of them was written.
    repeated_count: int = 0
    #: How each frame stands in the ledger now; None when it has a row of another outcome.
    standing: tuple[Entry | None, ...] = field(default=(), compare=False)


def record(connection: Connection, entries: Sequence[Entry], *, at: datetime) -> RecordedCounts:
    """Add the frames that have no row yet; repeating a call adds nothing.

    1. Lock the cameras, so that nobody else records frames of them before this transaction ends.
    2. Leave out frames that have a row, or had one that retention has removed.
    3. A frame whose number another exposure had before is uninspected: which of the two a part
       was, nobody could say afterwards.
    4. Insert the ledger's rows; then, for these, inspections, maps, dead letters and the alert
       worker's outbox; count them.

    Args:
        connection: inside a transaction of `Database.write`.
        entries: of any cameras; of two with the same identity the first counts.
        at: the time of recording.

    Raises:
        NotFoundError: there is no such camera; nothing was written.
    """
    places = _locked_places(connection, {entry.identity.camera for entry in entries})
    camera_ids = {name: place[0] for name, place in places.items()}
    fresh, standing = presence.fresh(connection, entries, camera_ids, at=at)
    added = _insert_ledger(connection, fresh, places, at=at)
    inspected = {ledger_id: e for ledger_id, e in added.items() if isinstance(e, Inspected)}
    uninspected = {ledger_id: e for ledger_id, e in added.items() if isinstance(e, Uninspected)}
    if inspected:
        insert_inspected(connection, inspected, places, at=at)
    dead_letters.add(connection, uninspected, camera_ids, at=at)
    insert_outbox(connection, added, places)
    _count(connection, fresh)
    evidence.add(connection, [(places[e.identity.camera][0], e) for e in added.values()])
    return RecordedCounts(
        inspected_count=len(inspected),
        uninspected_count=len(uninspected),
        dropped_count=sum(isinstance(entry, Dropped) for entry in added.values()),
        repeated_count=len(entries) - len(added),
        standing=standing,
    )


def known(connection: Connection, camera: str, sequence_numbers: Collection[int]) -> set[int]:
    """Return those of `sequence_numbers` of the camera that have a row, or had one.

    Raises:
        NotFoundError: there is no such camera.
    """
    return presence.known(connection, camera_id(connection, camera), sequence_numbers)


def last_sequence_number(connection: Connection, camera: str) -> int:
    """Return the highest sequence number of the camera that ever had a row, 0 when none had.

    Raises:
        NotFoundError: there is no such camera.
    """
    return accounts.counters(connection, camera_id(connection, camera)).last_sequence_number


def account_rows(connection: Connection, camera: str, *, up_to: int) -> Account:
    """Return what the rows of the camera add up to, by outcome and reason.

    Args:
        connection: of a `Database.read`, so that all counts are of one moment.
        camera: its name.
        up_to: highest sequence number that counts.

    Returns:
        An account with nothing in flight: add what capture and stream hold.

    Raises:
        NotFoundError: there is no such camera.
    """
    camera_key = camera_id(connection, camera)
    counters = accounts.counters(connection, camera_key)
    kinds = Counter(counters.recorded)
    if counters.last_sequence_number > up_to:
        kinds -= accounts.beyond(connection, camera_key, up_to)
    return accounts.account_of(kinds, up_to=up_to)


def doubled_numbers(connection: Connection, camera: str) -> list[int]:
    """Return the sequence numbers of the camera with more than one row: a broken promise.

    Rows whose number was given to two exposures, and that say so, do not count.

    Raises:
        NotFoundError: there is no such camera.
    """
    number = tables.ledger.c.sequence_number
    statement = (
        select(number)
        .where(
            tables.ledger.c.camera_id == camera_id(connection, camera),
            tables.ledger.c.is_repeated.is_(False),
        )
        .group_by(number)
        .having(func.count() > 1)
        .order_by(number)
    )
    return list(connection.scalars(statement))


def _locked_places(connection: Connection, names: set[str]) -> dict[str, Place]:
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


def _insert_ledger(
    connection: Connection, fresh: dict[Key, Fresh], places: dict[str, Place], *, at: datetime
) -> dict[int, Entry]:
    if not fresh:
        return {}
    partitions.ensure(connection, [one.entry.identity.captured_at for one in fresh.values()])
    values = [
        ledger_values(one.entry, places[one.entry.identity.camera], at)
        | {"is_repeated": one.is_repeated}
        for one in fresh.values()
    ]
    if connection.dialect.name == "postgresql":
        # Nobody else can have added them: their cameras are locked.
        ids = _new_ids(connection, len(fresh))
        insert_many(
            connection,
            tables.ledger,
            [row | {"id": id_} for id_, row in zip(ids, values, strict=True)],
        )
        return {id_: one.entry for id_, one in zip(ids, fresh.values(), strict=True)}
    ledger = tables.ledger.c
    statement = insert(tables.ledger).returning(
        ledger.id, ledger.camera_id, ledger.sequence_number, ledger.captured_at
    )
    return {
        row.id: fresh[row.camera_id, row.sequence_number, milliseconds(row.captured_at)].entry
        for row in connection.execute(statement, values)
    }


def _new_ids(connection: Connection, count: int) -> Sequence[int]:
    sequence = func.pg_get_serial_sequence(tables.ledger.name, tables.ledger.c.id.name)
    numbers = func.generate_series(1, count).table_valued("number")
    return connection.scalars(select(func.nextval(sequence)).select_from(numbers)).all()


def _count(connection: Connection, fresh: dict[Key, Fresh]) -> None:
    last: dict[int, int] = {}
    for camera, number, _ in fresh:
        last[camera] = max(number, last.get(camera, 0))
    kinds = Counter((camera, one.kind) for (camera, _, _), one in fresh.items())
    accounts.note_recorded(connection, kinds, last)


def ledger_values(entry: Entry, place: Place, at: datetime) -> dict[str, Any]:
    """Return the columns of an entry's row."""
    frame = None if isinstance(entry, Dropped) else entry.frame
    picture = None if isinstance(entry, Dropped) else entry.picture
    outcome, reason, detail = outcome_of(entry)
    keep_class = evidence.class_of(entry)
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
        "keep_class": None if keep_class is None else keep_class.value,
        "picture_gone": None if isinstance(entry, Dropped) else entry.picture_gone,
        "recorded_at": at,
    }


def insert_inspected(
    connection: Connection,
    inspected: dict[int, Inspected],
    places: dict[str, Place],
    *,
    at: datetime,
) -> None:
    """Insert inspections and maps of frames that were judged, by ledger id."""
    sources = {
        ledger_id: _source(entry, places[entry.identity.camera])
        for ledger_id, entry in inspected.items()
    }
    source_ids = histograms.source_ids(connection, sources.values())
    inspections, maps = [], []
    for ledger_id, entry in inspected.items():
        camera, station, line = places[entry.identity.camera]
        inspection, threshold = entry.inspection, entry.inspection.threshold
        value = None if threshold is None else threshold.value
        taps, rows, columns = entry.anomaly_map.shape
        latency = at - entry.identity.captured_at
        inspections.append(
            {
                "ledger_id": ledger_id,
                "captured_at": entry.identity.captured_at,
                "line_id": line,
                "station_id": station,
                "camera_id": camera,
                "product": inspection.product,
                "part_serial": entry.frame.part_serial,
                "lot": entry.frame.lot,
                "source_id": source_ids[sources[ledger_id]],
                "score": inspection.score,
                "verdict": inspection.verdict.value,
                "threshold_id": threshold and threshold.threshold_id,
                "threshold_value": value,
                "distance": None if value is None else abs(inspection.score - value),
                "checkpoint_hash": inspection.checkpoint_hash,
                "reference_hash": inspection.reference_hash,
                "judged_at": inspection.judged_at,
                "waited_ms": inspection.latencies.waited_ms,
                "inference_ms": inspection.latencies.inference_ms,
                "latency_ms": latency / timedelta(milliseconds=1),
            }
        )
        grid = {"taps": taps, "rows": rows, "columns": columns, "data": entry.anomaly_map.data}
        key = {"ledger_id": ledger_id, "captured_at": entry.identity.captured_at}
        maps.append(key | grid)
    insert_many(connection, tables.inspections, inspections)
    insert_many(connection, tables.maps, maps)
    histograms.add(
        connection,
        [
            Scored(
                source_id=source_ids[sources[ledger_id]],
                captured_at=entry.identity.captured_at,
                verdict=entry.inspection.verdict.value,
                score=entry.inspection.score,
            )
            for ledger_id, entry in inspected.items()
        ],
    )


def _source(entry: Inspected, place: Place) -> ScoreSource:
    camera, station, line = place
    threshold = entry.inspection.threshold
    judged_by_id = threshold.threshold_id if threshold else None
    return ScoreSource(
        line_id=line,
        station_id=station,
        camera_id=camera,
        product=entry.inspection.product,
        checkpoint_hash=entry.inspection.checkpoint_hash,
        reference_hash=entry.inspection.reference_hash,
        threshold_id=entry.inspection.decided_by_id or judged_by_id,
    )


def insert_outbox(
    connection: Connection, added: Mapping[int, Entry], places: dict[str, Place]
) -> None:
    """Leave word of what may concern people, by ledger id."""
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
        execute_many(connection, _LEAVE_WORD, rows)


def _alert_kind(entry: Entry) -> AlertKind | None:
    if isinstance(entry, Uninspected):
        return AlertKind.UNINSPECTED
    is_ng = isinstance(entry, Inspected) and entry.inspection.verdict is Verdict.NG
    return AlertKind.NG if is_ng else None

"""References: every version of every one, which of them is in force, and their files.

Nothing but `is_in_force` of a version ever changes. A new version is in force at once, in place of
the one before. Withdrawing leaves none in force, so that frames are scored without a reference
until another is built or an earlier version is restored.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from inspection.domain.reference import LineReference, ReferencePlace, ReferenceSource
from inspection.errors import CheckpointError, ConfigurationError, NotFoundError
from inspection.store import tables
from inspection.store.audit import Change, add_change
from inspection.store.engine import insert_new
from inspection.store.lines import line_id


@dataclass(frozen=True, kw_only=True)
class BuiltReference:
    """A reference that is not in the store yet."""

    place: ReferencePlace
    #: Its file.
    data: bytes
    #: SHA-256 of the checkpoint it was built with.
    checkpoint_hash: str
    #: Good pictures it is made of.
    images_count: int
    source: ReferenceSource
    #: Learning from the stream ends with it.
    is_final: bool = True


def add_reference(
    connection: Connection, built: BuiltReference, *, at: datetime, by: str, reason: str
) -> LineReference:
    """Add the next version of the reference of a place and put it in force.

    Raises:
        ConfigurationError: the product has no name.
        NotFoundError: there is no such line or station.
    """
    if not built.place.product.strip():
        raise ConfigurationError("the product of a reference needs a name")
    key = _locked_key(connection, built.place)
    version = select(func.max(tables.line_references.c.version)).filter_by(**key)
    row = key | {
        "version": (connection.scalar(version) or 0) + 1,
        "sha256": _kept_file(connection, built.data),
        "checkpoint_hash": built.checkpoint_hash,
        "images_count": built.images_count,
        "source": built.source.value,
        "is_final": built.is_final,
        "is_in_force": True,
        "made_at": at,
        "made_by": by,
        "reason": reason,
    }
    before = _put_out_of_force(connection, built.place, key)
    connection.execute(insert(tables.line_references).values(row))
    added = get_reference(connection, built.place, version=row["version"])
    after = _brief(added) | {"images_count": added.images_count, "source": added.source.value}
    _audit(connection, "created", added.place, at=at, by=by, values=(before, after, reason))
    return added


def withdraw_reference(
    connection: Connection, place: ReferencePlace, *, at: datetime, by: str, reason: str
) -> LineReference:
    """Put the reference of a place out of force; frames are scored without one.

    Raises:
        NotFoundError: none is in force there, or there is no such line or station.
    """
    key = _locked_key(connection, place)
    withdrawn = get_reference(connection, place)
    before = _put_out_of_force(connection, place, key)
    _audit(connection, "withdrawn", place, at=at, by=by, values=(before, None, reason))
    return get_reference(connection, place, version=withdrawn.version)


def restore_reference(
    connection: Connection,
    place: ReferencePlace,
    version: int,
    *,
    at: datetime,
    by: str,
    reason: str,
) -> LineReference:
    """Put an earlier version of the reference of a place in force again.

    Raises:
        NotFoundError: there is no such version, line or station.
    """
    key = _locked_key(connection, place)
    get_reference(connection, place, version=version)
    before = _put_out_of_force(connection, place, key)
    restored = update(tables.line_references).filter_by(**key, version=version)
    connection.execute(restored.values(is_in_force=True))
    found = get_reference(connection, place)
    _audit(connection, "restored", place, at=at, by=by, values=(before, _brief(found), reason))
    return found


def list_references(
    connection: Connection, *, line: str | None = None, is_in_force: bool = False
) -> list[LineReference]:
    """Return the references by line, station and product, the newest version of each first.

    Args:
        connection: an open transaction.
        line: only of this line.
        is_in_force: only those in force.

    Raises:
        NotFoundError: there is no such line.
    """
    statement = _selected()
    if line is not None:
        statement = statement.where(tables.lines.c.id == line_id(connection, line))
    if is_in_force:
        statement = statement.where(tables.line_references.c.is_in_force)
    row = tables.line_references.c
    order = (tables.lines.c.name, tables.stations.c.name, row.product, row.version.desc())
    return [_reference(found) for found in connection.execute(statement.order_by(*order))]


def get_reference(
    connection: Connection, place: ReferencePlace, *, version: int | None = None
) -> LineReference:
    """Return a version of the reference of a place; None for the one in force.

    Raises:
        NotFoundError: there is none.
    """
    row = tables.line_references.c
    statement = _selected().where(
        tables.lines.c.name == place.line,
        tables.stations.c.name == place.station,
        row.product == place.product,
        row.is_in_force if version is None else row.version == version,
    )
    found = connection.execute(statement).first()
    if found is None:
        which = "reference in force" if version is None else f"version {version} of the reference"
        raise NotFoundError(f"{reference_name(place)}: there is no {which}")
    return _reference(found)


def reference_file(connection: Connection, content_hash: str) -> bytes:
    """Return the file of a reference.

    Raises:
        NotFoundError: it is not there.
        CheckpointError: what is there is damaged.
    """
    data = connection.scalar(
        select(tables.reference_files.c.data).where(tables.reference_files.c.sha256 == content_hash)
    )
    if data is None:
        raise NotFoundError(f"the reference {content_hash} is not in the store; build it anew")
    if hashlib.sha256(data).hexdigest() != content_hash:
        raise CheckpointError(f"the stored reference {content_hash} is damaged; build it anew")
    return bytes(data)


def reference_name(place: ReferencePlace) -> str:
    """Return which reference it is as people write it: `line=A station=top product=washer`."""
    return f"line={place.line} station={place.station} product={place.product}"


def _locked_key(connection: Connection, place: ReferencePlace) -> dict[str, Any]:
    """Return what the rows of a place have in common; others who change them take turns."""
    lines, stations = tables.lines, tables.stations
    line = line_id(connection, place.line)
    connection.execute(select(lines.c.id).where(lines.c.id == line).with_for_update())
    rows = connection.execute(
        select(stations.c.name, stations.c.id).where(stations.c.line_id == line)
    )
    ids = {row.name: row.id for row in rows}
    if place.station not in ids:
        known = ", ".join(sorted(ids)) or "none"
        raise NotFoundError(
            f"line {place.line!r} has no station {place.station!r}; it has: {known}"
        )
    return {"station_id": ids[place.station], "product": place.product}


def _kept_file(connection: Connection, data: bytes) -> str:
    """Keep a file and return its hash; one that is there is written anew: it may be damaged."""
    files, content_hash = tables.reference_files, hashlib.sha256(data).hexdigest()
    again = update(files).where(files.c.sha256 == content_hash).values(data=data)
    if connection.execute(again).rowcount == 0:
        new = insert_new(connection, files, "sha256").values(sha256=content_hash, data=data)
        connection.execute(new)
    return content_hash


def _put_out_of_force(
    connection: Connection, place: ReferencePlace, key: dict[str, Any]
) -> dict[str, Any] | None:
    """Leave none in force, and return which one was."""
    try:
        before = _brief(get_reference(connection, place))
    except NotFoundError:
        return None
    connection.execute(update(tables.line_references).filter_by(**key).values(is_in_force=False))
    return before


def _brief(reference: LineReference) -> dict[str, Any]:
    return {"version": reference.version, "content_hash": reference.content_hash}


def _audit(
    connection: Connection,
    action: str,
    place: ReferencePlace,
    *,
    at: datetime,
    by: str,
    values: tuple[dict[str, Any] | None, dict[str, Any] | None, str],
) -> None:
    before, after, reason = values
    change = Change(
        at=at,
        who=by,
        action=action,
        thing="reference",
        name=reference_name(place),
        before=before,
        after=(after or {"version": None}) | {"reason": reason},
    )
    add_change(connection, change)


def _selected() -> Select[*tuple[Any, ...]]:
    return (
        select(
            tables.line_references,
            tables.stations.c.name.label("station"),
            tables.lines.c.name.label("line"),
        )
        .join(tables.stations, tables.stations.c.id == tables.line_references.c.station_id)
        .join(tables.lines, tables.lines.c.id == tables.stations.c.line_id)
    )


def _reference(row: Row[*tuple[Any, ...]]) -> LineReference:
    return LineReference(
        line=row.line,
        product=row.product,
        station=row.station,
        version=row.version,
        content_hash=row.sha256,
        checkpoint_hash=row.checkpoint_hash,
        images_count=row.images_count,
        source=ReferenceSource(row.source),
        is_final=row.is_final,
        is_in_force=row.is_in_force,
        made_at=row.made_at,
        made_by=row.made_by,
        reason=row.reason,
    )

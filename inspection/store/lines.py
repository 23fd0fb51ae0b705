"""Lines with what stands on them and what they are making."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update
from sqlalchemy.exc import IntegrityError

from inspection.domain.line import Line, PicturePolicy, checked_name
from inspection.domain.rule import Rule
from inspection.domain.site import Site
from inspection.errors import ConfigurationError, ConflictError, NotFoundError
from inspection.store import alert_tables, cameras, channels, tables
from inspection.store.audit import Change, add_change
from inspection.store.cameras import get_camera, list_cameras
from inspection.store.channels import channels_of, list_channels
from inspection.store.engine import insert_new
from inspection.store.products import Product, insert_product
from inspection.store.rules import insert_rules, rules_by_line

__all__ = [
    "add_line",
    "channels_of",
    "create_missing",
    "get_camera",
    "get_line",
    "line_id",
    "list_cameras",
    "list_channels",
    "list_lines",
    "make",
]


def create_missing(connection: Connection, site: Site, *, at: datetime, by: str) -> None:
    """Create the lines, cameras and channels of `site` that are not there yet.

    What the database holds under the same name stays as it is.
    """
    for line in site.lines:
        _insert_line(connection, line, at=at, by=by)
    ids = _line_ids(connection)
    for camera in site.cameras:
        if cameras.insert_camera(connection, camera, line_id=ids[camera.line]):
            values = cameras.public_values(camera)
            _created(connection, "camera", camera.name, values, at=at, by=by)
            _insert_product(connection, camera.product, line=camera.line, at=at, by=by)
    for channel in site.channels:
        if channels.insert_channel(connection, channel):
            values = channels.public_values(channel)
            _created(connection, "channel", channel.name, values, at=at, by=by)


def add_line(connection: Connection, line: Line, *, at: datetime, by: str) -> None:
    """Create `line`.

    Raises:
        ConfigurationError: there is a line of this name, or the name cannot be used.
    """
    checked_name(line.name, thing="line")
    if not _insert_line(connection, line, at=at, by=by):
        raise ConfigurationError(f"there is a line {line.name!r} already; take another name")


def list_lines(connection: Connection) -> list[Line]:
    """Return all lines, by name."""
    statement = select(tables.lines).order_by(tables.lines.c.name)
    rules = rules_by_line(connection)
    return [_line(row, rules.get(row.id, ())) for row in connection.execute(statement)]


def get_line(connection: Connection, name: str) -> Line:
    """Return the line called `name`.

    Raises:
        NotFoundError: there is none; the message names those there are.
    """
    row = connection.execute(select(tables.lines).where(tables.lines.c.name == name)).first()
    if row is None:
        raise _unknown_line(connection, name)
    return _line(row, rules_by_line(connection, row.id).get(row.id, ()))


def line_id(connection: Connection, name: str) -> int:
    """Return the id of the row of the line called `name`.

    Raises:
        NotFoundError: there is none; the message names those there are.
    """
    found = connection.scalar(select(tables.lines.c.id).where(tables.lines.c.name == name))
    if found is None:
        raise _unknown_line(connection, name)
    return int(found)


def make(connection: Connection, line: str, product: str, *, at: datetime, by: str) -> Line:
    """Change `line` over to making `product`, which is created when it is new.

    Raises:
        NotFoundError: there is no such line; the message names those there are.
        ConfigurationError: the product has no name.
    """
    if not product.strip():
        raise ConfigurationError("a product needs a name, for example: washer-m12")
    statement = select(tables.lines).where(tables.lines.c.name == line).with_for_update()
    row = connection.execute(statement).first()
    if row is None:
        raise _unknown_line(connection, line)
    if row.product != product:
        _insert_product(connection, product, line=line, at=at, by=by)
        statement_of_change = update(tables.lines).where(tables.lines.c.id == row.id)
        connection.execute(statement_of_change.values(product=product))
        change = Change(
            at=at,
            who=by,
            action="changed",
            thing="line",
            name=line,
            before={"product": row.product},
            after={"product": product},
        )
        add_change(connection, change)
    return get_line(connection, line)


def lock_line(connection: Connection, name: str) -> Line:
    """Return a line that nobody else changes until this transaction ends.

    Raises:
        NotFoundError: there is none; the message names those there are.
    """
    of_line = tables.lines.c.name == name
    connection.execute(select(tables.lines.c.id).where(of_line).with_for_update())
    return get_line(connection, name)


def change_line(
    connection: Connection, before: Line, after: Line, *, at: datetime, by: str
) -> None:
    """Change what a line makes, which pictures it keeps and how much it learns.

    Args:
        connection: transaction in which `before` was locked.
        before: as it is.
        after: as it shall be; its name and rules count for nothing.
        at: now.
        by: who changes it.
    """
    old, new = _columns(before), _columns(after)
    differing = [key for key in new if old[key] != new[key]]
    if not differing:
        return
    _insert_product(connection, after.product, line=before.name, at=at, by=by)
    statement = update(tables.lines).where(tables.lines.c.name == before.name)
    connection.execute(statement.values(new))
    change = Change(
        at=at,
        who=by,
        action="changed",
        thing="line",
        name=before.name,
        before={key: old[key] for key in differing},
        after={key: new[key] for key in differing},
    )
    add_change(connection, change)


def remove_line(connection: Connection, name: str, *, at: datetime, by: str) -> None:
    """Remove a line that has nothing but rules and empty stations.

    Raises:
        NotFoundError: there is none; the message names those there are.
        ConflictError: it has cameras, thresholds, recipes, alerts or a history.
    """
    before = _shown(lock_line(connection, name))
    found = line_id(connection, name)
    try:
        for table in (alert_tables.rules, tables.stations):
            connection.execute(delete(table).where(table.c.line_id == found))
        connection.execute(
            update(tables.products).where(tables.products.c.line_id == found).values(line_id=None)
        )
        connection.execute(delete(tables.lines).where(tables.lines.c.id == found))
    except IntegrityError as error:
        raise ConflictError(
            f"line {name!r} has cameras, thresholds, recipes, alerts or a history: it stays, so "
            "that this can be understood"
        ) from error
    change = Change(at=at, who=by, action="removed", thing="line", name=name, before=before)
    add_change(connection, change)


def _insert_line(connection: Connection, line: Line, *, at: datetime, by: str) -> bool:
    values = _columns(line) | {"name": line.name}
    statement = insert_new(connection, tables.lines, "name").values(values)
    line_id = connection.scalar(statement.returning(tables.lines.c.id))
    if line_id is None:
        return False
    insert_rules(connection, line_id, line.rules)
    _created(connection, "line", line.name, _shown(line), at=at, by=by)
    _insert_product(connection, line.product, line=line.name, at=at, by=by)
    return True


def _insert_product(
    connection: Connection, product: str | None, *, line: str, at: datetime, by: str
) -> None:
    if product is not None:
        of_line = line_id(connection, line)
        named = Product(name=product, line=line)
        insert_product(connection, named, line_id=of_line, at=at, by=by)


def _created(
    connection: Connection, thing: str, name: str, values: dict[str, Any], *, at: datetime, by: str
) -> None:
    change = Change(at=at, who=by, action="created", thing=thing, name=name, after=values)
    add_change(connection, change)


def _line_ids(connection: Connection) -> dict[str, int]:
    rows = connection.execute(select(tables.lines.c.name, tables.lines.c.id))
    return {row.name: row.id for row in rows}


def _unknown_line(connection: Connection, name: str) -> NotFoundError:
    known = connection.scalars(select(tables.lines.c.name).order_by(tables.lines.c.name))
    return NotFoundError(f"there is no line {name!r}; there are: {', '.join(known) or 'none'}")


def _shown(line: Line) -> dict[str, Any]:
    rules = {
        rule.name: {"kind": rule.kind.value, "is_enabled": rule.is_enabled} | rule.settings
        for rule in line.rules
    }
    return asdict(line) | {"rules": rules}


def _columns(line: Line) -> dict[str, Any]:
    return {
        "product": line.product,
        "pictures": line.pictures.value,
        "sample_rate": line.sample_rate,
        "learn_count": line.learn_count,
    }


def _line(row: Row[*tuple[Any, ...]], rules: Sequence[Rule]) -> Line:
    return Line(
        name=row.name,
        product=row.product,
        rules=tuple(rules),
        pictures=PicturePolicy(row.pictures),
        sample_rate=row.sample_rate,
        learn_count=row.learn_count,
    )

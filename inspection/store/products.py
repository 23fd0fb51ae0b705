"""Products: what lines make, by the name that frames and thresholds use."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, exists, or_, select

from inspection.errors import ConflictError, NotFoundError
from inspection.store import score_tables, tables
from inspection.store.audit import Change, add_change
from inspection.store.engine import insert_new


@dataclass(frozen=True, kw_only=True)
class Product:
    """A type of thing made."""

    name: str
    #: That made it first; None: nobody knows.
    line: str | None = None


def list_products(connection: Connection) -> list[Product]:
    """Return all products, by name."""
    rows = connection.execute(_selected().order_by(tables.products.c.name))
    return [_product(row) for row in rows]


def get_product(connection: Connection, name: str) -> Product:
    """Return the product called `name`.

    Raises:
        NotFoundError: there is none.
    """
    row = connection.execute(_selected().where(tables.products.c.name == name)).first()
    if row is None:
        raise NotFoundError(f"there is no product {name!r}")
    return _product(row)


def insert_product(
    connection: Connection, product: Product, *, line_id: int | None, at: datetime, by: str
) -> bool:
    """Create a product; say whether it is new."""
    values = {"name": product.name, "line_id": line_id}
    statement = insert_new(connection, tables.products, "name").values(values)
    if connection.scalar(statement.returning(tables.products.c.id)) is None:
        return False
    change = Change(
        at=at,
        who=by,
        action="created",
        thing="product",
        name=product.name,
        after={"line": product.line},
    )
    add_change(connection, change)
    return True


def remove_product(connection: Connection, name: str, *, at: datetime, by: str) -> None:
    """Remove a product that nothing names.

    Raises:
        NotFoundError: there is none.
        ConflictError: a line or camera shows it, or it has a threshold, recipe or inspections.
    """
    product = get_product(connection, name)
    naming = (tables.lines, tables.cameras, tables.thresholds, tables.recipes)
    named = [exists().where(table.c.product == name) for table in naming]
    named.append(exists().where(score_tables.score_sources.c.product == name))
    if connection.scalar(select(or_(*named))):
        raise ConflictError(
            f"product {name!r} is made or shown now, or has thresholds, recipes or inspections: "
            "it stays, so that these can be understood"
        )
    connection.execute(delete(tables.products).where(tables.products.c.name == name))
    before = {"line": product.line}
    change = Change(at=at, who=by, action="removed", thing="product", name=name, before=before)
    add_change(connection, change)


def _selected() -> Select[*tuple[Any, ...]]:
    return select(tables.products.c.name, tables.lines.c.name.label("line")).join(
        tables.lines, tables.lines.c.id == tables.products.c.line_id, isouter=True
    )


def _product(row: Row[*tuple[Any, ...]]) -> Product:
    return Product(name=row.name, line=row.line)

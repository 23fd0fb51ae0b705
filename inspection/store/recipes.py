"""Recipes: every version of every one, never changed once set.

An inspection does not say which version it was scored with; that follows from its time. An
inspector gave the frame its recipe at `captured_at` + `waited_ms`, and knew versions that had been
set two seconds before.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from inspection.domain.recipe import LineRecipe, Recipe, checked_defects
from inspection.errors import ConfigurationError
from inspection.store import tables
from inspection.store.audit import Change, add_change
from inspection.store.lines import line_id


def set_recipe(
    connection: Connection, line: str, recipe: Recipe, *, at: datetime, by: str, reason: str
) -> LineRecipe:
    """Add the next version of the recipe of `line` for a product; without defects it withdraws it.

    Raises:
        ConfigurationError: the product has no name, or a defect cannot be used.
        NotFoundError: there is no such line.
    """
    if not recipe.product.strip():
        raise ConfigurationError("the product of a recipe needs a name")
    recipe = Recipe(product=recipe.product, defects=checked_defects(recipe.defects))
    of_recipe = {"line_id": line_id(connection, line), "product": recipe.product}
    # Two who set the same recipe at the same time take turns, so that both get a version.
    connection.execute(
        select(tables.lines.c.id).where(tables.lines.c.id == of_recipe["line_id"]).with_for_update()
    )
    newest = connection.execute(
        select(tables.recipes.c.version, tables.recipes.c.defects)
        .filter_by(**of_recipe)
        .order_by(tables.recipes.c.version.desc())
        .limit(1)
    ).first()
    version = 1 if newest is None else newest.version + 1
    values = {"version": version, "defects": list(recipe.defects)}
    row = of_recipe | values | {"set_at": at, "set_by": by, "reason": reason}
    connection.execute(insert(tables.recipes).values(row))
    change = Change(
        at=at,
        who=by,
        action="set",
        thing="recipe",
        name=recipe_name(line, recipe.product),
        before=None if newest is None else {"version": newest.version, "defects": newest.defects},
        after=values | {"reason": reason},
    )
    add_change(connection, change)
    return LineRecipe(
        line=line, recipe=recipe, version=version, set_at=at, set_by=by, reason=reason
    )


def list_recipes(connection: Connection, *, line: str | None = None) -> list[LineRecipe]:
    """Return the newest version of every recipe, withdrawn ones as well, by line and product.

    Raises:
        NotFoundError: there is no such line.
    """
    recipes = tables.recipes
    newest = select(recipes.c.line_id, recipes.c.product, func.max(recipes.c.version).label("v"))
    if line is not None:
        newest = newest.where(recipes.c.line_id == line_id(connection, line))
    newest_of_each = newest.group_by(recipes.c.line_id, recipes.c.product).subquery()
    statement = (
        select(recipes, tables.lines.c.name.label("line"))
        .join(tables.lines, tables.lines.c.id == recipes.c.line_id)
        .join(
            newest_of_each,
            (newest_of_each.c.line_id == recipes.c.line_id)
            & (newest_of_each.c.product == recipes.c.product)
            & (newest_of_each.c.v == recipes.c.version),
        )
        .order_by(tables.lines.c.name, recipes.c.product)
    )
    return [_recipe(row) for row in connection.execute(statement)]


def list_versions(connection: Connection, line: str, product: str) -> list[LineRecipe]:
    """Return every version of a recipe, the newest first; none: it was never set.

    Raises:
        NotFoundError: there is no such line.
    """
    statement = (
        select(tables.recipes, tables.lines.c.name.label("line"))
        .join(tables.lines, tables.lines.c.id == tables.recipes.c.line_id)
        .where(
            tables.recipes.c.line_id == line_id(connection, line),
            tables.recipes.c.product == product,
        )
        .order_by(tables.recipes.c.version.desc())
    )
    return [_recipe(row) for row in connection.execute(statement)]


def recipe_name(line: str, product: str) -> str:
    """Return which recipe it is as people write it: `line=A product=washer`."""
    return f"line={line} product={product}"


def _recipe(row: Row[*tuple[Any, ...]]) -> LineRecipe:
    return LineRecipe(
        line=row.line,
        recipe=Recipe(product=row.product, defects=tuple(row.defects)),
        version=row.version,
        set_at=row.set_at,
        set_by=row.set_by,
        reason=row.reason,
    )

"""Recipes: what the detector is told of a product's defects; every version is kept."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from sqlalchemy import Connection

from inspection.api import etag
from inspection.api.etag import IfMatch
from inspection.api.gate import Permitted
from inspection.api.idempotency import Once
from inspection.api.installation import Given
from inspection.api.moment import Moment
from inspection.api.page import Cursor, Limit, Page, page_of
from inspection.api.shapes import Body, View
from inspection.api.text import Label, Name, Reason
from inspection.domain.access import Permission, Principal
from inspection.domain.recipe import DEFECT_LENGTH, DEFECTS_LIMIT, LineRecipe, Recipe
from inspection.errors import NotFoundError
from inspection.store import lines, recipes

router = APIRouter(tags=["recipes"], route_class=Once)

_Reader = Annotated[Principal, Depends(Permitted(Permission.READ))]
_Engineer = Annotated[Principal, Depends(Permitted(Permission.CONFIGURE))]

#: A phrase that follows the product's name, with a letter or digit in it.
_DEFECT = r"^[^\x00-\x1f\x7f]*[A-Za-z0-9][^\x00-\x1f\x7f]*$"
Defect = Annotated[str, Field(min_length=1, max_length=DEFECT_LENGTH, pattern=_DEFECT)]


class RecipeView(View):
    """One version of a recipe; without defects it is withdrawn."""

    line: str = Field(examples=["boards"])
    product: str = Field(examples=["circuit board"])
    version: int = Field(examples=[2])
    defects: list[str] = Field(examples=[["with a missing screw"]])
    set_at: Moment
    set_by: str = Field(examples=["anna"])
    reason: str = Field(examples=["screws went missing last week"])

    @classmethod
    def of(cls, told: LineRecipe) -> Self:
        """Return the version as it is shown."""
        return cls(
            line=told.line,
            product=told.recipe.product,
            version=told.version,
            defects=list(told.recipe.defects),
            set_at=told.set_at,
            set_by=told.set_by,
            reason=told.reason,
        )


class RecipeBody(Body):
    """The next version of a recipe."""

    defects: list[Defect] = Field(
        min_length=1, max_length=DEFECTS_LIMIT, examples=[["with a missing screw"]]
    )
    reason: Reason


@router.get("/lines/{line}/recipes", operation_id="list_recipes")
def list_(
    given: Given, _caller: _Reader, line: Name, *, limit: Limit = 100, cursor: Cursor = None
) -> Page[RecipeView]:
    """List the newest version of each recipe of a line, by product."""
    with given.database.read() as connection:
        views = [RecipeView.of(one) for one in recipes.list_recipes(connection, line=line)]
    return page_of(views, key=lambda view: view.product, cursor=cursor, limit=limit)


@router.get("/lines/{line}/recipe-versions", operation_id="list_recipe_versions")
def versions(
    given: Given,
    _caller: _Reader,
    line: Name,
    product: Annotated[Label, Query()],
    *,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[RecipeView]:
    """List every version of a recipe, the oldest first."""
    with given.database.read() as connection:
        found = recipes.list_versions(connection, line, product)
    views = [RecipeView.of(one) for one in found]
    return page_of(views, key=lambda view: f"{view.version:010}", cursor=cursor, limit=limit)


@router.get("/lines/{line}/recipes/{product:path}", operation_id="get_recipe")
def get(
    given: Given, _caller: _Reader, line: Name, product: Label, response: Response
) -> RecipeView:
    """Show the newest version of one recipe."""
    with given.database.read() as connection:
        view = _newest(connection, line, product)
    if view is None:
        raise NotFoundError(f"line {line!r} has no recipe for {product!r}")
    etag.tag(response, view)
    return view


@router.put(
    "/lines/{line}/recipes/{product:path}",
    operation_id="set_recipe",
    responses=etag.PRECONDITIONS,
)
def set_(  # noqa: PLR0913, PLR0917 - each is a part of the request
    given: Given,
    caller: _Engineer,
    line: Name,
    product: Label,
    body: RecipeBody,
    response: Response,
    if_match: IfMatch = None,
) -> RecipeView:
    """Set the next version of a recipe; inspectors use it two seconds later at the latest.

    Only the first version needs no `If-Match`. Other defects mean other scores: look at the
    threshold as well.
    """
    recipe = Recipe(product=product, defects=tuple(body.defects))
    view = _set(given, caller, line, recipe, body.reason, if_match)
    etag.tag(response, view)
    return view


@router.delete(
    "/lines/{line}/recipes/{product:path}",
    operation_id="withdraw_recipe",
    responses=etag.PRECONDITIONS,
)
def withdraw(
    given: Given,
    caller: _Engineer,
    line: Name,
    product: Label,
    reason: Annotated[Reason, Query()],
    if_match: IfMatch = None,
) -> RecipeView:
    """Withdraw a recipe: the detector is told the product's name alone; versions are kept."""
    with given.database.read() as connection:
        if _newest(connection, line, product) is None:
            raise NotFoundError(f"line {line!r} has no recipe for {product!r}")
    return _set(given, caller, line, Recipe(product=product), reason, if_match)


def _set(
    given: Given,
    caller: Principal,
    line: str,
    recipe: Recipe,
    reason: str,
    if_match: str | None,
) -> RecipeView:
    with given.database.write() as connection:
        lines.lock_line(connection, line)
        before = _newest(connection, line, recipe.product)
        if before is not None:
            etag.check(if_match, before)
        told = recipes.set_recipe(
            connection, line, recipe, at=given.clock(), by=caller.name, reason=reason
        )
    return RecipeView.of(told)


def _newest(connection: Connection, line: str, product: str) -> RecipeView | None:
    found = recipes.list_versions(connection, line, product)
    return RecipeView.of(found[0]) if found else None

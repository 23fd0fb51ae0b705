"""Products: what lines make."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from inspection.api import problems
from inspection.api.gate import Permitted
from inspection.api.idempotency import Once
from inspection.api.installation import Given
from inspection.api.page import Cursor, Limit, Page, page_of
from inspection.api.shapes import Body, View
from inspection.api.text import Label, Name
from inspection.domain.access import Permission, Principal
from inspection.errors import ConflictError
from inspection.store import lines, products
from inspection.store.products import Product

router = APIRouter(tags=["products"], route_class=Once)

_Reader = Annotated[Principal, Depends(Permitted(Permission.READ))]
_Engineer = Annotated[Principal, Depends(Permitted(Permission.CONFIGURE))]


class ProductView(View):
    """A type of thing made."""

    product: str = Field(examples=["metal washer"])
    line: str | None = Field(description="that made it first", examples=["washers"])


class ProductBody(Body):
    """A new product; frames and lines that name one create it as well."""

    product: Label
    line: Name | None = None


@router.get("/products", operation_id="list_products")
def list_(
    given: Given, _caller: _Reader, *, limit: Limit = 100, cursor: Cursor = None
) -> Page[ProductView]:
    """List the products, by name."""
    with given.database.read() as connection:
        found = products.list_products(connection)
    views = [ProductView(product=one.name, line=one.line) for one in found]
    return page_of(views, key=lambda view: view.product, cursor=cursor, limit=limit)


@router.post(
    "/products",
    operation_id="create_product",
    status_code=201,
    responses=problems.declared(404, 409),
)
def create(given: Given, caller: _Engineer, body: ProductBody, response: Response) -> ProductView:
    """Create a product."""
    product = Product(name=body.product, line=body.line)
    with given.database.write() as connection:
        of_line = None if body.line is None else lines.line_id(connection, body.line)
        is_new = products.insert_product(
            connection, product, line_id=of_line, at=given.clock(), by=caller.name
        )
    if not is_new:
        raise ConflictError(f"there is a product {body.product!r} already")
    response.headers["Location"] = f"/api/v1/products/{quote(body.product)}"
    return ProductView(product=body.product, line=body.line)


@router.get("/products/{product:path}", operation_id="get_product")
def get(given: Given, _caller: _Reader, product: Label) -> ProductView:
    """Show one product."""
    with given.database.read() as connection:
        found = products.get_product(connection, product)
    return ProductView(product=found.name, line=found.line)


@router.delete(
    "/products/{product:path}",
    operation_id="remove_product",
    status_code=204,
    responses=problems.declared(409),
)
def remove(given: Given, caller: _Engineer, product: Label) -> None:
    """Remove a product that no line, camera, threshold, recipe and inspection names."""
    with given.database.write() as connection:
        products.remove_product(connection, product, at=given.clock(), by=caller.name)

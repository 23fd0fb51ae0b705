"""Keys of programs and wall screens, for administrators."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field

from inspection.api.gate import Permitted
from inspection.api.installation import Given
from inspection.api.moment import Moment
from inspection.api.page import Cursor, Limit, Page, page_of
from inspection.api.problems import declared
from inspection.api.shapes import Body, View
from inspection.api.text import Name
from inspection.domain.access import Permission, Principal
from inspection.domain.key import Key, KeyKind, KeyWish
from inspection.store import keys, links

router = APIRouter(tags=["keys"])

Administrator = Annotated[Principal, Depends(Permitted(Permission.ADMINISTER))]
#: In a path.
NamedKey = Annotated[Name, Path(examples=["gateway-7"])]


class KeyBody(Body):
    """A key to be made."""

    name: Name = Field(examples=["gateway-7"])
    kind: KeyKind = Field(
        default=KeyKind.KEY, description="`kiosk`: of a wall screen, which may only look"
    )
    scopes: list[Permission] = Field(min_length=1, max_length=len(Permission), examples=[["push"]])
    cameras: list[Name] | None = Field(
        default=None,
        max_length=1000,
        description="of a key whose one scope is push: cameras whose frames it may push",
        examples=[["cam-1"]],
    )
    expires_at: Moment | None = Field(default=None, description="null: it does not end by itself")


class KeyView(View):
    """A key, without what opens."""

    name: str = Field(examples=["gateway-7"])
    kind: KeyKind
    prefix: str = Field(description="how its text begins", examples=["key_1f0c9a7e"])
    scopes: list[Permission]
    cameras: list[str] | None
    created_at: Moment
    created_by: str
    expires_at: Moment | None
    last_used_at: Moment | None = Field(description="to the minute")
    revoked_at: Moment | None


class NewKeyView(KeyView):
    """A new key, with what opens: shown this once."""

    key: str = Field(description="send it as `Authorization: Bearer …`")


class LinkView(View):
    """A link that signs one wall screen in, once, within a quarter of an hour."""

    link: str = Field(examples=["https://inspection.example/api/v1/sign-in?link=link_…"])
    expires_at: Moment


@router.get("/keys", operation_id="list_keys", responses=declared(400))
def list_keys(
    _caller: Administrator,
    given: Given,
    has_revoked: Annotated[bool, Query(description="those that were revoked, too")] = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[KeyView]:
    """List the keys, by name."""
    with given.database.read() as connection:
        found = keys.list_keys(connection, has_revoked=has_revoked)
    views = [KeyView(**_values(key)) for key in found]
    return page_of(views, key=lambda key: f"{key.name}/{key.prefix}", cursor=cursor, limit=limit)


@router.post(
    "/keys",
    operation_id="add_key",
    status_code=HTTPStatus.CREATED,
    responses=declared(404, 409),
)
def add_key(body: KeyBody, caller: Administrator, given: Given) -> NewKeyView:
    """Make a key. What opens is in this answer and nowhere else.

    Nobody gives a key more than they may themselves.
    """
    caller.check_grant(frozenset(body.scopes))
    wish = KeyWish(
        name=body.name,
        kind=body.kind,
        scopes=frozenset(body.scopes),
        cameras=None if body.cameras is None else frozenset(body.cameras),
        expires_at=body.expires_at,
    )
    with given.database.write() as connection:
        key, token = keys.add_key(connection, wish, at=given.clock(), by=caller.name)
    return NewKeyView(**_values(key), key=token.text)


@router.get("/keys/{key}", operation_id="get_key", responses=declared(404))
def get_key(key: NamedKey, _caller: Administrator, given: Given) -> KeyView:
    """Show a key that is not revoked."""
    with given.database.read() as connection:
        return KeyView(**_values(keys.get_key(connection, key)))


@router.delete("/keys/{key}", operation_id="revoke_key", responses=declared(404))
def revoke_key(key: NamedKey, caller: Administrator, given: Given) -> KeyView:
    """Revoke a key: it opens nothing from now on; its screens are signed out."""
    with given.database.write() as connection:
        revoked = keys.revoke_key(connection, key, at=given.clock(), by=caller.name)
    return KeyView(**_values(revoked))


@router.post(
    "/keys/{key}/link",
    operation_id="link_kiosk",
    status_code=HTTPStatus.CREATED,
    responses=declared(404, 409),
)
def link_kiosk(key: NamedKey, request: Request, caller: Administrator, given: Given) -> LinkView:
    """Make a link that signs a wall screen in once, so that its key is in no address and no log."""
    at = given.clock()
    with given.database.write() as connection:
        caller.check_grant(keys.get_key(connection, key).scopes)
        token = links.link_to_kiosk(connection, key, at=at, by=caller.name)
    return LinkView(
        link=links.address_of(f"{request.url.scheme}://{request.url.netloc}", token),
        expires_at=at + links.LIFETIME,
    )


def _values(key: Key) -> dict[str, Any]:
    return {
        "name": key.name,
        "kind": key.kind,
        "prefix": key.prefix,
        "scopes": sorted(key.scopes),
        "cameras": None if key.cameras is None else sorted(key.cameras),
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }

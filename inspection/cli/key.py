"""`inspection key`: what programs and wall screens show instead of signing in."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from inspection.cli import context, output
from inspection.cli.duration import end_of
from inspection.domain.access import Permission
from inspection.domain.key import Key, KeyKind, KeyWish
from inspection.errors import ConfigurationError
from inspection.store import keys, links

app = typer.Typer(
    help="Keys that programs and wall screens show instead of signing in.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command()
def add(
    name: str,
    *,
    scope: Annotated[
        list[Permission] | None, typer.Option(help="what it may do; several times")
    ] = None,
    is_kiosk: Annotated[
        bool, typer.Option("--kiosk", help="of a wall screen: may only look")
    ] = False,
    camera: Annotated[
        list[str] | None,
        typer.Option(help="it may push frames of this camera alone; several times"),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="how long it is good, such as 90d; without it for ever")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key, and print it: what opens is shown this once.

    Example: inspection key add gateway-7 --scope push --camera cam-1 --expires 365d
    """
    settings = context.begin("key")
    if is_kiosk == bool(scope):
        raise ConfigurationError("take --scope for a program, or --kiosk for a wall screen")
    at = context.clock()
    wish = KeyWish(
        name=name,
        kind=KeyKind.KIOSK if is_kiosk else KeyKind.KEY,
        scopes=frozenset({Permission.READ} if is_kiosk else scope or ()),
        cameras=frozenset(camera) if camera else None,
        expires_at=None if expires is None else end_of(expires, at),
    )
    with context.opened_database(settings) as database, database.write() as connection:
        key, token = keys.add_key(connection, wish, at=at, by=output.person())
    output.show_object(row_of(key) | {"key": token.text}, as_json=as_json)


@app.command("list")
def list_(
    *,
    has_revoked: Annotated[
        bool, typer.Option("--revoked", help="those that were revoked, too")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the keys: what they may do, until when, and when they were last used.

    Example: inspection key list --revoked
    """
    settings = context.begin("key")
    with context.opened_database(settings) as database, database.read() as connection:
        found = keys.list_keys(connection, has_revoked=has_revoked)
    output.show_rows([row_of(key) for key in found], as_json=as_json)


@app.command()
def revoke(name: str, *, as_json: AsJson = False) -> None:
    """End a key at once; wall screens that are signed in with it are signed out.

    Example: inspection key revoke gateway-7
    """
    settings = context.begin("key")
    with context.opened_database(settings) as database, database.write() as connection:
        key = keys.revoke_key(connection, name, at=context.clock(), by=output.person())
    output.show_object(row_of(key), as_json=as_json)


@app.command()
def link(
    name: str,
    *,
    address: Annotated[
        str, typer.Option(help="where the screen's browser reaches the interface")
    ] = "http://127.0.0.1:8080",
    as_json: AsJson = False,
) -> None:
    """Print an address that signs one wall screen in, once, within a quarter of an hour.

    The key itself is in no address, and so in no log and no history of a browser.

    Example: inspection key link wall-1 --address https://inspection.example
    """
    settings = context.begin("key")
    at = context.clock()
    with context.opened_database(settings) as database, database.write() as connection:
        token = links.link_to_kiosk(connection, name, at=at, by=output.person())
    shown = {
        "link": links.address_of(address, token),
        "expires_at": (at + links.LIFETIME).isoformat(timespec="seconds"),
    }
    output.show_object(shown, as_json=as_json)


def row_of(key: Key) -> dict[str, Any]:
    """Describe a key, without what opens."""
    row = asdict(key) | {
        "kind": key.kind.value,
        "scopes": sorted(key.scopes),
        "cameras": None if key.cameras is None else sorted(key.cameras),
    }
    times = ("created_at", "expires_at", "last_used_at", "revoked_at")
    return row | {
        name: None if row[name] is None else row[name].isoformat(timespec="seconds")
        for name in times
    }

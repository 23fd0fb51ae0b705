"""`inspection user`: who may sign in, and as what."""

import getpass
import sys
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any, Final

import typer

from inspection.cli import context, output
from inspection.domain.access import Role
from inspection.domain.password import checked_password, new_password
from inspection.domain.user import User, checked_user_name
from inspection.errors import ConfigurationError
from inspection.store import users

app = typer.Typer(help="Users: who may sign in, and as what.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
ToRole = Annotated[Role, typer.Option("--role", help="what they may do")]

#: A temporary password is good for so long.
TEMPORARY: Final = timedelta(days=1)


@app.command()
def add(
    name: str,
    *,
    role: ToRole,
    is_temporary: Annotated[
        bool,
        typer.Option(
            "--temporary", help="print a password that is good for a day and must be changed"
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a user. The password is asked for, or is the first line of standard input.

    Example: inspection user add anna --role administrator
    """
    settings = context.begin("user")
    name = checked_user_name(name)
    with context.opened_database(settings) as database:
        if is_temporary:
            password, until_at = new_password(), context.clock() + TEMPORARY
        else:
            password, until_at = _asked_password(name), None
        new = users.NewUser(
            name=name,
            role=role,
            password_hash=_hashed(password),
            temporary_until_at=until_at,
        )
        with database.write() as connection:
            user = users.add_user(connection, new, at=context.clock(), by=output.person())
    _show(user, password if is_temporary else None, as_json=as_json)


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """List the users: what they may do, whether they may sign in, and when they last did.

    Example: inspection user list --json
    """
    settings = context.begin("user")
    with context.opened_database(settings) as database, database.read() as connection:
        rows = [row_of(user) for user in users.list_users(connection)]
    output.show_rows(rows, as_json=as_json)


@app.command("role")
def role_(name: str, role: Role, *, as_json: AsJson = False) -> None:
    """Give a user another role. It holds from their next request on.

    The last administrator keeps the role.

    Example: inspection user role anna engineer
    """
    settings = context.begin("user")
    with context.opened_database(settings) as database, database.write() as connection:
        user = users.set_role(
            connection, name.lower(), role, at=context.clock(), by=output.person()
        )
    _show(user, None, as_json=as_json)


@app.command()
def disable(name: str, *, as_json: AsJson = False) -> None:
    """Let a user sign in no more; they are signed out at once.

    The last administrator cannot be disabled. What a user did keeps their name.

    Example: inspection user disable anna
    """
    settings = context.begin("user")
    with context.opened_database(settings) as database, database.write() as connection:
        user = users.disable_user(connection, name.lower(), at=context.clock(), by=output.person())
    _show(user, None, as_json=as_json)


@app.command()
def enable(name: str, *, as_json: AsJson = False) -> None:
    """Let a disabled user sign in again, with the password they had.

    Example: inspection user enable anna
    """
    settings = context.begin("user")
    with context.opened_database(settings) as database, database.write() as connection:
        user = users.enable_user(connection, name.lower(), at=context.clock(), by=output.person())
    _show(user, None, as_json=as_json)


@app.command()
def reset(name: str, *, as_json: AsJson = False) -> None:
    """Print a temporary password for a user, good for a day; they are signed out at once.

    They choose another one at the next sign-in, before anything else.

    Example: inspection user reset anna
    """
    settings = context.begin("user")
    password = new_password()
    with context.opened_database(settings) as database:
        password_hash, at = _hashed(password), context.clock()
        with database.write() as connection:
            user = users.reset_password(
                connection,
                name.lower(),
                password_hash,
                until_at=at + TEMPORARY,
                at=at,
                by=output.person(),
            )
    _show(user, password, as_json=as_json)


def row_of(user: User) -> dict[str, Any]:
    """Describe a user."""
    times = ("temporary_until_at", "created_at", "last_signed_in_at")
    row = asdict(user) | {"role": user.role.value}
    return row | {
        key: None if row[key] is None else row[key].isoformat(timespec="seconds") for key in times
    }


def _show(user: User, temporary_password: str | None, *, as_json: bool) -> None:
    row = row_of(user)
    if temporary_password is not None:
        row["temporary_password"] = temporary_password
    output.show_object(row, as_json=as_json)


def _asked_password(name: str) -> str:
    """Return the password somebody types, twice, or the first line of standard input.

    Raises:
        ConfigurationError: it cannot be a password, or was typed differently.
    """
    if not sys.stdin.isatty():
        return checked_password(sys.stdin.readline().rstrip("\r\n"), user=name)
    password = checked_password(getpass.getpass(f"password of {name}: "), user=name)
    if getpass.getpass("once more: ") != password:
        raise ConfigurationError("that was another password; try again")
    return password


def _hashed(password: str) -> str:
    from inspection.store.passwords import Passwords

    return Passwords().hashed(password)

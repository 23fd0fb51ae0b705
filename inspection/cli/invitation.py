"""The demo's one-time link: signs the browser of whoever started it in, without a password."""

from datetime import datetime, timedelta
from typing import Final

from inspection.domain.access import Role
from inspection.store import links, users
from inspection.store.database import Database

#: Who is signed in.
NAME: Final = "demo"
#: The link may be followed for so long.
LIFETIME: Final = timedelta(hours=1)


def invitation(database: Database, *, server: str, at: datetime, by: str) -> str:
    """Return an address that signs a browser on this machine in once, as an administrator.

    Args:
        database: of a demo, which is its own and holds nothing else.
        server: where a browser on this machine reaches the interface.
        at: now.
        by: who makes it.
    """
    with database.write() as connection:
        if users.find_credentials(connection, NAME) is None:
            new = users.NewUser(name=NAME, role=Role.ADMINISTRATOR)
            users.add_user(connection, new, at=at, by=by)
        token = links.link_to_user(connection, NAME, is_local=True, at=at, by=by, lifetime=LIFETIME)
    return links.address_of(server, token)

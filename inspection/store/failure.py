"""What a failure of the database means: try again, or change something first."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy.exc

from inspection.errors import ConfigurationError, InspectionError, UnavailableError

_UPGRADE: Final = "its tables are missing or old; run `inspection db upgrade`"
#: Words of the drivers for a state that trying again does not change.
_LASTING: Final = {
    "no such table": _UPGRADE,
    "no such column": _UPGRADE,
    "readonly database": "it cannot be written to; change the owner or mode of the file",
    "file is not a database": "the file is no SQLite database; name another file",
    "unable to open database file": "the file cannot be opened; change its path, owner or mode",
    "password authentication failed": "user or password is wrong; correct the address",
    "no password supplied": "it asks for a password; put one into the address",
}
#: PostgreSQL's codes of the same.
_LASTING_STATES: Final = {
    "42P01": _UPGRADE,
    "42703": _UPGRADE,
    "25006": "it cannot be written to; name the primary server",
}


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Turn the failures of the library and its drivers into this program's errors.

    Args:
        address: the database as people may see it: without password.

    Raises:
        UnavailableError: the database does not answer, or is too busy.
        ConfigurationError: it will not work until somebody changes something.
        InspectionError: a value of ours was refused.
    """
    try:
        yield
    except sqlalchemy.exc.TimeoutError as error:
        raise UnavailableError(
            f"the database {address} is busy: no connection came free"
        ) from error
    except sqlalchemy.exc.DBAPIError as error:
        raise _meaning_of(error, address) from error
    except sqlalchemy.exc.StatementError as error:
        raise (error.orig if isinstance(error.orig, InspectionError) else error) from error


def _meaning_of(error: sqlalchemy.exc.DBAPIError, address: str) -> Exception:
    words = " ".join(str(error.orig).split())
    cures = [cure for sign, cure in _LASTING.items() if sign in words]
    cures += [_LASTING_STATES.get(getattr(error.orig, "sqlstate", None) or "", "")]
    if cures[0]:
        return ConfigurationError(f"the database {address} cannot be used: {cures[0]}")
    if isinstance(error, sqlalchemy.exc.DataError):
        return InspectionError(f"the database {address} refuses a value: {words}")
    is_connection = isinstance(
        error, sqlalchemy.exc.OperationalError | sqlalchemy.exc.InterfaceError
    )
    if is_connection or error.connection_invalidated:
        return UnavailableError(f"the database {address} does not answer: {words}")
    return error

"""The cookies of a browser that is signed in.

Over TLS their names begin with `__Host-`: browsers take such a cookie from this host alone, over
TLS alone. A server reached over TLS reads no other, so nobody can slip a browser one by plain HTTP
or from a neighbouring host. No script can read them (HttpOnly), and other sites' forms do not send
them (SameSite=Lax; links do, so that an alert's link opens for who is signed in).
"""

from datetime import datetime
from typing import Final

from fastapi import Request, Response

SESSION: Final = "inspection-session"
#: Says that somebody has signed in with this browser before; see `inspection.api.throttle`.
DEVICE: Final = "inspection-device"
#: A sign-in at a provider of identities that is under way.
OPENID: Final = "inspection-openid"
DEVICE_S: Final = 180 * 24 * 3600


def read(request: Request, name: str) -> str | None:
    """Return what the browser's cookie holds; None when it has none."""
    return request.cookies.get(_name(request, name)) or None


def keep(
    request: Request, response: Response, name: str, value: str, *, max_age_s: int | None = None
) -> None:
    """Have the browser keep a cookie; without `max_age_s` until it is closed."""
    response.set_cookie(
        _name(request, name),
        value,
        max_age=max_age_s,
        path="/",
        secure=_is_secure(request),
        httponly=True,
        samesite="lax",
    )


def keep_until(
    request: Request, response: Response, name: str, value: str, *, at: datetime, now: datetime
) -> None:
    """Have the browser keep a cookie until `at`."""
    keep(request, response, name, value, max_age_s=int((at - now).total_seconds()))


def forget(request: Request, response: Response, name: str) -> None:
    """Have the browser throw a cookie away."""
    response.delete_cookie(
        _name(request, name),
        path="/",
        secure=_is_secure(request),
        httponly=True,
        samesite="lax",
    )


def _name(request: Request, name: str) -> str:
    return f"__Host-{name}" if _is_secure(request) else name


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"

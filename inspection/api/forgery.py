"""Keeps other sites from using a browser that is signed in here (cross-site request forgery).

Every request that changes something and comes with a cookie is held against two things, either of
which would do (OWASP's cheat sheet, *fetch metadata* and *HMAC-based token*):

1. the browser's own word where the request comes from: `Sec-Fetch-Site`, or `Origin` where the
   browser sends none because there is no TLS;
2. the header `X-CSRF-Token`, which a page of ours gets with `GET /session` and a foreign page
   cannot read: an HMAC keyed by what the cookie holds.

Keys in `Authorization` are sent by no browser of itself, and need neither.
"""

import hashlib
import hmac
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request

from inspection.errors import ForbiddenError

HEADER: Final = "X-CSRF-Token"
#: Methods that change nothing.
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def csrf_token(session: str) -> str:
    """Return what a page sends along with changes, from what the session's cookie holds."""
    return hmac.new(session.encode(), b"inspection csrf", hashlib.sha256).hexdigest()


def check_token(request: Request, session: str) -> None:
    """Return if a request with a cookie comes from a page of ours.

    Raises:
        ForbiddenError: it changes something, and does not.
    """
    if request.method in SAFE:
        return
    check_origin(request)
    given = request.headers.get(HEADER, "")
    if not hmac.compare_digest(given.encode(), csrf_token(session).encode()):
        raise ForbiddenError(
            f"changes that come with a cookie need the header {HEADER}: `csrf_token` of "
            "GET /api/v1/session"
        )


def check_origin(request: Request) -> None:
    """Return if no browser says that a page of another site sends this.

    Raises:
        ForbiddenError: one does.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        is_ours = site == "same-origin"
    else:
        origin = request.headers.get("Origin")
        is_ours = origin is None or _host(origin) == request.headers.get("Host", "").lower()
    if not is_ours:
        raise ForbiddenError("this comes from a page of another site")


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None

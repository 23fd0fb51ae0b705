"""What the routes work with: values and engines that whoever starts the process passes in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from inspection.api.gate import Gate
from inspection.api.news import Newsroom
from inspection.api.openid import OpenId
from inspection.api.throttle import Throttle
from inspection.store.database import Database
from inspection.store.passwords import Passwords
from inspection.store.pictures import PictureStore


@dataclass(frozen=True, kw_only=True)
class Installation:
    """The parts of an installation that a route may need."""

    database: Database
    pictures: PictureStore
    #: Who asks, and what they may do.
    gate: Gate
    clock: Callable[[], datetime]
    #: Of the streams' server, for pushed frames, accounts and dead letters; None: none is known.
    redis_url: str | None = None
    #: Largest body that is a picture.
    body_limit_bytes: int = 32 * 2**20
    #: Makes the figures in Prometheus's format; None: there are none.
    metrics: Callable[[], bytes] | None = None
    #: Tells open event streams what happens.
    news: Newsroom = field(init=False)
    #: Hashes a few passwords at a time: one for all requests.
    passwords: Passwords = field(default_factory=Passwords)
    #: Slows guessing of passwords down: one for all requests.
    throttle: Throttle = field(default_factory=Throttle)
    #: Where users sign in who have no password here; None: nowhere.
    openid: OpenId | None = None

    def __post_init__(self) -> None:
        """Make what all requests share."""
        object.__setattr__(self, "news", Newsroom(self.database, clock=self.clock))


def _installation(request: Request) -> Installation:
    installation: Installation = request.app.state.installation
    return installation


#: Parameter of a route.
Given = Annotated[Installation, Depends(_installation)]

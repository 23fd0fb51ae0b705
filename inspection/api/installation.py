"""What the routes work with: values and engines that whoever starts the process passes in."""

from asyncio import Semaphore
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final

from fastapi import Depends, Request

from inspection.api.gate import Gate
from inspection.api.news import Newsroom
from inspection.api.openid import OpenId
from inspection.api.throttle import Throttle
from inspection.api.trial import Trial
from inspection.api.turns import Turns
from inspection.api.waiting import Waiting
from inspection.errors import UnavailableError
from inspection.model.picture import PIXELS_LIMIT_COUNT
from inspection.store.database import Database
from inspection.store.passwords import Passwords
from inspection.store.pictures import PictureStore
from inspection.stream.codec import ENTRY_LIMIT_BYTES
from inspection.stream.connection import Client
from inspection.stream.pusher import Pusher

#: Pictures of one process that come in at a time; others wait before their bodies are read.
UPLOADS: Final = 8


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
    #: A client of it.
    streams: Client | None = None
    #: Largest body that is a picture.
    body_limit_bytes: int = ENTRY_LIMIT_BYTES
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
    #: Journals of the cameras that are captured on this machine.
    journal_dir: Path = Path("journals")
    #: Pixels a picture may claim.
    picture_limit_px: int = PIXELS_LIMIT_COUNT
    #: Name of this machine.
    host: str = ""
    #: Whether `inspection serve` brings the replicas, and no Ray cluster.
    is_local_ray: bool = True
    #: Tries channels out; None: nobody can.
    trial: Trial | None = None
    #: Name or folder of the checkpoint that replicas are to use; None: not known here.
    checkpoint: str | None = None
    #: Everybody who waits for a frame he has pushed.
    waiting: Waiting = field(default_factory=Waiting)
    #: Held while a picture comes in, which is kept in memory.
    uploads: Semaphore = field(default_factory=lambda: Semaphore(UPLOADS))
    #: Heatmaps are drawn in turn: one of 4096 px takes 560 MB.
    drawings: Turns = field(default_factory=lambda: Turns(at_once=2, waiting=14))
    #: Replays read every frame of a period.
    replays: Turns = field(default_factory=lambda: Turns(at_once=2, waiting=6))

    def __post_init__(self) -> None:
        """Make what all requests share."""
        object.__setattr__(self, "news", Newsroom(self.database, clock=self.clock))

    @property
    def stream_client(self) -> Client:
        """The client of the streams' server.

        Raises:
            UnavailableError: none is known.
        """
        if self.streams is None:
            raise UnavailableError("this process was not told where the stream server is")
        return self.streams

    @cached_property
    def pusher(self) -> Pusher:
        """What adds pushed frames.

        Raises:
            UnavailableError: no server of streams is known.
        """
        return Pusher(client=self.stream_client, host=self.host)


def _installation(request: Request) -> Installation:
    installation: Installation = request.app.state.installation
    return installation


#: Parameter of a route.
Given = Annotated[Installation, Depends(_installation)]

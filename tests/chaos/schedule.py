"""Who is killed when: follows from the seed alone."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

#: Starting Ray takes the longest by far: the whole of serve is killed half as often as the others.
SELDOM = "serve"

#: Gaps between two kills are between these, as a share of the mean; short ones overlap.
GAP_SHARES = (0.1, 1.9)


@dataclass(frozen=True, kw_only=True)
class Strike:
    """One kill that is to come."""

    #: Seconds after the one before.
    after_s: float
    victim: str
    #: Which of several of its kind, and how long a server stays away: each from 0 to 1.
    chance: float


def planned(seed: int, victims: Sequence[str], *, kills: int, gap_s: float) -> list[Strike]:
    """Plan so many kills; in every few of them each victim has its turn."""
    chance = random.Random(seed)
    return [
        Strike(after_s=gap_s * chance.uniform(*GAP_SHARES), victim=victim, chance=chance.random())
        for victim in islice(_turns(chance, victims), kills)
    ]


def _turns(chance: random.Random, victims: Sequence[str]) -> Iterator[str]:
    for number in range(10**9):
        turn = [victim for victim in victims if victim != SELDOM or number % 2 == 0]
        chance.shuffle(turn)
        yield from turn

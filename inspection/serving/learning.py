"""Learning: lines that ask for it get references from their own first frames, as they pass.

1. Frames that count as good and whose pictures are kept are read from the database, in the order
   they were recorded, from the first one on.
2. A replica surveys them; each product at each station has a learner, which takes its frames in.
3. What a learner publishes becomes the next version of the reference there, in force at once.
4. With the line's number of frames a learner is complete, and what comes later is not learnt.

Nothing but references is kept: a process that starts begins again with the kept pictures, at the
places that have no final reference for the checkpoint that is served. So a new checkpoint has its
references learnt anew, from the pictures there are. A place where somebody builds, withdraws or
restores a reference is left alone.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from inspection.domain.recipe import Recipe, recipe_in_force
from inspection.domain.reference import LineReference, ReferencePlace, ReferenceSource
from inspection.errors import InspectionError, NotFoundError, PictureError
from inspection.model.learner import Learner
from inspection.model.reference import Reference, Survey
from inspection.serving.request import Refused, Request
from inspection.serving.surveying import Surveying
from inspection.store import lines, recipes, references
from inspection.store.database import Database
from inspection.store.good_frames import GoodFrame, next_good_frames
from inspection.store.pictures import PictureStore
from inspection.store.references import BuiltReference
from inspection.telemetry import logger

#: Frames surveyed in one call.
CALL_FRAMES: Final = 8

#: Longest wait between two tries while something does not answer, in seconds.
LONGEST_WAIT_S: Final = 10.0

#: Who is written down for what is learnt.
ACTOR: Final = "inspection reference learn"


class Learning:
    """The work of the learner process; one process does it for all lines."""

    def __init__(
        self,
        database: Database,
        pictures: PictureStore,
        surveying: Surveying,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._pictures = pictures
        self._surveying = surveying
        self._clock = clock
        self._checkpoint_hash = ""
        self._position = 0
        self._learners: dict[ReferencePlace, Learner] = {}
        self._published: dict[ReferencePlace, str] = {}

    def run(
        self,
        stop: threading.Event,
        *,
        poll_s: float = 1.0,
        turned: Callable[[], None] = lambda: None,
    ) -> None:
        """Learn until `stop` is set; whatever does not answer is waited for.

        Args:
            stop: ends the work.
            poll_s: how often to look when there is nothing to do, in seconds.
            turned: told each time a round has come to its end, whether well or not.
        """
        trouble: type[Exception] | None = None
        wait_s = poll_s
        while not stop.is_set():
            try:
                is_busy = self.round()
            except Exception as error:  # noqa: BLE001  (the outermost loop of the process)
                wait_s = min(2 * max(wait_s, poll_s), LONGEST_WAIT_S)
                if type(error) is not trouble:
                    trouble = type(error)
                    _log_trouble(error)
            else:
                if trouble is not None:
                    logger().info("learner_recovered")
                trouble, wait_s = None, 0.0 if is_busy else poll_s
            turned()
            stop.wait(wait_s)

    def round(self) -> bool:
        """Take in the next few frames and publish what is due; say whether there were any.

        Raises:
            UnavailableError: replicas, the database or the pictures do not answer; what this
                round was about is done by the next one.
        """
        with self._database.read() as connection:
            counts = {line.name: line.learn_count for line in lines.list_lines(connection)}
        asking = {line: count for line, count in counts.items() if count > 0}
        if not asking:
            return False
        self._follow(self._surveying.checkpoint_hash())
        self._publish()
        frames, position = self._next(asking)
        surveys = self._surveys(frames, of_count=max(asking.values()))
        if any(survey.checkpoint_hash != self._checkpoint_hash for survey in surveys.values()):
            return False  # the replicas are being changed over
        self._position = position
        for frame in frames:
            if frame.ledger_id in surveys:
                learner = self._learner(frame.place, asking[frame.place.line])
                learner.take([surveys[frame.ledger_id]])
        self._publish()
        return bool(frames)

    def _follow(self, checkpoint_hash: str) -> None:
        """Begin again when another checkpoint is served."""
        if checkpoint_hash != self._checkpoint_hash:
            self._checkpoint_hash = checkpoint_hash
            self._position = 0
            self._learners.clear()
            self._published.clear()

    def _next(self, asking: dict[str, int]) -> tuple[list[GoodFrame], int]:
        with self._database.read() as connection:
            done = self._settled(references.list_references(connection))
            for place in done:
                self._learners.pop(place, None)
            return next_good_frames(
                connection, asking, after=self._position, without=done, limit=CALL_FRAMES
            )

    def _surveys(self, frames: list[GoodFrame], *, of_count: int) -> dict[int, Survey]:
        """Return the surveys by ledger id; a picture that is gone or unreadable has none."""
        with self._database.read() as connection:
            in_force = {
                (found.line, found.recipe.product): found.recipe
                for found in recipes.list_recipes(connection)
            }
        requests = {}
        for frame in frames:
            try:
                payload = self._pictures.get(frame.picture)
            except (NotFoundError, PictureError) as error:
                _log_skipped(frame, str(error))
                continue
            requests[frame.ledger_id] = Request(
                payload=payload, recipe=_recipe(in_force, frame.place)
            )
        asked = list(requests.values())
        answers = self._surveying.survey(asked, of_count=of_count) if asked else []
        found = dict(zip(requests, answers, strict=True))
        for frame in frames:
            if isinstance(answer := found.get(frame.ledger_id), Refused):
                _log_skipped(frame, answer.detail)
        return {i: answer for i, answer in found.items() if not isinstance(answer, Refused)}

    def _learner(self, place: ReferencePlace, frames_count: int) -> Learner:
        if place not in self._learners:
            self._learners[place] = Learner(self._checkpoint_hash, frames_count=frames_count)
        return self._learners[place]

    def _publish(self) -> None:
        """Store what learners have made since; a complete one is done with."""
        for place, learner in list(self._learners.items()):
            reference = learner.reference
            if reference is None:
                continue
            if learner.is_complete or reference.content_hash != self._published.get(place):
                self._store(place, reference, is_final=learner.is_complete)
                self._published[place] = reference.content_hash
            if learner.is_complete:
                del self._learners[place]

    def _store(self, place: ReferencePlace, reference: Reference, *, is_final: bool) -> None:
        built = BuiltReference(
            place=place,
            data=reference.to_bytes(),
            checkpoint_hash=reference.checkpoint_hash,
            images_count=reference.images_count,
            source=ReferenceSource.STREAM,
            is_final=is_final,
        )
        with self._database.write() as connection:
            known = references.list_references(connection, line=place.line)
            if not self._is_wanted(built, known):
                return
            added = references.add_reference(
                connection,
                built,
                at=self._clock(),
                by=ACTOR,
                reason=f"learnt from {built.images_count} frames of the stream",
            )
        logger().info(
            "reference_learnt",
            line=place.line,
            station=place.station,
            product=place.product,
            version=added.version,
            images=added.images_count,
            is_final=is_final,
        )

    def _settled(self, known: Sequence[LineReference]) -> set[ReferencePlace]:
        """Return the places where there is nothing more to learn, or somebody decided otherwise.

        Args:
            known: references, the newest version of each place first.
        """
        newest: dict[ReferencePlace, LineReference] = {}
        settled: set[ReferencePlace] = set()
        for reference in known:
            if reference.checkpoint_hash == self._checkpoint_hash:
                newest.setdefault(reference.place, reference)
                if reference.is_final:
                    settled.add(reference.place)
        return settled | {place for place, found in newest.items() if not found.is_in_force}

    def _is_wanted(self, built: BuiltReference, known: Sequence[LineReference]) -> bool:
        """Say whether it is better than what is there; an earlier process may have got further."""
        of_place = [found for found in known if found.place == built.place]
        if self._settled(of_place):
            return False
        earlier = [found for found in of_place if found.checkpoint_hash == self._checkpoint_hash]
        return built.is_final or all(found.images_count < built.images_count for found in earlier)


def _recipe(in_force: dict[tuple[str, str], Recipe], place: ReferencePlace) -> Recipe:
    return recipe_in_force(in_force, line=place.line, product=place.product)


def _log_skipped(frame: GoodFrame, why: str) -> None:
    logger().warning("picture_not_learnt", frame_id=frame.identity.frame_id, why=why)


def _log_trouble(error: Exception) -> None:
    if isinstance(error, InspectionError):
        logger().warning("learner_waits", why=str(error))
    else:
        logger().error("learner_broke", exc_info=error)

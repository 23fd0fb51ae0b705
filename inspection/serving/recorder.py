"""From answers to rows: judge by the threshold in force, keep the picture, write the ledger."""

import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from inspection.domain.evidence import Gone
from inspection.domain.frame import Frame, FrameIdentity
from inspection.domain.inspection import Inspection, Latencies, Verdict, judge
from inspection.domain.ledger import Cause, Dropped, Entry, Inspected, Picture, Reason, Uninspected
from inspection.domain.line import Camera, Line, PicturePolicy, deciding_threshold
from inspection.errors import FullError, InspectionError, UnavailableError
from inspection.serving.floor import Floor
from inspection.serving.request import Scored
from inspection.store import (
    dead_letters,
    in_force,
    ledger,
    lines,
    recipes,
    redriving,
    references,
)
from inspection.store.database import Database
from inspection.store.in_force import InForce
from inspection.store.pictures import PictureStore
from inspection.telemetry import logger

#: Characters of the sentence that is kept with an uninspected frame.
DETAIL_LENGTH = 500
#: How often thresholds may change between judging and writing; each time, somebody set one.
RACE_LIMIT = 10


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A frame the model scored."""

    frame: Frame
    scored: Scored
    latencies: Latencies

    @property
    def identity(self) -> FrameIdentity:
        """The frame's identity."""
        return self.frame.identity

    @property
    def kept_bytes(self) -> int:
        """Bytes of its payload."""
        return len(self.frame.payload)


@dataclass(frozen=True, kw_only=True)
class Unjudged:
    """A frame, or what is left of it, that cannot be judged."""

    identity: FrameIdentity
    reason: Reason
    detail: str
    frame: Frame | None = None
    #: Bytes of the payload when there is no frame; None when there is no entry left to keep.
    size_bytes: int | None = None

    @property
    def kept_bytes(self) -> int | None:
        """Bytes of its payload; None when there is no entry left to keep."""
        return self.size_bytes if self.frame is None else len(self.frame.payload)


Finding = Judged | Unjudged
Judgement = Inspected | Uninspected
Written = TypeVar("Written")


class Recorder:
    """Writes findings, each batch in one transaction; pictures come first."""

    def __init__(
        self, database: Database, pictures: PictureStore, *, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._pictures = pictures
        self._clock = clock
        self._is_full = False

    def floor(self) -> Floor:
        """Return the cameras whose frames are to be inspected, recipes and references in force.

        Raises:
            UnavailableError: the database does not answer.
        """
        with self._database.read() as connection:
            return Floor(
                cameras=lines.list_cameras(connection),
                recipes=recipes.list_recipes(connection),
                references=references.list_references(connection, is_in_force=True),
            )

    def reference_file(self, content_hash: str) -> bytes:
        """Return the file of a reference.

        Raises:
            NotFoundError: it is not there.
            CheckpointError: what is there is damaged.
            UnavailableError: the database does not answer.
        """
        with self._database.read() as connection:
            return references.reference_file(connection, content_hash)

    @property
    def database(self) -> Database:
        """Where findings are written."""
        return self._database

    def record(self, findings: Sequence[Finding]) -> list[Entry | None]:
        """Judge and write findings; those that already have a row change nothing.

        Returns:
            How each frame stands in the ledger; None when it has a row of another outcome.

        Raises:
            UnavailableError: the database does not answer; nothing was written.
        """

        def write(connection: Connection, entries: Sequence[Judgement]) -> list[Entry | None]:
            # What a stranger added under a number that no frame has is dead-lettered, and has no
            # row.
            ours = [entry for entry in entries if entry.identity.is_possible]
            standing = iter(ledger.record(connection, ours, at=self._clock()).standing)
            return [next(standing) if entry.identity.is_possible else entry for entry in entries]

        return self._judged(findings, write)

    def redrive(self, findings: Mapping[int, Finding]) -> dict[int, Inspected | Uninspected]:
        """Judge and write findings about dead letters, by row id of the letter.

        Returns:
            What was written; letters that others have settled meanwhile are left out.

        Raises:
            UnavailableError: the database does not answer; nothing was written.
        """

        def write(
            connection: Connection, entries: Sequence[Judgement]
        ) -> dict[int, Inspected | Uninspected]:
            of_letter = dict(zip(findings, entries, strict=True))
            settled = redriving.settle(connection, of_letter, at=self._clock())
            return {letter_id: of_letter[letter_id] for letter_id in sorted(settled)}

        return self._judged(list(findings.values()), write)

    def note_gone(self, identities: Collection[FrameIdentity]) -> None:
        """Write down that the bytes of dead letters are not kept any more.

        Raises:
            UnavailableError: the database does not answer; nothing was written.
        """
        with self._database.write() as connection:
            dead_letters.note_gone(connection, [one for one in identities if one.is_possible])

    def _judged(
        self,
        findings: Sequence[Finding],
        write: Callable[[Connection, Sequence[Judgement]], Written],
    ) -> Written:
        """Judge and write, again if a threshold came into force that the judgement had not seen."""
        for _ in range(RACE_LIMIT):
            entries, judged_by = self._entries(findings)
            with self._database.write() as connection:
                in_force.join_others(connection)
                if in_force.stands(connection, judged_by):
                    return write(connection, entries)
        raise UnavailableError(f"thresholds changed {RACE_LIMIT} times while frames were judged")

    def _entries(self, findings: Sequence[Finding]) -> tuple[list[Judgement], InForce]:
        with self._database.read() as connection:
            judged_by = in_force.in_force_now(connection)
            cameras = {camera.name: camera for camera in lines.list_cameras(connection)}
            line_of = {line.name: line for line in lines.list_lines(connection)}
        entries: list[Judgement] = []
        for finding in findings:
            camera = cameras[finding.identity.camera]
            entries.append(self._entry(finding, camera, line_of[camera.line], judged_by))
        return entries, judged_by

    def record_drops(self, drops: Mapping[FrameIdentity, Cause]) -> None:
        """Write the rows of dropped frames.

        Raises:
            UnavailableError: the database does not answer; nothing was written.
        """
        entries = [Dropped(identity=identity, cause=cause) for identity, cause in drops.items()]
        with self._database.write() as connection:
            ledger.record(connection, entries, at=self._clock())

    def _entry(self, finding: Finding, camera: Camera, line: Line, judged_by: InForce) -> Judgement:
        if isinstance(finding, Unjudged):
            return self._uninspected(finding, line)
        frame, scored = finding.frame, finding.scored
        decided_by = deciding_threshold(judged_by.thresholds, camera=camera, product=frame.product)
        is_judge = decided_by is not None and decided_by.judges(
            checkpoint_hash=scored.checkpoint_hash, reference_hash=scored.reference_hash
        )
        threshold = decided_by if is_judge else None
        try:
            verdict = judge(scored.score, threshold)
        except InspectionError as error:
            unjudged = Unjudged(
                identity=frame.identity, reason=Reason.SCORE, detail=str(error), frame=frame
            )
            return self._uninspected(unjudged, line)
        inspection = Inspection(
            identity=frame.identity,
            product=frame.product,
            score=scored.score,
            verdict=verdict,
            threshold=threshold,
            checkpoint_hash=scored.checkpoint_hash,
            reference_hash=scored.reference_hash,
            latencies=finding.latencies,
            decided_by_id=None if decided_by is None else decided_by.threshold_id,
            judged_at=judged_by.at,
        )
        picture, gone = self._kept(frame, line, verdict)
        return Inspected(
            frame=frame,
            inspection=inspection,
            anomaly_map=scored.anomaly_map,
            picture=picture,
            picture_gone=gone,
        )

    def _uninspected(self, finding: Unjudged, line: Line) -> Uninspected:
        frame = finding.frame
        picture, gone = self._kept(frame, line, None) if frame is not None else (None, None)
        return Uninspected(
            identity=finding.identity,
            reason=finding.reason,
            detail=" ".join(finding.detail.replace("\0", "").split())[:DETAIL_LENGTH],
            frame=frame,
            picture=picture,
            picture_gone=gone,
            size_bytes=finding.kept_bytes,
        )

    def _kept(
        self, frame: Frame, line: Line, verdict: Verdict | None
    ) -> tuple[Picture | None, Gone | None]:
        """Store the picture if the line's policy keeps it; a full store must not stop the line."""
        if not is_picture_kept(frame.identity, line, verdict) or not frame.payload:
            return None, None
        try:
            picture = self._pictures.put(frame.payload, frame.media_type)
        except FullError as error:
            if not self._is_full:
                logger().warning("pictures_dropped", why=str(error))
            self._is_full = True
            return None, Gone.FULL
        except UnavailableError as error:
            logger().warning("picture_not_kept", frame_id=frame.identity.frame_id, why=str(error))
            return None, Gone.UNAVAILABLE
        if self._is_full:
            logger().info("pictures_kept_again")
        self._is_full = False
        return picture, None


def is_picture_kept(identity: FrameIdentity, line: Line, verdict: Verdict | None) -> bool:
    """Say whether the line's policy keeps the picture; `verdict` None means uninspected.

    Which OK frames are in the sample follows from their identity alone.
    """
    if line.pictures is PicturePolicy.NONE:
        return False
    if line.pictures is PicturePolicy.ALL or verdict is not Verdict.OK:
        return True
    return zlib.crc32(identity.frame_id.encode()) < line.sample_rate * 2**32

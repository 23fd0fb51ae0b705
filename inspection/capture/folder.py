"""A folder of pictures as a camera: sorted, once or watched for new files, bytes untouched."""

import os
import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic
from urllib.parse import quote_from_bytes, unquote_to_bytes

from inspection.capture.exposure import (
    PAYLOAD_LIMIT_BYTES,
    Exposure,
    Pause,
    media_type_of,
)
from inspection.capture.pacing import Backoff
from inspection.domain.health import CaptureState
from inspection.errors import CaptureError, ConfigurationError

#: Files with these endings are pictures.
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})

#: Folders that hold ground truth, never pictures of parts.
MASK_FOLDERS = frozenset({"ground_truth", "masks"})

#: Groups a name pattern may have.
PATTERN_GROUPS = frozenset({"serial", "lot", "trigger"})

#: Polls in a row at which a watched file must look the same before it is read; an empty file is
#: more likely to have been opened by somebody who is about to write.
STABLE_POLLS, EMPTY_STABLE_POLLS = 2, 6

#: A poll of a large folder may take this share of the time at most.
POLL_SHARE = 0.2

#: Files looked at between two signs of life; the largest folders take minutes over a network.
SIGN_FILES = 500


#: What a watching camera says of itself.
WATCHING = "watching for new pictures"

_SIGN = Pause(wait_s=0, state=CaptureState.LIVE)


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureFile:
    """One file as a listing saw it."""

    #: Below the camera's folder, with `/`.
    relative_path: str
    size_bytes: int
    #: Modification time in nanoseconds since 1970.
    mtime_ns: int

    @property
    def key(self) -> str:
        """Identity of the exposure: a changed or replaced file is another exposure."""
        # File names need not be valid UTF-8, keys must be.
        name = quote_from_bytes(os.fsencode(self.relative_path))
        return f"{self.size_bytes}:{self.mtime_ns}:{name}"


class FolderSource:
    """Pictures of a folder in the order of their relative paths."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], datetime],
        is_recursive: bool = False,
        name_pattern: str | None = None,
        is_settled: Callable[[str], bool] = lambda _key: False,
    ) -> None:
        """Prepare to read `path`.

        Args:
            path: the folder.
            clock: gives the time at which a file is read; aware UTC.
            is_recursive: look into folders below as well.
            name_pattern: regular expression, searched in the relative path, with any of the
                groups `serial`, `lot` and `trigger`.
            is_settled: says of a key that its exposure is done and shall not be read again.

        Raises:
            ConfigurationError: `name_pattern` cannot be used.
        """
        self._path = path
        self._clock = clock
        self._is_recursive = is_recursive
        self._pattern = _compiled(name_pattern)
        self._is_settled = is_settled

    def exposures(self) -> Iterator[Exposure | Pause]:
        """Give every picture once.

        Raises:
            CaptureError: the folder is not there, cannot be read, or vanished on the way.
        """
        files = yield from self._listing()
        if not files:
            detail = f"no pictures in {self._path}"
            yield Pause(wait_s=0, state=CaptureState.DRAINED, detail=detail)
        yield from self._unsettled(files)

    def repeat(self, key: str) -> Exposure | None:
        """Read the file with this key again; None if it is gone or has changed.

        Raises:
            CaptureError: the folder is not there or cannot be read.
        """
        relative_path = os.fsdecode(unquote_to_bytes(key.split(":", 2)[2]))
        try:
            status = (self._path / relative_path).stat()
        except OSError:
            self._check_there()
            return None
        file = PictureFile(
            relative_path=relative_path, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns
        )
        return self._exposure(file) if file.key == key else None

    def close(self) -> None:
        """Nothing is held open between two files."""

    def _unsettled(self, files: list[PictureFile]) -> Iterator[Exposure | Pause]:
        for number, file in enumerate(files, start=1):
            if number % SIGN_FILES == 0:
                yield _SIGN
            if not self._is_settled(file.key) and (exposure := self._exposure(file)):
                yield exposure

    def _exposure(self, file: PictureFile) -> Exposure | None:
        """Read one file; None when it was removed after the listing.

        A file that is there but cannot be read gives an empty payload: the part was seen, so the
        frame is counted, and becomes uninspected.
        """
        path = self._path / file.relative_path
        try:
            with path.open("rb") as opened:
                payload = opened.read(PAYLOAD_LIMIT_BYTES)
        except OSError as error:
            self._check_there()
            if isinstance(error, FileNotFoundError):
                return None
            payload = b""
        found = self._pattern.search(file.relative_path) if self._pattern else None
        named = {} if found is None else found.groupdict()
        return Exposure(
            payload=payload,
            media_type=media_type_of(payload),
            captured_at=self._clock(),
            key=file.key,
            part_serial=_text(named.get("serial")),
            lot=_text(named.get("lot")),
            trigger_id=_text(named.get("trigger")),
        )

    def _listing(self) -> Generator[Pause, None, list[PictureFile]]:
        """Find all pictures, sorted, with signs of life on the way."""
        self._check_there()
        files: list[PictureFile] = []
        for file in self._walked(""):
            files.append(file)
            if len(files) % SIGN_FILES == 0:
                yield _SIGN
        return sorted(files, key=lambda file: file.relative_path)

    def _check_there(self) -> None:
        try:
            os.scandir(self._path).close()
        except FileNotFoundError as error:
            raise CaptureError(f"the folder {self._path} is not there") from error
        except NotADirectoryError as error:
            raise CaptureError(f"{self._path} is not a folder") from error
        except OSError as error:
            raise CaptureError(
                f"the folder {self._path} cannot be read: {error.strerror}"
            ) from error

    def _walked(self, below: str) -> Iterator[PictureFile]:
        try:
            entries = list(os.scandir(self._path / below))
        except FileNotFoundError:
            return
        except OSError as error:
            raise CaptureError(
                f"the folder {self._path / below} cannot be read: {error.strerror}"
            ) from error
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if self._is_recursive and entry.name.lower() not in MASK_FOLDERS:
                    yield from self._walked(f"{below}{entry.name}/")
            elif _is_picture(entry.name) and (file := _seen(entry, below)):
                yield file


class WatchedFolderSource(FolderSource):
    """Pictures of a folder, and for ever those that come."""

    #: Seconds between two looks.
    poll_s: float = 0.5

    def exposures(self) -> Iterator[Exposure | Pause]:
        """Give every picture once, as soon as nobody writes to it any more; never ends."""
        backoff = Backoff()
        # At how many polls in a row a file was seen unchanged; -1 once it was given.
        ages: dict[PictureFile, int] = {}
        while True:
            begun_at_s = monotonic()
            try:
                files = yield from self._listing()
                wait_s = max(self.poll_s, (monotonic() - begun_at_s) / POLL_SHARE)
                ages = {file: _older(ages.get(file, 0)) for file in files}
                ripe = [file for file in files if _is_ripe(file, ages[file])]
                yield from self._unsettled(ripe)
                ages.update(dict.fromkeys(ripe, -1))
                backoff.reset()
                pause = Pause(wait_s=wait_s, state=CaptureState.LIVE, detail=WATCHING)
            except CaptureError as error:
                wait_s = backoff.next_s()
                pause = Pause(wait_s=wait_s, state=CaptureState.RECONNECTING, detail=str(error))
            yield pause


def _older(age: int) -> int:
    return age if age < 0 else age + 1


def _is_ripe(file: PictureFile, age: int) -> bool:
    return age >= (STABLE_POLLS if file.size_bytes else EMPTY_STABLE_POLLS)


def _compiled(name_pattern: str | None) -> re.Pattern[str] | None:
    if name_pattern is None:
        return None
    try:
        pattern = re.compile(name_pattern)
    except re.error as error:
        raise ConfigurationError(
            f"name_pattern {name_pattern!r} is no regular expression: {error}"
        ) from error
    if unknown := sorted(pattern.groupindex.keys() - PATTERN_GROUPS):
        raise ConfigurationError(
            f"name_pattern {name_pattern!r} has a group {unknown[0]!r}; "
            "take (?P<serial>…), (?P<lot>…) or (?P<trigger>…)"
        )
    return pattern


def _is_picture(name: str) -> bool:
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    return suffix.lower() in SUFFIXES and not stem.lower().endswith("_mask")


def _seen(entry: os.DirEntry[str], below: str) -> PictureFile | None:
    try:
        if not entry.is_file():
            return None
        status = entry.stat()
    except OSError:
        return None
    return PictureFile(
        relative_path=f"{below}{entry.name}",
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
    )


def _text(value: str | None) -> str | None:
    return None if not value else value.encode("utf-8", "backslashreplace").decode()

"""The picture store: encoded pictures kept under the hash of their bytes.

Files are `ab/cd/abcd….jpg` below a folder or the address of an S3-compatible store: SHA-256 of the
bytes in hexadecimal, its first four digits as folders. `….part` is a file that is being written,
`….going` one that is being removed.

The same bytes may be kept for several rows, and kept again while they are being removed. So whoever
keeps a picture that is there makes it young (a folder: the time of its file; other stores: it is
written again), and only what is old is removed.
"""

import errno
import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import fsspec

from inspection.domain.ledger import Picture, Reason
from inspection.errors import (
    ConfigurationError,
    FullError,
    NotFoundError,
    PictureError,
    UnavailableError,
)

#: How long the free bytes that were last seen are believed, in seconds.
LOOK_S: Final = 1.0

_SUFFIXES: Final = {"image/jpeg": "jpg", "image/png": "png"}
_MEDIA_TYPES: Final = {suffix: media_type for media_type, suffix in _SUFFIXES.items()}
_NAME: Final = re.compile(r"([0-9a-f]{64})\.(jpg|png|bin)(\.going)?")
_FOLDER: Final = re.compile("[0-9a-f]{2}")
#: What systems answer when there is no room: on the disk, or in the user's share of it.
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


class PictureStore:
    """A folder or bucket of pictures. What is there under a name never changes."""

    def __init__(self, url: str, *, reserve_bytes: int = 0) -> None:
        """Prepare the store; nothing is written or connected before the first picture.

        Args:
            url: a folder, or an address such as `s3://bucket/folder`.
            reserve_bytes: free bytes on the folder's disk that pictures never use.

        Raises:
            ConfigurationError: the kind of address is not known or lacks its package.
        """
        try:
            filesystem, root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise ConfigurationError(
                f"pictures cannot be kept at {url.partition('://')[0]}://…: {error}"
            ) from error
        if "http" in filesystem.protocol:
            raise ConfigurationError(
                f"pictures cannot be kept at {url.partition('://')[0]}://…, which is only read; "
                "take a folder, or an address such as s3://bucket/folder"
            )
        self._files: Any = filesystem
        self._root = str(root).rstrip("/")
        self._is_local = "file" in filesystem.protocol
        self._reserve_bytes = reserve_bytes
        self._room_bytes = 0
        self._look_at_s = 0.0

    @property
    def folder(self) -> Path | None:
        """The folder; None when the store is elsewhere, and its disk none of ours."""
        return Path(self._root) if self._is_local else None

    def free_bytes(self) -> int | None:
        """Return the free bytes on the folder's disk; None when the store is elsewhere.

        Raises:
            UnavailableError: the disk does not answer.
        """
        folder = self.folder
        while folder is not None:
            try:
                return shutil.disk_usage(folder).free
            except FileNotFoundError:
                folder = folder.parent
            except OSError as error:
                raise UnavailableError(f"the picture store does not answer: {error}") from error
        return None

    def put(self, payload: bytes, media_type: str) -> Picture:
        """Keep the encoded picture; keeping it again makes it young.

        A power failure can damage the newest pictures, which `get` notices.

        Raises:
            FullError: the disk has no room but its reserve.
            UnavailableError: the disk or store does not take it.
        """
        picture = Picture(
            sha256=hashlib.sha256(payload).hexdigest(),
            media_type=media_type,
            size_bytes=len(payload),
        )
        with _answering("the picture store does not take pictures"):
            if not self._is_local:
                # These stores show an object only when it is whole.
                self._files.pipe_file(self._path(picture), payload)
            elif not _is_touched(self._path(picture), len(payload)):
                self._check_room(len(payload))
                self._write(payload, self._path(picture))
        return picture

    def get(self, picture: Picture) -> bytes:
        """Return the encoded bytes of `picture`.

        Raises:
            NotFoundError: it is not there.
            PictureError: what is there is damaged.
            UnavailableError: the disk or store does not answer.
        """
        with _answering("the picture store does not answer"):
            try:
                payload: bytes = self._files.cat_file(self._path(picture))
            except FileNotFoundError as error:
                raise NotFoundError(f"the picture {picture.sha256} is not in the store") from error
        if hashlib.sha256(payload).hexdigest() != picture.sha256:
            raise PictureError(Reason.CORRUPT, f"the kept picture {picture.sha256} is damaged")
        return payload

    def remove(self, picture: Picture, *, before: datetime) -> bool:
        """Remove a picture that nobody has kept since a moment; say whether it is not there now.

        A removal that was interrupted is brought to its end.

        Raises:
            UnavailableError: the disk or store does not answer.
        """
        path = self._path(picture)
        with _answering("the picture store does not answer"):
            if self._is_local:
                return _is_removed(Path(path), before.timestamp())
            return self._is_object_removed(path, before)

    def restore(self, picture: Picture) -> None:
        """Undo a removal that was interrupted: a row keeps the picture.

        Raises:
            UnavailableError: the disk or store does not answer.
        """
        if self._is_local:
            path = self._path(picture)
            with _answering("the picture store does not answer"), suppress(FileNotFoundError):
                Path(f"{path}.going").rename(path)

    def listed(self) -> Iterator[list[Picture]]:
        """Walk through everything that is there, a folder at a time.

        Files that are being removed come as pictures too; what has another name is somebody
        else's.

        Raises:
            UnavailableError: the disk or store does not answer.
        """
        for folder in self._folders():
            with _answering("the picture store does not answer"):
                found = self._files.find(folder, detail=True)
            pictures = []
            for path, info in found.items():
                if name := _NAME.fullmatch(path.rpartition("/")[2]):
                    media_type = _MEDIA_TYPES.get(name[2], "application/octet-stream")
                    pictures.append(
                        Picture(sha256=name[1], media_type=media_type, size_bytes=info["size"])
                    )
            yield pictures

    def remove_unfinished(self, *, before: datetime) -> int:
        """Remove files that somebody began to write and never finished; say how many.

        Raises:
            UnavailableError: the disk or store does not answer.
        """
        removed_count = 0
        if self.folder is None:
            return removed_count
        with _answering("the picture store does not answer"):
            for path in self.folder.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*.part"):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime <= before.timestamp():
                        path.unlink()
                        removed_count += 1
        return removed_count

    def _folders(self) -> list[str]:
        with _answering("the picture store does not answer"), suppress(FileNotFoundError):
            names = self._files.ls(self._root, detail=False)
            return sorted(name for name in names if _FOLDER.fullmatch(name.rpartition("/")[2]))
        return []

    def _check_room(self, size_bytes: int) -> None:
        now_s = time.monotonic()
        if now_s >= self._look_at_s:
            self._room_bytes = (self.free_bytes() or 0) - self._reserve_bytes
            self._look_at_s = now_s + LOOK_S
        if size_bytes > self._room_bytes and self._reserve_bytes:
            raise FullError(
                f"the disk of {self._root} has only the reserve of "
                f"{self._reserve_bytes / 2**30:.3g} GB left"
            )
        self._room_bytes -= size_bytes

    def _write(self, payload: bytes, path: str) -> None:
        self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        unfinished = f"{path}.{uuid.uuid4().hex}.part"
        try:
            self._files.pipe_file(unfinished, payload)
            self._files.mv(unfinished, path)
        except OSError:
            if self._files.exists(unfinished):
                self._files.rm_file(unfinished)
            raise

    def _is_object_removed(self, path: str, before: datetime) -> bool:
        # Nothing can be looked at and removed in one step there. Between the two lie milliseconds,
        # in which the very bytes that nobody has kept for minutes would have to come again.
        self._files.invalidate_cache()
        try:
            if self._files.modified(path) > before:
                return False
            self._files.rm_file(path)
        except FileNotFoundError:
            pass
        return True

    def _path(self, picture: Picture) -> str:
        name, suffix = picture.sha256, _SUFFIXES.get(picture.media_type, "bin")
        return f"{self._root}/{name[:2]}/{name[2:4]}/{name}.{suffix}"


@contextmanager
def _answering(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise FullError(f"{what}: {error}") from error
        raise UnavailableError(f"{what}: {error}") from error


def _is_touched(path: str, size_bytes: int) -> bool:
    """Make a file young; False when it is not there, or not whole after a power failure."""
    try:
        if Path(path).stat().st_size != size_bytes:
            return False
        os.utime(path)
        # If it is still there now, whoever removes it will see that it is young.
        return Path(path).exists()
    except FileNotFoundError:
        return False


def _is_removed(path: Path, before_s: float) -> bool:
    going = path.with_name(f"{path.name}.going")
    with suppress(FileNotFoundError):
        if path.stat().st_mtime > before_s:
            return False
        path.rename(going)
    # Who touched the file before it got this name relies on it; who came later wrote another.
    with suppress(FileNotFoundError):
        if going.stat().st_mtime > before_s:
            going.rename(path)
            return False
        going.unlink()
    return True

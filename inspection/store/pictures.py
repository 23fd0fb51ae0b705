"""The picture store: encoded pictures kept under the hash of their bytes.

Files are `ab/cd/abcd….jpg` below a folder or the address of an S3-compatible store: SHA-256 of the
bytes in hexadecimal, its first four digits as folders.
"""

import hashlib
import uuid
from typing import Any, Final

import fsspec

from inspection.domain.ledger import Picture, Reason
from inspection.errors import (
    ConfigurationError,
    NotFoundError,
    PictureError,
    UnavailableError,
)

_SUFFIXES: Final = {"image/jpeg": "jpg", "image/png": "png"}


class PictureStore:
    """A folder or bucket of pictures. What is there under a name never changes."""

    def __init__(self, url: str) -> None:
        """Prepare the store; nothing is written or connected before the first picture.

        Args:
            url: a folder, or an address such as `s3://bucket/folder`.

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

    def put(self, payload: bytes, media_type: str) -> Picture:
        """Keep the encoded picture; keeping it again changes nothing.

        A power failure can damage the newest pictures, which `get` notices.

        Raises:
            UnavailableError: the disk or store does not take it.
        """
        picture = Picture(
            sha256=hashlib.sha256(payload).hexdigest(),
            media_type=media_type,
            size_bytes=len(payload),
        )
        try:
            self._keep(payload, self._path(picture))
        except OSError as error:
            raise UnavailableError(f"the picture store does not take pictures: {error}") from error
        return picture

    def get(self, picture: Picture) -> bytes:
        """Return the encoded bytes of `picture`.

        Raises:
            NotFoundError: it is not there.
            PictureError: what is there is damaged.
            UnavailableError: the disk or store does not answer.
        """
        try:
            payload: bytes = self._files.cat_file(self._path(picture))
        except FileNotFoundError as error:
            raise NotFoundError(f"the picture {picture.sha256} is not in the store") from error
        except OSError as error:
            raise UnavailableError(f"the picture store does not answer: {error}") from error
        if hashlib.sha256(payload).hexdigest() != picture.sha256:
            raise PictureError(Reason.CORRUPT, f"the kept picture {picture.sha256} is damaged")
        return payload

    def _keep(self, payload: bytes, path: str) -> None:
        if self._has(path, len(payload)):
            return
        if not self._is_local:
            # These stores show an object only when it is whole.
            self._files.pipe_file(path, payload)
            return
        self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        unfinished = f"{path}.{uuid.uuid4().hex}.part"
        try:
            self._files.pipe_file(unfinished, payload)
            self._files.mv(unfinished, path)
        except OSError:
            if self._files.exists(unfinished):
                self._files.rm_file(unfinished)
            raise

    def _has(self, path: str, size_bytes: int) -> bool:
        # The size too: a power failure can leave an empty file.
        try:
            return bool(self._files.info(path)["size"] == size_bytes)
        except FileNotFoundError:
            return False

    def _path(self, picture: Picture) -> str:
        name, suffix = picture.sha256, _SUFFIXES.get(picture.media_type, "bin")
        return f"{self._root}/{name[:2]}/{name[2:4]}/{name}.{suffix}"

import pytest

from inspection.capture.exposure import media_type_of
from tests.factories import jpeg


@pytest.mark.parametrize(
    ("payload", "media_type"),
    [
        (jpeg(), "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n and more", "image/png"),
        (b"BM and more", "application/octet-stream"),
        (b"\xff\xd8", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_media_type_is_told_by_the_first_bytes(payload: bytes, media_type: str) -> None:
    assert media_type_of(payload) == media_type

"""Small pictures in every format that is read, and a few that are small only as files."""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

#: Edge of the pictures, in pixels.
SIZE = (48, 32)

#: Edge of pictures that have nearly as many pixels as a detector takes.
LARGE_PX = 7_900

#: Mode of the pixels, format, and options of the encoder.
_WRITTEN: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("RGB", "JPEG", {"quality": 90}),
    ("RGB", "JPEG", {"progressive": True}),
    ("L", "JPEG", {}),
    ("CMYK", "JPEG", {}),
    ("RGB", "PNG", {}),
    ("RGBA", "PNG", {}),
    ("L", "PNG", {}),
    ("LA", "PNG", {}),
    ("P", "PNG", {"transparency": 0}),
    ("1", "PNG", {}),
    ("I;16", "PNG", {}),
    ("RGB", "TIFF", {}),
    ("RGB", "TIFF", {"compression": "tiff_lzw"}),
    ("RGB", "TIFF", {"compression": "jpeg"}),
    ("L", "TIFF", {"compression": "tiff_adobe_deflate"}),
    ("I;16", "TIFF", {}),
    ("F", "TIFF", {}),
    ("RGB", "BMP", {}),
    ("P", "BMP", {}),
    ("P", "GIF", {}),
    ("RGB", "WEBP", {"quality": 80}),
    ("RGBA", "WEBP", {"lossless": True}),
)


def small() -> list[bytes]:
    """Return pictures of noise, one of each kind, and moving ones."""
    pixels = np.random.default_rng(11).integers(0, 256, (SIZE[1], SIZE[0], 4), np.uint8)
    colour = Image.fromarray(pixels, "RGBA")
    pictures = [_encoded(_turned(colour, mode), kind, options) for mode, kind, options in _WRITTEN]
    others = [colour.convert("RGB").rotate(angle) for angle in (90, 180)]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        options = {"save_all": True, "append_images": others}
        pictures.append(_encoded(colour.convert("RGB"), kind, options))
    exif = Image.Exif()
    exif[0x0112] = 6
    pictures.append(_encoded(colour.convert("RGB"), "JPEG", {"exif": exif}))
    return pictures


def large() -> Iterator[bytes]:
    """Give PNG files of some kilobytes whose pixels need hundreds of megabytes."""
    for depth, colour_type, sample_bytes in ((8, 6, 4), (16, 0, 2), (8, 2, 3), (16, 6, 8)):
        yield _blank_png(LARGE_PX, depth=depth, colour_type=colour_type, pixel_bytes=sample_bytes)


def chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG file, with the right checksum."""
    whole = name + data
    return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))


def _blank_png(edge_px: int, *, depth: int, colour_type: int, pixel_bytes: int) -> bytes:
    header = struct.pack(">IIBBBBB", edge_px, edge_px, depth, colour_type, 0, 0, 0)
    packer = zlib.compressobj(1)
    row = bytes(1 + edge_px * pixel_bytes)
    data = b"".join(packer.compress(row) for _ in range(edge_px)) + packer.flush()
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def _turned(colour: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(colour.convert("L")).astype(np.uint16) * 16)
    if mode == "F":
        return Image.fromarray(np.asarray(colour.convert("L")).astype(np.float32) / 255)
    return colour.convert(mode)


def _encoded(image: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()

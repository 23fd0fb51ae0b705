import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from inspection.errors import PictureError
from inspection.model.picture import decode
from inspection.model.preprocessing import resize

RAMP = np.linspace(0, 255, 32 * 48).reshape(32, 48).astype(np.uint8)
COLOURS = np.dstack([RAMP, RAMP[::-1], RAMP[:, ::-1]])


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" * 100)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_decode_gives_the_exact_pixels_of_a_lossless_picture(kind: str) -> None:
    pixels = decode(encoded(Image.fromarray(COLOURS), kind))

    np.testing.assert_array_equal(pixels, COLOURS)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable


def test_decode_gives_nearly_the_pixels_of_a_jpeg() -> None:
    pixels = decode(encoded(Image.fromarray(COLOURS), "JPEG", quality=98, subsampling=0))

    assert np.abs(pixels.astype(int) - COLOURS).max() <= 8


def test_decode_turns_cmyk_to_rgb() -> None:
    cmyk = Image.fromarray(COLOURS).convert("CMYK")

    pixels = decode(encoded(cmyk, "JPEG", quality=98))

    assert np.abs(pixels.astype(int) - COLOURS).mean() <= 6


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_decode_scales_12_bits_in_16_by_their_depth(kind: str) -> None:
    deep = (RAMP.astype(np.uint32) * 4095 // 255).astype(np.uint16)

    pixels = decode(encoded(Image.fromarray(deep), kind))

    assert pixels.shape == (32, 48, 3)
    assert np.abs(pixels[..., 0].astype(int) - RAMP).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_decode_scales_16_bits_by_their_depth(kind: str) -> None:
    deep = RAMP.astype(np.uint16) * 257

    pixels = decode(encoded(Image.fromarray(deep), kind))

    np.testing.assert_array_equal(pixels[..., 1], RAMP)


def test_decode_takes_floating_point_grey_as_zero_to_one() -> None:
    grey = (RAMP / 255).astype(np.float32)

    pixels = decode(encoded(Image.fromarray(grey), "TIFF"))

    np.testing.assert_array_equal(pixels[..., 2], RAMP)


def test_decode_refuses_floating_point_grey_beyond_one() -> None:
    grey = RAMP.astype(np.float32)

    with pytest.raises(PictureError) as caught:
        decode(encoded(Image.fromarray(grey), "TIFF"))

    assert caught.value.reason == "unsupported"


def test_decode_composites_alpha_on_white() -> None:
    clear = np.zeros((4, 4, 4), dtype=np.uint8)
    clear[:2, :, 3] = 255

    pixels = decode(encoded(Image.fromarray(clear), "PNG"))

    assert pixels[:2].max() == 0
    assert pixels[2:].min() == 255


def test_decode_resolves_a_palette() -> None:
    picture = Image.fromarray(COLOURS).quantize(16)

    pixels = decode(encoded(picture, "PNG"))

    np.testing.assert_array_equal(pixels, np.array(picture.convert("RGB")))


def test_decode_takes_the_first_frame_of_an_animation() -> None:
    frames = [Image.fromarray(COLOURS // share) for share in (1, 2, 4)]
    data = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert len(list(ImageSequence.Iterator(Image.open(io.BytesIO(data))))) == 3

    np.testing.assert_array_equal(decode(data), COLOURS)


def test_decode_applies_the_exif_orientation() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise

    pixels = decode(encoded(Image.fromarray(COLOURS), "PNG", exif=exif))

    np.testing.assert_array_equal(pixels, np.rot90(COLOURS, -1))


def test_decode_takes_a_picture_of_one_pixel() -> None:
    pixels = decode(encoded(Image.fromarray(COLOURS[:1, :1]), "PNG"))

    assert pixels.shape == (1, 1, 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "empty", id="zero-bytes"),
        pytest.param(b"no picture at all", "unsupported", id="text"),
        pytest.param(b"%PDF-1.7\n", "unsupported", id="pdf"),
        pytest.param(b"\xff\xd8\xff\xe0\0\x10JFIF", "truncated", id="jpeg-header-cut"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "corrupt", id="png-header-cut"),
        pytest.param(png_header(64, 64), "truncated", id="png-pixels-missing"),
        pytest.param(png_header(30_000, 30_000), "too_large", id="png-bomb"),
        pytest.param(png_header(10_000, 10_000), "too_large", id="png-above-the-limit"),
    ],
)
def test_decode_refuses_what_is_no_picture_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(PictureError) as caught:
        decode(data)

    assert caught.value.reason == reason
    assert str(caught.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_decode_refuses_a_picture_that_was_cut_off(kind: str, kept: float) -> None:
    rng = np.random.default_rng(0)
    data = encoded(Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)), kind)

    with pytest.raises(PictureError) as caught:
        decode(data[: int(len(data) * kept)])

    assert caught.value.reason in {"truncated", "corrupt"}


def test_decode_calls_a_cut_off_jpeg_truncated() -> None:
    data = encoded(Image.fromarray(COLOURS), "JPEG")

    with pytest.raises(PictureError) as caught:
        decode(data[: len(data) // 2 + 200])

    assert caught.value.reason == "truncated"


def test_decode_never_fails_otherwise_when_bytes_are_damaged() -> None:
    rng = np.random.default_rng(1)
    for kind in ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP"):
        data = np.frombuffer(encoded(Image.fromarray(COLOURS), kind), dtype=np.uint8)
        for _ in range(60):
            damaged = data.copy()
            damaged[rng.integers(len(data), size=4)] = rng.integers(0, 256, 4)
            try:
                pixels = decode(damaged.tobytes(), pixels_limit_count=1_000_000)
            except PictureError:
                continue
            assert pixels.shape[2] == 3


def test_decode_takes_the_limit_it_is_given() -> None:
    data = encoded(Image.fromarray(COLOURS), "PNG")

    with pytest.raises(PictureError, match="48 x 32 pixels") as caught:
        decode(data, pixels_limit_count=48 * 32 - 1)

    assert caught.value.reason == "too_large"


def test_resized_picture_is_the_one_the_published_pipelines_make(reference_dir: Path) -> None:
    expected = np.load(reference_dir / "preprocess.npz")["tensor_every_4th"]
    pixels = decode((reference_dir / "preprocess.png").read_bytes())

    square = resize(pixels, 512).astype(np.float32) / 255

    made = (square - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    difference = np.abs(made.transpose(2, 0, 1)[:, ::4, ::4] - expected)
    assert difference.max() <= 2e-2
    assert difference.mean() <= 2e-3

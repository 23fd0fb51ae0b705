"""Woven fabric: yarns, weaves and the colours they are set up in."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from inspection.capture.rendering.light import Light
from inspection.capture.rendering.noise import grain, pick, pick_index, smooth, uniform
from inspection.capture.rendering.pixels import (
    Bytes,
    Colour,
    Layer,
    flooded,
    resized,
    shaded,
    to_bytes,
    tripled,
)
from inspection.capture.rendering.scene import Scene

#: Which yarn lies on top, one row a weft yarn: 1 is the warp.
WEAVES: tuple[tuple[str, ...], ...] = (
    ("10", "01"),
    ("1100", "0110", "0011", "1001"),
    ("1110", "0111", "1011", "1101"),
    ("1100", "1100", "0011", "0011"),
    ("11001001", "01100011", "00110110", "10011100"),
    ("10000", "00100", "00001", "01000", "00010"),
)

#: Yarn colours, R, G, B in 0..255.
YARNS: tuple[Colour, ...] = (
    (206, 198, 180),
    (168, 150, 122),
    (58, 76, 118),
    (118, 52, 52),
    (70, 96, 78),
    (84, 84, 90),
    (190, 192, 196),
    (146, 118, 78),
    (60, 60, 64),
)

#: The canvas is larger than the picture by this factor: each part shows another piece of cloth.
_CANVAS = 1.3


@dataclass(frozen=True, kw_only=True)
class Fabric:
    """The design of one cloth."""

    light: Light
    size_px: int
    pitch_px: float
    """Distance of neighbouring yarns in the picture."""
    cloth: Bytes
    """(H, W, 3) canvas of perfect cloth."""
    warp_up: Layer
    """(H, W): 1 where the warp lies on top."""
    unevenness: float
    """Relative variation of yarns."""

    @classmethod
    def draw(cls, rng: np.random.Generator, size_px: int, light: Light) -> "Fabric":
        """Return a new cloth."""
        pitch = round(size_px * uniform(rng, 1 / 56, 1 / 30))
        weave = pick(rng, WEAVES)
        up = np.asarray([[int(mark) for mark in row] for row in weave], dtype=np.float32)
        level, warp_up = _repeat(up, pitch, light, uniform(rng, 0.6, 1.4))
        count = math.ceil(size_px * _CANVAS / pitch)
        reps = (math.ceil(count / up.shape[0]), math.ceil(count / up.shape[1]))
        level, warp_up = np.tile(level, reps), np.tile(warp_up, reps)
        warp_yarns, weft_yarns = _set_up(rng, level.shape[1] // pitch, level.shape[0] // pitch)
        across = np.repeat(warp_yarns, pitch, axis=0)[None]
        along = np.repeat(weft_yarns, pitch, axis=0)[:, None]
        colour = along + (across - along) * tripled(warp_up)
        return cls(
            light=light,
            size_px=size_px,
            pitch_px=float(pitch),
            cloth=to_bytes(shaded(colour, level)),
            warp_up=warp_up,
            unevenness=uniform(rng, 0.025, 0.06),
        )

    def scene(self, rng: np.random.Generator) -> Scene:
        """Return the next piece of this cloth."""
        size, side = self.size_px, int(self.size_px * 1.14)
        room = min(self.cloth.shape[:2]) - side
        top, left = pick_index(rng, room), pick_index(rng, room)
        window = (slice(top, top + side), slice(left, left + side))
        count = max(2, int(side / self.pitch_px))
        ends = resized(rng.standard_normal((4, count), dtype=np.float32), (side, side))
        picks = resized(rng.standard_normal((count, 4), dtype=np.float32), (side, side))
        uneven = picks + (ends - picks) * self.warp_up[window]
        uneven = uneven * self.unevenness + 0.03 * grain(rng, (side, side)) + np.float32(1)
        cloth = shaded(self.cloth[window].astype(np.float32), uneven)
        turn = uniform(rng, -0.025, 0.025)
        map_x, map_y = self._distortion(rng, turn, (side - size) / 2)
        colour = cv2.remap(to_bytes(cloth), map_x, map_y, cv2.INTER_LINEAR)
        pixels = np.asarray(colour, dtype=np.float32)
        return Scene(
            colour=pixels,
            cover=np.ones((size, size), dtype=np.float32),
            below=flooded((34, 33, 32), (size, size)),
            light=self.light,
            grain_rad=turn,
            pitch_px=self.pitch_px,
            is_woven=True,
        )

    def _distortion(
        self, rng: np.random.Generator, turn_rad: float, margin_px: float
    ) -> tuple[Layer, Layer]:
        """Return where each picture pixel comes from: yarns are never quite straight."""
        size = self.size_px
        axis = np.arange(size, dtype=np.float32)
        centre = (size - 1) / 2
        cos, sin = np.float32(math.cos(turn_rad)), np.float32(math.sin(turn_rad))
        off = axis - np.float32(centre)
        sway = np.float32(self.pitch_px * 0.1)
        map_x = (off * cos)[None, :] + (off * sin)[:, None] + np.float32(centre + margin_px)
        map_y = (off * cos)[:, None] - (off * sin)[None, :] + np.float32(centre + margin_px)
        map_x = map_x + sway * smooth(rng, (size, size), size / 3)
        map_y = map_y + sway * smooth(rng, (size, size), size / 3)
        return map_x, map_y


def _set_up(rng: np.random.Generator, ends: int, picks: int) -> tuple[Layer, Layer]:
    """Return the colours of the warp and weft yarns, (ends, 3) and (picks, 3)."""
    palette = np.asarray(YARNS, dtype=np.float32)
    first, second, third = rng.permutation(palette)[:3]
    warp = np.tile(first, (ends, 1))
    weft = np.tile(first * np.float32(uniform(rng, 0.8, 1.0)), (picks, 1))
    period = 8 + 2 * pick_index(rng, 8)
    look = pick(rng, ("plain", "two colours", "stripes", "checks"))
    if look == "two colours":
        weft[:] = second
    if look in {"stripes", "checks"}:
        warp[np.arange(ends) % period < period // 3] = third
    if look == "checks":
        weft[np.arange(picks) % period < period // 3] = third
    return warp, weft


def _repeat(up: Layer, pitch: int, light: Light, twist: float) -> tuple[Layer, Layer]:
    """Return brightness and warp-on-top of one repeat of the weave.

    It is drawn three times as large and shrunk, so that edges of yarns come out smooth.
    """
    fine = pitch * 3
    rows, columns = up.shape
    y, x = np.mgrid[0 : rows * fine, 0 : columns * fine].astype(np.float32)
    row, column = (y // fine).astype(int), (x // fine).astype(int)
    u, v = (x % fine) / fine - 0.5, (y % fine) / fine - 0.5
    top = up[row, column]
    cos, sin = light.direction
    levels = []
    for across, along, own, step, lean in (
        (u, v, top, (1, 0), cos),
        (v, u, 1 - top, (0, 1), sin),
    ):
        state = up if own is top else 1 - up
        ahead = np.roll(state, (-step[0], -step[1]), (0, 1))[row, column]
        behind = np.roll(state, step, (0, 1))[row, column]
        ends = np.where(along > 0, 1 - ahead, 1 - behind)
        bulge = 1 - 0.45 * ends * (2 * np.abs(along)) ** 2.2
        round_off = np.sqrt(np.clip(1 - (across / 0.52) ** 2, 0, 1))
        plies = 1 + 0.07 * np.sin(2 * math.pi * (twist * 2 * along + 2.5 * across))
        levels.append((0.34 + 0.72 * round_off) * bulge * plies * (1 + 0.5 * across * lean))
    level = np.where(top == 1, levels[0], levels[1]).astype(np.float32)
    shape = (columns * pitch, rows * pitch)
    small = cv2.resize(level, shape, interpolation=cv2.INTER_AREA)
    over = cv2.resize(top, shape, interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32), np.asarray(over, dtype=np.float32)

"""Misprints: ink that is missing, doubled, smeared or splashed."""

import math

import cv2
import numpy as np

from inspection.capture.rendering.blemish import speck
from inspection.capture.rendering.noise import pick, pick_index, smooth, uniform
from inspection.capture.rendering.patch import Patch
from inspection.capture.rendering.pixels import Layer, Pixels, flooded, mixed, ramp

#: From this coverage on, a pixel shows nothing but part.
_WHOLE = 0.98


def misprint(patch: Patch, rng: np.random.Generator) -> Pixels:
    """Print a place badly, in one of four ways."""
    share = ramp(patch.blob(rng, patch.reach_px * 0.85, 0.1), 5 * patch.unit_px)
    return pick(rng, (_missing, _doubled, _smeared, _splashed))(patch, rng, share)


def _blank(patch: Patch) -> Pixels:
    """Return the part without print."""
    if patch.scene.blank is None:
        return patch.colour
    return patch.scene.blank()[patch.rows, patch.columns]


def _print(patch: Patch) -> Pixels:
    """Return the print as if it were on an endless part: no belt, no edge."""
    return mixed(_blank(patch), patch.colour, (patch.cover > _WHOLE).astype(np.float32))


def _missing(patch: Patch, rng: np.random.Generator, share: Layer) -> Pixels:
    """Show the bare part where ink did not take."""
    patchy = 0.95 + 0.35 * smooth(rng, patch.shape, 7 * patch.unit_px)
    return mixed(patch.colour, _blank(patch), np.clip(share * patchy, 0, 1))


def _doubled(patch: Patch, rng: np.random.Generator, share: Layer) -> Pixels:
    """Print a second time, a little off."""
    angle, step = uniform(rng, 0, 2 * math.pi), uniform(rng, 5, 9) * patch.unit_px
    ghost = patch.shifted(_print(patch), step * math.cos(angle), step * math.sin(angle))
    return mixed(patch.colour, np.minimum(patch.colour, ghost), share)


def _smeared(patch: Patch, rng: np.random.Generator, share: Layer) -> Pixels:
    """Wipe the wet ink aside."""
    angle = uniform(rng, 0, 2 * math.pi)
    length = max(3, int(uniform(rng, 14, 26) * patch.unit_px)) | 1
    middle = length // 2
    kernel = np.zeros((length, length), dtype=np.float32)
    end = (round(middle * (1 + math.cos(angle))), round(middle * (1 + math.sin(angle))))
    cv2.line(kernel, (middle, middle), end, 1.0, max(1, length // 9))
    smear = cv2.filter2D(_print(patch), -1, kernel / np.float32(kernel.sum()))
    wiped = np.minimum(patch.colour, np.asarray(smear, dtype=np.float32))
    return mixed(patch.colour, wiped * np.float32(0.96), share)


def _splashed(patch: Patch, rng: np.random.Generator, share: Layer) -> Pixels:
    """Spill drops of the darkest ink about."""
    red, green, blue = patch.tone(4)
    drops = ramp(patch.blob(rng, patch.reach_px * 0.42, 0.2), 1.5)
    for _ in range(5 + pick_index(rng, 12)):
        turn, reach = uniform(rng, 0, 2 * math.pi), patch.reach_px * uniform(rng, 0.4, 1.0)
        centre = (reach * math.cos(turn), reach * math.sin(turn))
        drop = speck(patch, rng, centre, uniform(rng, 1.2, 4.5) * patch.unit_px)
        drops = np.maximum(drops, drop * (share > 0))
    ink = flooded((red * 0.9, green * 0.9, blue * 0.9), patch.shape)
    return mixed(patch.colour, ink, drops)

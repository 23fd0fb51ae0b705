"""A conveyor that brings part after part of one design below one camera."""

from dataclasses import dataclass

from inspection.capture.rendering.noise import generator, pick_index
from inspection.capture.rendering.parts import RenderedPart, check, defects_of, render_of_design
from inspection.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Conveyor:
    """An endless sequence of parts: one design, one camera, natural variation from part to part.

    Raises:
        ConfigurationError: a field is out of its range.
    """

    product: str
    """One of `PRODUCTS`."""
    seed: int
    """Fixes the design, the camera's look and the whole sequence of parts."""
    size_px: int = 384
    """Side of the pictures."""
    defect_rate: float = 0.05
    """Share of parts with a defect after the good ones, 0..1."""
    good_parts_count: int = 0
    """The first parts, so many of them, have no defect."""

    def __post_init__(self) -> None:
        check(self.product, self.size_px)
        if not 0 <= self.defect_rate <= 1:
            message = f"defect_rate is {self.defect_rate}; choose 0 to 1."
            raise ConfigurationError(message)
        if self.good_parts_count < 0:
            message = f"good_parts_count is {self.good_parts_count}; choose 0 or more."
            raise ConfigurationError(message)

    def defect(self, index: int) -> str | None:
        """Return what is wrong with part `index`, without rendering it."""
        if index < self.good_parts_count:
            return None
        rng = generator("defect", self.seed, index, self.product)
        if rng.random() >= self.defect_rate:
            return None
        choices = defects_of(self.product)
        return choices[pick_index(rng, len(choices))]

    def part(self, index: int) -> RenderedPart:
        """Return part `index`, counted from 0; the same every time it is asked for."""
        return render_of_design(self.product, (self.seed, index), self.size_px, self.defect(index))

"""Pictures of simulated parts, good and with defects, for cameras and for training."""

from inspection.capture.rendering.conveyor import Conveyor
from inspection.capture.rendering.defects import DEFECTS
from inspection.capture.rendering.parts import PRODUCTS, RenderedPart, defects_of, render_part

__all__ = ["DEFECTS", "PRODUCTS", "Conveyor", "RenderedPart", "defects_of", "render_part"]

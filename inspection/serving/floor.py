"""The floor as an inspector knows it: the cameras to inspect, and the recipes in force."""

from collections.abc import Sequence

from inspection.domain.frame import Frame
from inspection.domain.line import Camera
from inspection.domain.recipe import LineRecipe, Recipe, recipe_in_force


class Floor:
    """What the database said when it was last asked; it stands while the database is away."""

    def __init__(
        self, *, cameras: Sequence[Camera] = (), recipes: Sequence[LineRecipe] = ()
    ) -> None:
        #: Names of the cameras whose frames are to be inspected.
        self.cameras = [camera.name for camera in cameras]
        self._line_of = {camera.name: camera.line for camera in cameras}
        self._recipes = {(found.line, found.recipe.product): found.recipe for found in recipes}

    def recipe_of(self, frame: Frame) -> Recipe:
        """Return what the detector is told about what is on `frame`."""
        line = self._line_of[frame.identity.camera]
        return recipe_in_force(self._recipes, line=line, product=frame.product)

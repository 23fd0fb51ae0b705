"""The floor as an inspector knows it: cameras to inspect, recipes and references in force."""

from collections.abc import Sequence

from inspection.domain.frame import Frame
from inspection.domain.line import Camera
from inspection.domain.recipe import LineRecipe, Recipe, recipe_in_force
from inspection.domain.reference import LineReference, reference_in_force


class Floor:
    """What the database said when it was last asked; it stands while the database is away."""

    def __init__(
        self,
        *,
        cameras: Sequence[Camera] = (),
        recipes: Sequence[LineRecipe] = (),
        references: Sequence[LineReference] = (),
    ) -> None:
        #: Names of the cameras whose frames are to be inspected.
        self.cameras = [camera.name for camera in cameras]
        self._place_of = {camera.name: (camera.line, camera.station) for camera in cameras}
        self._recipes = {(found.line, found.recipe.product): found.recipe for found in recipes}
        self._references = {
            found.place: found.content_hash for found in references if found.is_in_force
        }

    def recipe_of(self, frame: Frame) -> Recipe:
        """Return what the detector is told about what is on `frame`."""
        line, _ = self._place_of[frame.identity.camera]
        return recipe_in_force(self._recipes, line=line, product=frame.product)

    def reference_of(self, frame: Frame) -> str | None:
        """Return the content hash of the reference to score `frame` with; None: without one."""
        line, station = self._place_of[frame.identity.camera]
        return reference_in_force(
            self._references, line=line, station=station, product=frame.product
        )

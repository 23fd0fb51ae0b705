"""What a live camera sees, looked at now and then while its frames pass."""

from collections.abc import Callable
from datetime import datetime
from time import monotonic as system_monotonic

from inspection.capture.journal import Journal
from inspection.capture.view import Eye
from inspection.domain.view import History, Sight, View, ViewState
from inspection.telemetry import logger

#: Least time between two looks, in seconds, …
LOOK_S = 0.5
#: … and in times of what a look takes, so that large pictures do not keep a small machine busy.
LOOK_TIMES = 20
#: Looks after which what was learnt is kept, while it is learnt and later.
KEEP_LEARNING, KEEP_LEARNT = 8, 200


class WatchedView:
    """Looks at pictures of one camera and remembers in its journal what it normally sees."""

    def __init__(
        self, camera: str, journal: Journal, *, monotonic: Callable[[], float] = system_monotonic
    ) -> None:
        """Prepare to look.

        Args:
            camera: its name, for log records.
            journal: of the camera.
            monotonic: gives seconds that only go forward.
        """
        self._camera = camera
        self._journal = journal
        self._monotonic = monotonic
        self._due_s = monotonic()
        self._eye = Eye()
        self._sight: Sight | None = None
        self._product: str | None = None
        self._unkept_count = 0
        self._view = View()
        self._accepted_at: datetime | None = None

    def accept(self, accepted_at: datetime | None) -> None:
        """Learn anew what is normal, unless that was done already for what was accepted then."""
        if accepted_at is None or accepted_at == self._accepted_at:
            return
        self._accepted_at = accepted_at
        if self._journal.forget_views(accepted_at):
            self._sight = None
            logger().info("view_accepted", camera=self._camera)

    def begin_anew(self) -> None:
        """Forget the last pictures: the device was opened again."""
        self._eye, self._sight, self._view = Eye(), None, View()

    def look(self, payload: bytes, product: str | None) -> View:
        """Return what the camera sees, after a look at this picture if one is due.

        Args:
            payload: the encoded picture.
            product: what is on it; each has a history of its own.
        """
        begun_s = self._monotonic()
        if begun_s < self._due_s:
            return self._view
        if self._sight is None or product != self._product:
            self._sight = Sight(History.from_text(self._journal.view(product) or "{}"))
            self._product, self._unkept_count = product, 0
        looked = self._eye.look(payload, at_s=begun_s)
        if looked is not None:
            self._note(self._sight.take(looked))
            self._keep(self._sight)
        ended_s = self._monotonic()
        self._due_s = ended_s + max(LOOK_S, LOOK_TIMES * (ended_s - begun_s))
        return self._view

    def _keep(self, sight: Sight) -> None:
        history = sight.history
        self._unkept_count += 1
        is_learnt = history.normal is not None
        if self._unkept_count >= (KEEP_LEARNT if is_learnt else KEEP_LEARNING):
            self._journal.remember_view(self._product, history.to_text())
            self._unkept_count = 0

    def _note(self, view: View) -> None:
        before, self._view = self._view, view
        if view.state is before.state:
            return
        if view.state.is_blind:
            logger().warning(
                "view_lost", camera=self._camera, view=view.state.value, detail=view.detail
            )
        elif before.state.is_blind:
            logger().info("view_regained", camera=self._camera)
        if before.state is ViewState.LEARNING:
            self._unkept_count = KEEP_LEARNT

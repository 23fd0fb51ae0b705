"""Calls that have replicas survey good parts, for processes that do nothing else meanwhile."""

from collections.abc import Sequence
from typing import Any, Protocol

from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from inspection.errors import UnavailableError
from inspection.model.reference import Survey
from inspection.serving.replica import Replica
from inspection.serving.request import Refused, Request

#: Seconds a call may take; replicas may be warming up, and frames to inspect come in between.
DEADLINE_S = 180.0


class Surveying(Protocol):
    """Something that surveys encoded frames of good parts."""

    def checkpoint_hash(self) -> str:
        """Return the SHA-256 of the checkpoint that surveys.

        Raises:
            UnavailableError: no answer.
        """
        ...

    def survey(self, requests: Sequence[Request], *, of_count: int) -> list[Survey | Refused]:
        """Answer the requests of one call, in order.

        Args:
            requests: the frames.
            of_count: how many a reference will be made of.

        Raises:
            UnavailableError: no answer.
        """
        ...


class RaySurveying:
    """Surveying through a Ray Serve handle."""

    def __init__(self, handle: DeploymentHandle[Replica]) -> None:
        self._handle = handle

    def checkpoint_hash(self) -> str:
        """Return the SHA-256 of the checkpoint that surveys.

        Raises:
            UnavailableError: the replica died, failed or did not answer before the deadline.
        """
        return str(_answer(self._handle.checkpoint_hash.remote()))

    def survey(self, requests: Sequence[Request], *, of_count: int) -> list[Survey | Refused]:
        """Answer the requests of one call, in order.

        Args:
            requests: the frames.
            of_count: how many a reference will be made of.

        Raises:
            UnavailableError: the replica died, failed or did not answer before the deadline.
        """
        response = self._handle.survey.remote(list(requests), of_count)
        answers: list[Survey | Refused] = _answer(response)
        return answers


def _answer(response: Any) -> Any:
    try:
        return response.result(timeout_s=DEADLINE_S)
    except TimeoutError as error:
        raise UnavailableError(f"no replica answered within {DEADLINE_S:.0f} s") from error
    except (RayError, RayServeException) as error:
        raise UnavailableError(f"the replica failed: {type(error).__name__}") from error

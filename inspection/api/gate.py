"""The gate: every route names the permission it asks for, and no route is without one."""

from typing import Protocol

from fastapi import Request

from inspection.domain.access import Permission, Principal
from inspection.errors import ForbiddenError


class Gate(Protocol):
    """Knows who asks."""

    def principal(self, request: Request) -> Principal:
        """Return who sent a request.

        Raises:
            UnauthenticatedError: nobody knows.
        """
        ...


class Permitted:
    """A dependency that lets nobody pass who lacks a permission.

    `caller: Annotated[Principal, Depends(Permitted(Permission.READ))]` in a route's signature.
    """

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    def __call__(self, request: Request) -> Principal:
        """Return who asks.

        Raises:
            UnauthenticatedError: nobody knows who it is.
            ForbiddenError: they may not.
        """
        gate: Gate = request.app.state.installation.gate
        principal = gate.principal(request)
        if self.permission not in principal.permissions:
            raise ForbiddenError(f"{principal.name} has no permission to {self.permission.value}")
        return principal

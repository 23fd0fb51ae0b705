"""What nobody foresaw: answered as a problem with a number, and logged under that number."""

import traceback
import uuid
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inspection.api import problems
from inspection.telemetry import logger


class Faults:
    """The outermost layer of an application; nothing that is raised goes past it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def sent(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except Exception as error:  # noqa: BLE001 - the outermost loop of an answer
            number = uuid.uuid4().hex
            logger().error(
                "request_failed",
                error_id=number,
                method=scope["method"],
                path=scope["path"],
                traceback="".join(traceback.format_exception(error)),
            )
            if not has_begun:
                detail = f"this is our fault; the log has it as error_id {number}"
                answer = problems.answer(HTTPStatus.INTERNAL_SERVER_ERROR, detail)
                await answer(scope, receive, send)

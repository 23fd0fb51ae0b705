"""A real HTTP server that answers as it is told."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from inspection.alerting.outbound import Outbound

#: Lets webhooks reach the receiver.
LOOPBACK = Outbound(webhook_hosts=("127.0.0.1",))

#: Given the handler of a request that was read, answers it.
Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was received."""

    path: str
    #: Names in lower case.
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Takes POST requests on a loopback port; answers 200 unless told otherwise."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        #: Connections that were made, open or not.
        self.connections: list[socket.socket] = []
        #: Set at the end; whoever hangs waits for it.
        self.is_closing = threading.Event()
        self._answers: list[Answer] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/alerts"

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Take encrypted connections alone from now on."""
        listener = self._server.socket
        self._server.socket = context.wrap_socket(
            listener, server_side=True, do_handshake_on_connect=False
        )

    def answer(self, *answers: int | Answer) -> None:
        """Answer the next requests so: a status, or a function."""
        self._answers += [_status(each) if isinstance(each, int) else each for each in answers]

    def hang(self, _handler: BaseHTTPRequestHandler) -> None:
        """Do not answer until the end."""
        self.is_closing.wait()

    def trickle(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a byte now and then, for ever."""
        for byte in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1_000_000:
            if self.is_closing.wait(0.02):
                return
            handler.wfile.write(bytes([byte]))

    def flood(self, handler: BaseHTTPRequestHandler) -> None:
        """Refuse, and say why without end."""
        handler.send_response(500)
        self._pour(handler)

    def take_and_flood(self, handler: BaseHTTPRequestHandler) -> None:
        """Take it, and say so without end."""
        handler.send_response(200)
        self._pour(handler)

    def take_and_hang(self, handler: BaseHTTPRequestHandler) -> None:
        """Take it, promise to say more, and do not."""
        handler.send_response(200)
        handler.send_header("content-length", "1000000000")
        handler.end_headers()
        self.is_closing.wait()

    def close(self) -> None:
        self.is_closing.set()
        self._server.shutdown()
        self._thread.join()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()

    def _pour(self, handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.send_header("content-length", "1000000000")
        handler.end_headers()
        while not self.is_closing.is_set():
            handler.wfile.write(b"because " * 8192)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                receiver.connections.append(self.connection)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.requests.append(Request(path=self.path, headers=headers, body=body))
                answer = receiver._answers.pop(0) if receiver._answers else _status(200)
                try:
                    answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                self.close_connection |= receiver.is_closing.is_set()

            def log_message(self, *_arguments: object) -> None:
                """Stay quiet."""

        return Handler


def redirect_to(location: str) -> Answer:
    return _answer(302, {"location": location})


def refuse_until(retry_after: str) -> Answer:
    return _answer(503, {"retry-after": retry_after})


def _status(status: int) -> Answer:
    return _answer(status, {})


def _answer(status: int, headers: dict[str, str]) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        words = b"this is why\n"
        handler.send_response(status)
        for name, value in {**headers, "content-length": str(len(words))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(words)

    return answer

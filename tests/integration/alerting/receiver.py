"""A real HTTP server that answers as it is told."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

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
        #: Set at the end; whoever hangs waits for it.
        self.is_closing = threading.Event()
        self._answers: list[Answer] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/alerts"

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
        handler.end_headers()
        while not self.is_closing.is_set():
            handler.wfile.write(b"because " * 8192)

    def close(self) -> None:
        self.is_closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.requests.append(Request(path=self.path, headers=headers, body=body))
                answer = receiver._answers.pop(0) if receiver._answers else _status(200)
                try:
                    answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *_arguments: object) -> None:
                """Stay quiet."""

        return Handler


def redirect(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("location", "/elsewhere")
    handler.send_header("content-length", "0")
    handler.end_headers()


def _status(status: int) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        words = b"this is why\n"
        handler.send_response(status)
        handler.send_header("content-length", str(len(words)))
        handler.end_headers()
        handler.wfile.write(words)

    return answer

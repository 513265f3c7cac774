"""An OpenAI-compatible endpoint on 127.0.0.1 that answers what the test says, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMPLETION = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "a-model",
    "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None,
                 "message": {"role": "assistant", "content": "Here they are.", "refusal": None}}],
}  # fmt: skip


@dataclass
class Chat:
    """`faults` are answered first, one a request: a status, the seconds (float) until the connection is
    closed without an answer, or -1 for one that is no HTTP; `answer` then."""

    answer: object = field(default_factory=lambda: COMPLETION)
    faults: list[int | float] = field(default_factory=list[int | float])
    requests: list[tuple[str, dict[str, str], Any]] = field(default_factory=list[tuple[str, dict[str, str], Any]])
    base_url: str = ""
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def chatting() -> Iterator[Chat]:
    chat = Chat()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            chat.requests.append((self.path, dict(self.headers), body))
            fault = chat.faults.pop(0) if chat.faults else 200
            if isinstance(fault, float):
                chat.released.wait(fault)
                return
            if fault < 0:
                self.wfile.write(b"this is not HTTP\r\n\r\n")
                return
            if fault // 100 == 3:
                self.send_response(fault)
                self.send_header("Location", f"http://localhost:{self.server.server_address[1]}/elsewhere")
                self.end_headers()
                return
            answer = json.dumps(chat.answer if fault == 200 else {"error": {"message": "no such model"}}).encode()
            self.send_response(fault)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self) -> None:
            chat.requests.append((self.path, dict(self.headers), None))
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    chat.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield chat
    finally:
        chat.released.set()
        server.shutdown()
        server.server_close()
        thread.join()

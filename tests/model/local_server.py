"""A file server on 127.0.0.1 with ranges, and with the faults that servers on the way to a corpus have."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What is served: content by path, and faults by path. `requests` are (path, Range header or None)."""

    files: dict[str, bytes] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    ignores_range: set[str] = field(default_factory=set)
    drops_at: dict[str, list[int]] = field(default_factory=dict)
    """for the next answers of a path: close the connection after so many bytes of the body"""
    unavailable: Counter[str] = field(default_factory=Counter)
    """answer 503 so many times"""
    redirects: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ranges(self, path: str) -> list[str | None]:
        return [range_ for name, range_ in self.requests if name == path]


@contextmanager
def serving() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name, range_ = self.path.lstrip("/"), self.headers.get("Range")
            with site.lock:
                site.requests.append((name, range_))
                if site.unavailable[name] > 0:
                    site.unavailable[name] -= 1
                    return self.answer(503, b"busy", {"Retry-After": "0"})
                drop = site.drops_at[name].pop(0) if site.drops_at.get(name) else None
            if name in site.redirects:
                return self.answer(302, b"", {"Location": site.redirects[name]})
            if name not in site.files:
                return self.answer(404, b"no such file")
            body, headers = site.files[name], {}
            if name in site.etags:
                headers["ETag"] = site.etags[name]
            found = re.fullmatch(r"bytes=(\d+)-", range_ or "")
            if not found or name in site.ignores_range:
                return self.answer(200, body, headers, drop)
            start = int(found[1])
            if start >= len(body):
                return self.answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            return self.answer(206, body[start:], headers, drop)

        def answer(
            self, status: int, body: bytes, headers: dict[str, str] | None = None, drop: int | None = None
        ) -> None:
            self.send_response(status)
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:drop])
            if drop is not None:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""Debian's docker-registry on loopback, and a proxy before it that misbehaves as real networks do."""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from waiting import wait_until


class Registry:
    """A registry with its storage in a folder; `host` is what comes before the slash of an image's name."""

    def __init__(self, program: str, folder: Path, storage: Path | None = None, extra: str = ""):
        folder.mkdir(parents=True, exist_ok=True)
        self.storage = storage or folder / "storage"
        config = folder / "config.yml"
        config.write_text(
            f"version: 0.1\nlog: {{level: info, accesslog: {{disabled: true}}}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.storage}}}}}\nhttp: {{addr: 127.0.0.1:0}}\n{extra}"
        )
        self._log = folder / "log"
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log)
        try:
            self.host = wait_until(self._address, "the registry listens")
        except BaseException:
            self.close()
            raise
        self.port = int(self.host.rpartition(":")[2])

    def _address(self) -> str | None:
        """Where it listens, once it does: the port is the kernel's choice."""
        said = self._log.read_text()
        assert self._process.poll() is None, said
        found = re.search(r'listening on ([^"]+)"', said)
        return found[1] if found else None

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


Rule = Callable[["Exchange"], bool]
"""Looks at a request; True: it answered (or broke) it itself, False: it goes through."""


class Exchange(BaseHTTPRequestHandler):
    """One request between the engine and the registry."""

    proxy: Proxy

    def log_message(self, *words: object) -> None:
        pass

    @property
    def layer(self) -> bool:
        """Whether the body of a large blob is asked for: the image's configuration is a blob too, a small one."""
        if self.command != "GET" or re.search(r"/blobs/sha256:", self.path) is None:
            return False
        upstream = http.client.HTTPConnection("127.0.0.1", self.proxy.registry.port)
        upstream.request("HEAD", self.path)
        size = int(upstream.getresponse().headers.get("Content-Length", 0))
        upstream.close()
        return size > 100_000

    @property
    def manifest(self) -> bool:
        return "/manifests/" in self.path

    def do_GET(self) -> None:
        with self.proxy.lock:
            self.proxy.seen.append(f"{self.command} {self.path}")
        if self.proxy.rule(self):
            self.close_connection = True
            return
        self.forward()

    do_HEAD = do_GET

    def forward(self, half: bool = False) -> None:
        """Ask the registry and pass its answer on, or only half of its body."""
        upstream = http.client.HTTPConnection("127.0.0.1", self.proxy.registry.port)
        kept = {k: v for k, v in self.headers.items() if k.lower() not in ("connection",)}
        upstream.request(self.command, self.path, headers=kept)
        answer = upstream.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            body = answer.read()
            self.wfile.write(body[: len(body) // 2] if half else body)
            self.wfile.flush()
        upstream.close()

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Proxy:
    """Between the engine and a registry. rule: what goes wrong; `released` ends stalls."""

    def __init__(self, registry: Registry, rule: Rule):
        self.registry, self.rule = registry, rule
        self.seen: list[str] = []
        self.lock = threading.Lock()
        self.released = threading.Event()
        handler = type("Handler", (Exchange,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def count(self, what: str) -> int:
        with self.lock:
            return sum(what in line for line in self.seen)

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


def once(rule: Rule, wanted: Callable[[Exchange], bool], times: int = 1) -> Rule:
    """The rule for the first `times` requests that are wanted; all others go through."""
    lock, left = threading.Lock(), [times]

    def ruled(exchange: Exchange) -> bool:
        if not wanted(exchange):
            return False
        with lock:
            left[0] -= 1
            due = left[0] >= 0
        return due and rule(exchange)

    return ruled


def cut(exchange: Exchange) -> bool:
    """Half of an answer, then the connection is gone."""
    exchange.forward(half=True)
    exchange.connection.shutdown(socket.SHUT_RDWR)
    return True


def stall(exchange: Exchange) -> bool:
    """Half of an answer, then nothing more until the test is over."""
    exchange.forward(half=True)
    exchange.proxy.released.wait()
    return True


def stays_away(exchange: Exchange) -> bool:
    """No answer at all until the test is over."""
    exchange.proxy.released.wait()
    return True


def waits(exchange: Exchange) -> bool:
    """The right answer, but only when the test says so."""
    exchange.proxy.released.wait()
    return False


def says(status: int, body: bytes = b"{}", **headers: str) -> Rule:
    def rule(exchange: Exchange) -> bool:
        exchange.answer(status, body, **headers)
        return True

    return rule


def fine(exchange: Exchange) -> bool:
    return False

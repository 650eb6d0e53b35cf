"""Who may ask the server, and what a browser may do with what it answers.

A page elsewhere can make a browser ask a server on loopback (by a name of its own that suddenly leads there: DNS
rebinding); it cannot forge the Host and Origin that the browser sends along, so both must be ours. Nothing here can be
changed by a request: there are no other methods than GET and HEAD.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
App = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]

LOOPBACK = ("localhost", "127.0.0.1", "::1")
HEADERS = {
    # Scripts, styles and requests of our own files alone; nothing inline, no frame, no form to elsewhere.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def guarded(app: App, hosts: Collection[str]) -> App:
    """`app` for requests to one of these hosts (names or addresses, no ports), from a page of its own or from none."""
    known = {host.lower().strip("[]") for host in hosts}

    async def guard(scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refused = _refused(scope["method"], headers, known)
        if refused:
            await _answer(send, *refused)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in own),
                ]
            await send(message)

        await app(scope, receive, with_headers)

    return guard


def _refused(method: str, headers: dict[str, str], known: Collection[str]) -> tuple[int, str] | None:
    if method not in ("GET", "HEAD"):
        return 405, "The viewer only shows: GET and HEAD are all it knows."
    if _host(f"//{headers.get('host', '')}") not in known:
        return (
            403,
            "This is not the host that the viewer serves: say `winnow view --allow-host NAME` if it should be.",
        )
    origin = headers.get("origin")
    if origin is not None and (_host(origin) not in known or _port(origin) != _port(f"//{headers['host']}")):
        return 403, "A page from elsewhere may not ask the viewer."
    if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
        return 403, "A page from elsewhere may not ask the viewer."
    return None


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _port(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError:
        return -1


async def _answer(send: Any, status: int, sentence: str) -> None:
    body = sentence.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""A real OpenAI-compatible server on loopback, which misbehaves when it is told to, and counts.

In a test:

    with start_server(lambda body: "Hello") as server:
        server.next({"misbehave": "rate_limit", "retry_after": 1})    # the next call only; then as told above
        ... server.url, server.calls, server.answered, server.requests, server.peak

As a process of its own, so that calls are counted outside of a process group that is killed:

    python tests/models/misbehaving.py --port 0 --rules FILE      # prints {"url": ...} as its first line

FILE has the rules of models/deterministic.py (matched by the last message; `at` is not sent over HTTP) and may have
`faults`: a list of tables like {call = 3, misbehave = "cut"} or {every = 7, misbehave = "error", status = 503}.
GET /calls gives {"calls", "answered", "in_flight", "peak"}, GET /requests the bodies, POST /reset forgets them.
--log FILE appends a line of JSON for each call: {"call", "at", "event": "asked" | "answered", "body"}.

A reply is a text; or a mapping for a completion: {"content", "finish", "thinking": {field: value}, "tool_calls",
"cached", "reasoning", "tokens", "model", "seconds", "logprobs": False | {token: logprob}, "most_choices": k,
"usage": False, "contents": [one for each choice]}; or a mapping with "choices" or "body": that JSON as it is; or one
with "misbehave":
  rate_limit (retry_after: seconds or a date), error (status, message, code, param, headers), cut (in the middle of the
  body), hang_up (before any answer), empty_choices, null_content, truncated (half of a JSON body), overflow,
  reject (param), slow (seconds; then "then"), not_json.
"""

from __future__ import annotations

import argparse
import json
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Reply = Callable[[dict[str, Any]], "dict[str, Any] | str"]


class Server:
    """A running server. `url` is the base that clients are given; calls are counted when they arrive."""

    def __init__(self, reply: Reply, host: str = "127.0.0.1", port: int = 0, log: Path | None = None):
        self.reply = reply
        self.calls = 0
        self.answered = 0
        self.in_flight = 0
        self.peak = 0
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self._queued: deque[Any] = deque()
        self._log = log
        self._http = _Http((host, port), _Handler)
        self._http.owner = self
        self.url = f"http://{host}:{self._http.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def next(self, *replies: Any) -> None:
        """What the next calls get, one each, before `reply` is asked again."""
        self._queued.extend(replies)

    def counts(self) -> dict[str, int]:
        return {
            "calls": self.calls,
            "answered": self.answered,
            "in_flight": self.in_flight,
            "peak": self.peak,
        }

    def reset(self) -> None:
        """Forget what was counted."""
        with self.lock:
            self.calls = self.answered = 0
            self.peak = self.in_flight
            self.requests.clear()
            self.headers.clear()
            self.paths.clear()

    def close(self) -> None:
        self.closing.set()  # slow replies need not be waited for
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def arrived(self, body: dict[str, Any], headers: dict[str, str], path: str) -> tuple[int, Any]:
        """Count a call; its number, and what it gets where that was said beforehand."""
        with self.lock:
            self.calls += 1
            self.in_flight += 1
            self.peak = max(self.peak, self.in_flight)
            self.requests.append(body)
            self.headers.append(headers)
            self.paths.append(path)
            self._note(self.calls, "asked", body)
            return self.calls, self._queued.popleft() if self._queued else None

    def ended(self, call: int, answered: bool) -> None:
        with self.lock:
            self.in_flight -= 1
            self.answered += answered
            if answered:
                self._note(call, "answered", None)

    def _note(self, call: int, event: str, body: Any) -> None:
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"call": call, "at": time.time(), "event": event, "body": body}) + "\n")


def start_server(
    reply: Reply | str, *, host: str = "127.0.0.1", port: int = 0, log: Path | None = None
) -> Server:
    """Start a server that answers each request's body by `reply`."""
    return Server((lambda body: reply) if isinstance(reply, str) else reply, host, port, log)


def completion(said: Mapping[str, Any] | str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A chat completion of `said` for a request's body, with usage at 4 characters a token."""
    said = {"content": said} if isinstance(said, str) else said
    count = min(int(body.get("n") or 1), int(said.get("most_choices", 1000)))
    contents = said.get("contents") or [said.get("content", "")] * count
    message = {"role": "assistant", **said.get("thinking", {})}
    if said.get("tool_calls"):
        message["tool_calls"] = said["tool_calls"]
    finish = said.get("finish", "tool_calls" if said.get("tool_calls") else "stop")
    logprobs = _logprobs(said.get("logprobs", {"Hello": -0.1}), body)
    choices = [
        {
            "index": i,
            "message": message | {"content": text},
            "finish_reason": finish,
            "logprobs": logprobs,
        }
        for i, text in enumerate(contents[:count])
    ]
    prompt = -(-sum(len(str(m.get("content") or "")) for m in body.get("messages", ())) // 4)
    generated = said.get("tokens", sum(-(-len(text or "") // 4) for text in contents[:count]))
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": said.get("model", body.get("model")),
        "choices": choices,
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": generated,
            "total_tokens": prompt + generated,
            "prompt_tokens_details": {"cached_tokens": said.get("cached", 0)},
            "completion_tokens_details": {"reasoning_tokens": said.get("reasoning", 0)},
        },
    }
    if said.get("usage") is False:
        del answer["usage"]
    return answer


def _logprobs(given: Any, body: Mapping[str, Any]) -> dict[str, Any] | None:
    if not body.get("logprobs") or not given:
        return None
    top = sorted(given.items(), key=lambda item: -item[1])
    most = int(body.get("top_logprobs") or 0)
    alternatives = [{"token": token, "logprob": value, "bytes": None} for token, value in top[:most]]
    first = {"token": top[0][0], "logprob": top[0][1], "bytes": None, "top_logprobs": alternatives}
    return {"content": [first], "refusal": None}


class _Http(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True
    owner: Server

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what this server is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Http

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        owner = self.server.owner
        if self.path == "/calls":
            self._send(200, owner.counts())
        elif self.path == "/requests":
            with owner.lock:
                self._send(200, list(owner.requests))
        else:
            self._send(200, {"object": "list", "data": [{"id": "model", "object": "model"}]})

    def do_POST(self) -> None:
        owner = self.server.owner
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/reset":
            owner.reset()
            self._send(200, {})
            return
        body = json.loads(raw)
        headers = {key.lower(): value for key, value in self.headers.items()}
        call, said = owner.arrived(body, headers, self.path)
        answered = False
        try:
            answered = self._answer(owner.reply(body) if said is None else said, body)
        except OSError:
            self.close_connection = True  # The client has gone.
        except Exception as error:
            self._error(400, f"The test's server has no reply: {error!r}", None, None, {})
        finally:
            owner.ended(call, answered)

    def _answer(self, said: Any, body: dict[str, Any]) -> bool:
        """Whether a whole reply was sent."""
        if isinstance(said, Mapping) and "misbehave" in said:
            return self._misbehave(said, body)
        if isinstance(said, Mapping) and said.get("seconds"):
            self.server.owner.closing.wait(said["seconds"])
        if isinstance(said, Mapping) and "body" in said:
            self._send(200, said["body"])
        else:
            raw = isinstance(said, Mapping) and "choices" in said
            self._send(200, said if raw else completion(said, body))
        return True

    def _misbehave(self, how: Mapping[str, Any], body: dict[str, Any]) -> bool:
        kind = how["misbehave"]
        whole = json.dumps(completion(str(how.get("content", "Hello " * 50)), body)).encode()
        if kind == "slow":
            self.server.owner.closing.wait(how.get("seconds", 1.0))
            return self._answer(how.get("then", "late"), body)
        if kind == "rate_limit":
            wish = {"Retry-After": str(how["retry_after"])} if "retry_after" in how else {}
            self._error(429, how.get("message", "Rate limit reached"), "rate_limit_exceeded", None, wish)
        elif kind == "error":
            message, headers = how.get("message", "The server had an error"), how.get("headers", {})
            self._error(how.get("status", 500), message, how.get("code"), how.get("param"), headers)
        elif kind == "overflow":
            default = (
                "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens."
            )
            self._error(400, how.get("message", default), "context_length_exceeded", "messages", {})
        elif kind == "reject":
            text = f"Unsupported parameter: '{how['param']}' is not supported with this model."
            self._error(400, how.get("message", text), "unsupported_parameter", how["param"], {})
        elif kind == "cut":
            self._send_bytes(200, whole[: len(whole) // 2], length=len(whole))
            self._reset_connection()
        elif kind == "hang_up":
            self._reset_connection()
        elif kind == "truncated":
            self._send_bytes(200, whole[: len(whole) // 2])
        elif kind == "not_json":
            self._send_bytes(200, b"<html>Bad gateway</html>", content_type="text/html")
        elif kind == "empty_choices":
            self._send(200, completion("", body) | {"choices": []})
        elif kind == "null_content":
            self._send(200, completion({"contents": [None] * int(body.get("n") or 1)}, body))
        else:
            raise ValueError(f"unknown misbehaviour {kind}")
        return False

    def _error(self, status: int, message: str, code: Any, param: Any, headers: Mapping[str, str]) -> None:
        error = {"message": message, "type": "invalid_request_error", "code": code, "param": param}
        self._send(status, {"error": error}, headers)

    def _send(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        self._send_bytes(status, json.dumps(body).encode(), headers or {})

    def _send_bytes(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        length: int | None = None,
        content_type: str = "application/json",
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _reset_connection(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def by_rules(path: Path) -> Reply:
    """Replies by a file of rules and faults."""
    import tomllib

    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from models.deterministic import DeterministicModel, Rules
    from models.protocol import Message, Request

    text = path.read_text(encoding="utf-8")
    data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    faults = data.pop("faults", [])
    rules = Rules.model_validate(data)
    model = DeterministicModel(rules=rules, name="rules")
    count = iter(range(1, 1 << 60))

    def reply(body: dict[str, Any]) -> dict[str, Any] | str:
        call = next(count)
        for fault in faults:
            if fault.get("call") == call or (fault.get("every") and call % fault["every"] == 0):
                return fault
        said = tuple(
            Message(m["role"], m["content"] if isinstance(m["content"], str) else json.dumps(m["content"]))
            for m in body["messages"]
        )
        request = Request(said, n=int(body.get("n") or 1), seed=body.get("seed"))
        rule = model.rule(request, "")
        answer = model.answer(request)
        return {
            "contents": [choice.message.content for choice in answer.choices],
            "finish": answer.choices[0].finish,
            "seconds": rule.seconds if rule else 0.0,
            "logprobs": rule.logprobs if rule else {},
        }

    return reply


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rules", type=Path)
    parser.add_argument("--log", type=Path)
    given = parser.parse_args()
    reply: Reply = by_rules(given.rules) if given.rules else (lambda body: "Hello")
    server = Server(reply, port=given.port, log=given.log)
    print(json.dumps({"url": server.url}), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()

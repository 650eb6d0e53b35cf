"""What asking costs beside the server: each client against a server that answers at once, arms interleaved.

    python tests/models/overhead.py [--calls 300]

Prints milliseconds a call (median), one at a time and with 50 in flight, for a prompt of 20 bytes and one of 400 KB.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

_SERVER = r"""
import asyncio, json
body = json.dumps({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0,
    "message": {"role": "assistant", "content": "Hello " * 100}, "finish_reason": "stop", "logprobs": None}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 100, "total_tokens": 105}}).encode()
answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body

async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(l.split(b":")[1]) for l in head.lower().split(b"\r\n") if l.startswith(b"content-length"))
            await reader.readexactly(length)
            writer.write(answer)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20, backlog=500)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


async def measure(url: str, calls: int, letters: int) -> dict[str, list[float]]:
    import httpx
    from openai import AsyncOpenAI

    from models import Budget, Message, OpenAIClient, Request, stack

    messages = [{"role": "user", "content": "x" * letters}]
    request = Request((Message("user", "x" * letters),))
    raw = httpx.AsyncClient()
    sdk = AsyncOpenAI(api_key="x", base_url=url, max_retries=0)
    ours = OpenAIClient("vllm/m", "m", api_base=url)
    whole = stack(ours, budget=Budget(tokens=10**12))
    arms = {
        "httpx alone": lambda: raw.post(url + "/chat/completions", json={"model": "m", "messages": messages}),
        "openai SDK": lambda: sdk.chat.completions.create(model="m", messages=messages),
        "OpenAIClient": lambda: ours.ask(request),
        "the whole stack": lambda: whole.ask(request),
    }
    alone: dict[str, list[float]] = {name: [] for name in arms}
    for ask in arms.values():
        await ask()
    for _ in range(calls):
        for name, ask in arms.items():
            started = time.perf_counter()
            await ask()
            alone[name].append((time.perf_counter() - started) * 1000)
    together: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(5):
        for name, ask in arms.items():
            started = time.perf_counter()
            await asyncio.gather(*(ask() for _ in range(50)))
            together[name].append((time.perf_counter() - started) * 1000 / 50)
    for client in (raw.aclose, sdk.close, ours.close):
        await client()
    return {name: [statistics.median(alone[name]), statistics.median(together[name])] for name in arms}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=300)
    calls = parser.parse_args().calls
    with subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
            for letters in (20, 400_000):
                found = asyncio.run(measure(url, calls, letters))
                print(json.dumps({"prompt_bytes": letters, "ms_alone_and_of_50": found}, indent=1))
        finally:
            server.kill()


if __name__ == "__main__":
    main()

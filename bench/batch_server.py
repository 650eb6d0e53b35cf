"""A model that answers at once: every attempt takes six calls, whoever asks. Its first line of output is its URL.

Winnow says in a header which step it asks for; of mini-swe-agent's requests the conversation says it.
"""

from __future__ import annotations

import asyncio
import json

SCRIPT = "#!/bin/sh\n# try {index}\ngrep -q fixed names.py && exit 0\nexit 2\n"
EDIT = "<<<<< EDIT names.py\n===== FIND\nWRONG = 1\n===== REPLACE\nfixed = {index}\n>>>>> END\n"
STEPS = 6


def reply(step: str, messages: list[dict]) -> str:
    """What is answered. step: "attempt-2/editing/1", "" for somebody who does not say."""
    if not step:
        done = sum(message["role"] == "assistant" for message in messages)
        command = "grep -q fixed names.py; echo $?"
        if done == STEPS - 1:
            command = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
        return f"Step {done}.\n\n```mswea_bash_command\n{command}\n```\n"
    branch, index = step.split("/")[1], int(step.rsplit("/", 1)[1])
    if index == 2:
        return "So it is.\n\n<<<<< DONE\n"
    if branch == "testing":
        return f"A test.\n\n<<<<< TEST\n{SCRIPT.format(index=index)}>>>>> END\n"
    return f"An edit.\n\n{EDIT.format(index=index)}"


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
            text = reply(headers.get("x-winnow-step", ""), body["messages"])
            sent = sum(len(str(message["content"])) for message in body["messages"]) // 4
            answer = json.dumps(
                {
                    "id": "x",
                    "object": "chat.completion",
                    "created": 1,
                    "model": "m",
                    "choices": [
                        {
                            "index": 0,
                            "message": {"role": "assistant", "content": text},
                            "finish_reason": "stop",
                        }
                    ],
                    "usage": {"prompt_tokens": sent, "completion_tokens": 40, "total_tokens": sent + 40},
                }
            ).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                % len(answer)
                + answer
            )
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 22, backlog=500)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

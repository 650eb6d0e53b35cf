"""The misbehaving server as a process of its own."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from waiting import wait_until

from models import Message, OpenAIClient, RateLimited, Request, ServerFault

RULES = """
faults = [{ call = 2, misbehave = "rate_limit", retry_after = 7 }, { every = 3, misbehave = "truncated" }]
[[rules]]
says = "Hi (?P<who>\\\\w+)"
reply = "Hello {{who}}"
"""


@pytest.fixture
def process(tmp_path):
    (tmp_path / "rules.toml").write_text(RULES)
    program = [sys.executable, str(Path(__file__).with_name("misbehaving.py"))]
    given = ["--rules", str(tmp_path / "rules.toml"), "--log", str(tmp_path / "log.jsonl")]
    with subprocess.Popen([*program, *given], stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        yield json.loads(process.stdout.readline())["url"]
        process.kill()


def get(url, path):
    with urllib.request.urlopen(url.removesuffix("/v1") + path) as reply:
        return json.loads(reply.read())


async def test_calls_are_counted_outside_of_the_caller(process, tmp_path):
    client = OpenAIClient("vllm/x", "x", api_base=process)
    hi = Request((Message("user", "Hi Bob"),), n=2)
    assert [c.message.content for c in (await client.ask(hi)).choices] == ["Hello Bob"] * 2
    with pytest.raises(RateLimited) as raised:
        await client.ask(hi)
    assert raised.value.retry_after == 7
    with pytest.raises(ServerFault):
        await client.ask(hi)
    wait_until(lambda: get(process, "/calls")["in_flight"] == 0, "the last call is over for the server too")
    assert get(process, "/calls") == {"calls": 3, "answered": 1, "in_flight": 0, "peak": 1}
    assert get(process, "/requests")[0]["messages"] == [{"role": "user", "content": "Hi Bob"}]
    events = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(e["call"], e["event"]) for e in events] == [
        (1, "asked"),
        (1, "answered"),
        (2, "asked"),
        (3, "asked"),
    ]
    await client.close()

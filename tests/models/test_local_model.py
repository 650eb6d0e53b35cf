"""A gguf file served by a process of our own: real HTTP, real tokens; and every way in which it cannot be."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys

import httpx
import pytest
from waiting import PATIENCE, wait_until, wait_until_async

from models import ContextOverflow, LocalModel, Message, Refused, Request, Unreachable, open_model, stack
from models.gguf_file import is_gguf, read_gguf

HI = Request((Message("user", "Say YES or NO."),), temperature=1.0, max_tokens=8)
EITHER = Request(HI.messages, temperature=1.0, max_tokens=8, logprobs=5, grammar='root ::= "YES" | "NO"\n')


def is_alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it may go while it is looked at
        return False


def pid_of(model):
    return model._server._process.pid


async def kill(model):
    os.kill(pid_of(model), signal.SIGKILL)
    assert await model._server.ends(PATIENCE)


def status_without_key(model):
    address = f"{model._server.address}/v1/chat/completions"
    return httpx.post(address, json={"messages": []}, trust_env=False, timeout=PATIENCE).status_code


async def test_a_file_answers_with_real_tokens_in_the_grammar_asked_for(tiny_gguf):
    model = open_model(str(tiny_gguf), slots=2)
    try:
        reply = await model.ask(EITHER)
        assert reply.text in ("YES", "NO") and reply.choices[0].finish == "stop"
        tokens = reply.choices[0].logprobs
        assert "".join(token.token for token in tokens) == reply.text
        assert all(token.logprob < 0 and len(token.top) == 5 for token in tokens)
        assert reply.usage.prompt > 5 and reply.usage.completion >= 2 and reply.cost == 0
        first = pid_of(model)
        several = await asyncio.gather(*(model.ask(EITHER) for _ in range(4)))
        assert {each.text for each in several} <= {"YES", "NO"} and pid_of(model) == first
        several = await model.ask(Request(HI.messages, temperature=1.0, max_tokens=4, n=3))
        assert [choice.finish for choice in several.choices] == ["length"] * 2  # as many as it has slots
        three = await stack(model).ask(Request(HI.messages, temperature=1.0, max_tokens=4, n=3))
        assert len(three.choices) == 3
        with pytest.raises(ContextOverflow):
            await model.ask(Request((Message("user", "~" * (model.window + 10)),)))
        with pytest.raises(Refused, match="grammar"):
            await model.ask(Request(HI.messages, grammar="root ::= nowhere\n", max_tokens=4))
        assert await asyncio.to_thread(status_without_key, model) == 401  # nobody else here is answered
    finally:
        await model.close()
    assert not is_alive(first)


async def test_a_process_that_dies_is_the_worlds_fault_and_is_started_again_a_few_times(
    tiny_gguf, monkeypatch, caplog
):
    monkeypatch.setattr("models.local_model._NOTICED", PATIENCE)
    caplog.set_level(logging.DEBUG, "httpcore.http11")  # it says when a request was sent whole
    model = LocalModel(str(tiny_gguf), slots=1)
    long = Request(HI.messages, max_tokens=60_000, grammar="root ::= " + "[a-z]{1900} " * 6 + "\n")
    try:
        await model.ask(EITHER)
        for _ in range(2):
            await model._served()
            caplog.clear()
            asking = asyncio.ensure_future(model.ask(long))
            await wait_until_async(lambda: "receive_response_headers.started" in caplog.text, "it is asked")
            await kill(model)
            with pytest.raises(Unreachable, match="SIGKILL"):
                await asking
        await model.ask(EITHER)  # an answer: what came before is forgiven
        for _ in range(2):
            await kill(model)
            await model._served()
        await kill(model)
        with pytest.raises(Refused, match="3 times in a row"):
            await model.ask(EITHER)
    finally:
        await model.close()


def test_it_ends_with_its_owner_however_that_ends(tiny_gguf):
    program = (
        "import asyncio, sys\n"
        "from models import LocalModel, Message, Request\n"
        "async def main():\n"
        "    model = LocalModel(sys.argv[1])\n"
        "    await model.ask(Request((Message('user', 'Hi'),), max_tokens=1))\n"
        "    print(model._server._process.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", program, tiny_gguf], stdout=subprocess.PIPE, text=True)
    try:
        served = int(owner.stdout.readline())
        assert is_alive(served)
    finally:
        owner.kill()
        owner.communicate()
    wait_until(lambda: not is_alive(served), "the process that served has ended")


def test_a_gguf_says_its_window_and_what_a_token_takes(tiny_gguf):
    facts = read_gguf(tiny_gguf)
    # one layer, one head for keys and values, 16 numbers each, two bytes a number
    assert (facts.architecture, facts.window, facts.cache) == ("llama", 65_536, 1 * 1 * (16 + 16) * 2)
    assert facts.size == tiny_gguf.stat().st_size < 2_000_000
    assert is_gguf("a/B.GGUF") and not is_gguf("ollama/x.gguf") and not is_gguf("llamacpp/m.gguf")


def test_a_file_that_is_cut_anywhere_is_a_sentence(tiny_gguf, tmp_path):
    whole = tiny_gguf.read_bytes()
    head = whole.index(b"tokenizer.ggml.model")
    file = tmp_path / "cut.gguf"
    for length in (*range(0, head, 7), head - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(Refused, match="is no gguf|cut off or damaged"):
            read_gguf(file)


async def test_what_cannot_be_served_is_said_in_a_sentence(tiny_gguf, tmp_path, monkeypatch):
    with pytest.raises(Refused, match="no such file"):
        open_model(str(tmp_path / "none.gguf"))
    (tmp_path / "folder.gguf").mkdir()
    with pytest.raises(Refused, match="is a directory"):
        open_model(str(tmp_path / "folder.gguf"))
    (tmp_path / "text.gguf").write_text("# a model\n")
    with pytest.raises(Refused, match="is no gguf"):
        open_model(str(tmp_path / "text.gguf"))
    with pytest.raises(Refused, match="too small: it is to have 512 tokens"):
        open_model(str(tiny_gguf), window=512)
    with pytest.raises(Refused, match=r"not enough memory for tiny.gguf: .* GiB, and [\d.]+ are free"):
        open_model(str(tiny_gguf), window=10**12)
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(tiny_gguf.read_bytes()[:-5_000])  # whole in its head, not in its weights
    model = LocalModel(str(damaged))
    with pytest.raises(Refused, match="llama.cpp cannot serve .*damaged.gguf: .*"):  # not: it took too long
        await model.ask(HI)
    assert model._server is None
    monkeypatch.setattr("models.local_model.find_spec", lambda name: None)
    with pytest.raises(Refused, match=r"pip install 'winnow\[local\]'"):
        open_model(str(tiny_gguf))

"""What follows from a model that is a gguf file: where it lies, its window, how tools are called, who is forced."""

from __future__ import annotations

import pytest

from models import Bounds, Message, Reply, Request, forced
from models.protocol import Choice
from winnow.minds import Minds
from winnow.windows import configured_for_window


def configured(name, window=None, *words):
    return configured_for_window({"model": {"name": name}}, window, preset="agent", file=None, words=words)


def test_a_file_is_kept_by_its_whole_path_with_a_window_that_is_decided_once(tiny_gguf, monkeypatch):
    monkeypatch.chdir(tiny_gguf.parent)
    made = configured("tiny.gguf")
    assert made.model.name == str(tiny_gguf) and made.model.window == 65_536  # what it was trained for
    assert made.tools.context_window == 65_536 and made.selection.context_window == 65_536
    assert made.tools.calls == "text"  # a grammar can force that
    smaller = configured("tiny.gguf", 20_000, "model.slots=3")
    assert (smaller.model.window, smaller.tools.context_window, smaller.model.slots) == (20_000, 20_000, 3)
    assert configured("tiny.gguf", None, "tools.calls=native").tools.calls == "native"
    assert configured("tiny.gguf", None, "model.grammar=never").tools.calls == "auto"


def test_it_is_opened_with_its_window_and_slots_and_costs_nothing(tiny_gguf):
    minds = Minds(
        configured(str(tiny_gguf), 20_000, "model.slots=3", "budget.usd=1")
    )  # a price is known: none
    (client,) = minds._clients.values()
    assert (client.window, client.slots, client._server) == (20_000, 3, None)  # nothing is started yet


def test_a_wrong_file_is_a_sentence_before_anything_starts(home, tmp_path):
    (tmp_path / "text.gguf").write_text("hello")
    for name, said in (("none.gguf", "no such file"), ("text.gguf", "is no gguf")):
        done = home.run("solve", str(tmp_path), "--issue", "x", "--model", str(tmp_path / name))
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


class Asked:
    """A model that keeps what it was asked."""

    def __init__(self, name):
        self.name, self.requests = name, []

    async def ask(self, request, at=""):
        self.requests.append(request)
        return Reply((Choice(Message("assistant", "YES")),))


@pytest.mark.parametrize(
    "name, when, kept",
    [
        ("a.gguf", "auto", True),
        ("a.gguf", "never", False),
        ("gpt-5", "auto", False),
        ("llamacpp/a.gguf", "auto", False),
        ("llamacpp/a.gguf", "always", True),
    ],
)
async def test_who_is_kept_to_a_form(name, when, kept):
    inner = Asked(name)
    model = forced(inner, when, Bounds(3, 9))
    form = lambda bounds: f"root ::= [a-z]{{1,{bounds.columns}}}\n"  # noqa: E731
    tool = {"type": "function", "function": {"name": "x"}}
    for request in (
        Request((Message("user", "Hi"),), form=form),
        Request((Message("user", "Hi"),), form=form, tools=(tool,)),
        Request((Message("user", "Hi"),)),
    ):
        await model.ask(request)
    grammars = [request.grammar for request in inner.requests]
    assert model.name == name and grammars == (["root ::= [a-z]{1,9}\n", "", ""] if kept else [""] * 3)

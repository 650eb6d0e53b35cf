"""Phases before a patch: what can be read of a reply, what goes back, what the judge makes of it, who goes on."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import PatchSettings
from agent.blocks import ReplyError, read_blocks
from agent.phases import LOCALISE, UNDERSTAND, Finding, PhaseSettings, best, find, shown_texts
from models import Choice, Message, Reply, TokenLogprob, Usage

FILES = {
    "shop/cart.py": "def total(prices):\n    return sum(map(round, prices))\n",
    "shop/tax.py": "RATE = 0.2\n",
    "tests/test_cart.py": "def test(): ...\n",
}
SETTINGS, PATCHES = PhaseSettings(files=2), PatchSettings(calls=2)


def understanding(*lines: str, text: str = "Sums are made in one place.") -> str:
    files = "\n".join(lines)
    return f"Hm.\n\n<<<<< UNDERSTANDING\n===== ANALYSIS\n{text}\n===== FILES\n{files}\n>>>>> END\n"


def fault(*places: str) -> str:
    listed = "\n".join(places)
    return f"<<<<< FAULT\n===== CAUSE\nIt rounds early.\n===== PLACES\n{listed}\n===== CHANGE\nRound once.\n>>>>> END"


def yes(share: float) -> Reply:
    top = (("YES", math.log(share)), ("NO", math.log(1 - share)))
    said = Choice(Message("assistant", "YES"), logprobs=(TokenLogprob("YES", top[0][1], top),))
    return Reply((said,), Usage())


async def found(scripted, make_task, phase, replies, before=None, files=()):
    model = scripted(replies)
    return await find(model, make_task(FILES), phase, before, files, SETTINGS, PATCHES, 0.8), model


async def test_an_understanding_names_files_of_the_repository_and_is_judged(scripted, make_task):
    reply = understanding(
        "1. `shop/cart.py`", "- nowhere.py", "cart.py", "./shop/tax.py", "tests/test_cart.py"
    )
    said, model = await found(
        scripted, make_task, UNDERSTAND, {"understand": [reply], "understand-judge": [yes(0.8)]}
    )
    assert said.paths == ("shop/cart.py", "shop/tax.py"), "as many as may be named, each once"
    assert said.score == pytest.approx(0.8) and said.text.startswith("Sums are made in one place.")
    [asked] = model.at("understand")
    assert (
        asked.temperature == 0.8
        and "cart.py" in asked.messages[0].content
        and "sum(map" not in asked.messages[0].content
    )
    [judged] = model.at("understand-judge")
    assert said.text in judged.messages[0].content and judged.temperature == 1.0


@pytest.mark.parametrize(
    "reply, why",
    [
        (understanding("nowhere.py"), "names no file of the repository"),
        (understanding("shop/cart.py", text=" "), "nothing in ANALYSIS"),
        (understanding(), "nothing in FILES"),
        (understanding("shop/cart.py") * 2, "2 UNDERSTANDING blocks"),
        ("In shop/cart.py, I think.", "block"),
    ],
)
async def test_what_cannot_be_used_goes_back_with_the_reason_and_then_is_nothing(
    scripted, make_task, reply, why
):
    said, model = await found(scripted, make_task, UNDERSTAND, {"understand": [reply, reply]})
    assert said is None and len(model.at("understand")) == 2 and not model.at("understand-judge")
    assert why in model.at("understand")[1].messages[-1].content


async def test_a_fault_is_localised_from_what_was_understood_and_the_files(scripted, make_task):
    before = Finding("Sums are made there.", ("shop/cart.py",), ("shop/cart.py",))
    replies = {"localise": [fault("shop/tax.py: RATE", "shop/cart.py: total")], "localise-judge": [yes(0.6)]}
    shown = [("shop/cart.py", FILES["shop/cart.py"])]
    said, model = await found(scripted, make_task, LOCALISE, replies, before, shown)
    assert said.paths == ("shop/tax.py", "shop/cart.py")
    system = model.at("localise")[0].messages[0].content
    assert "Sums are made there." in system and "sum(map" in system
    assert "It rounds early." in model.at("localise-judge")[0].messages[0].content


async def test_a_judge_that_answers_neither_yes_nor_no_counts_nothing(scripted, make_task):
    replies = {"understand": [understanding("shop/cart.py")], "understand-judge": ["perhaps"] * 9}
    said, _ = await found(scripted, make_task, UNDERSTAND, replies)
    assert said is not None and said.score == 0.0


def test_files_are_shown_in_their_order_as_far_as_there_is_room(make_task):
    task = make_task({**FILES, "long.py": "x = 1\n" * 1000})
    assert [
        p for p, _ in shown_texts(task, ["shop/tax.py", "gone.py", "shop/cart.py", "shop/tax.py"], 10_000)
    ] == [
        "shop/tax.py",
        "shop/cart.py",
    ]
    [(path, text)] = shown_texts(task, ["long.py", "shop/cart.py"], 1_000)
    assert path == "long.py" and len(text) <= 1_100, "cut in the middle, and nothing is left for the other"


_FOUND = st.builds(
    Finding,
    text=st.text(max_size=3),
    paths=st.just(()),
    about=st.tuples(st.sampled_from("abc")),
    score=st.sampled_from((0.0, 0.5, 1.0)),
)


@given(st.lists(_FOUND, max_size=6), st.integers(1, 4))
def test_the_best_go_on_and_each_answer_once(candidates, most):
    kept = best(candidates, most)
    assert len(kept) == min(most, len({one.about for one in candidates}))
    assert len({one.about for one in kept}) == len(kept)
    assert [one.score for one in kept] == sorted((one.score for one in kept), reverse=True)
    for one in kept:
        assert one.score == max(other.score for other in candidates if other.about == one.about)
    left = [
        max(o.score for o in candidates if o.about == a)
        for a in {o.about for o in candidates} - {o.about for o in kept}
    ]
    assert all(score <= kept[-1].score for score in left)


@given(st.text(alphabet="<>= \nANLYSIFEUDRTGCHPOab", max_size=200))
def test_any_reply_is_read_or_refused_with_a_reason(reply):
    for phase in (UNDERSTAND, LOCALISE):
        try:
            read_blocks(reply, phase.forms)
        except ReplyError as error:
            assert str(error)

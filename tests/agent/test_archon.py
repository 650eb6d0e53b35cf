"""Architectures of layers: which are possible, what each layer makes, and what roles make of odd replies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent import AttemptSettings, ToolSettings
from agent.archon_roles import critique, merged, rank, shown, verify
from agent.settings import PatchSettings
from agent.ways.archon import ArchonSettings
from agent.ways.costs import archon as cost
from models import Choice, Message, Reply, Request

SYSTEM = Message("system", "The issue and the files.")


def layers(*kinds: str | dict) -> ArchonSettings:
    return ArchonSettings.model_validate(
        {"layers": [{"kind": kind} if isinstance(kind, str) else kind for kind in kinds]}
    )


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        (["rank"], "layer 1 (rank) is not possible there: there is no candidate yet"),
        (["fuse"], "the first layer must generate"),
        (["generate", "rank", {"kind": "generate", "samples": 2}], "layer 3 (generate)"),
        (["generate", "critique"], "nobody reads what it says"),
        (["generate", "critique", "verify", "test"], "nobody reads what it says"),
        (["generate", "generate"], "only one layer may leave samples open"),
        (["generate", {"kind": "verify", "keep": 2}], "keep is only for rank and test"),
        (["generate", {"kind": "test", "member": "a"}], "member is only for"),
        (["generate", {"kind": "fuse", "agent": "tools"}], "agent is only for generate"),
        (["generate", {"kind": "rank", "replace": True}], "replace is only for fuse"),
    ],
)
def test_an_impossible_order_of_layers_is_a_sentence(kinds, said):
    with pytest.raises(ValidationError) as error:
        layers(*kinds)
    assert said in str(error.value)


@given(st.integers(1, 5), st.lists(st.integers(1, 4), max_size=3), st.integers(1, 40))
def test_the_layers_make_exactly_the_attempts(fixed, fused, attempts):
    """Numbers are given out once each, in order; too few attempts are refused, never quietly made more."""
    settings = layers(
        {"kind": "generate", "samples": fixed}, "generate", *({"kind": "fuse", "samples": n} for n in fused)
    )
    if attempts < fixed + sum(fused) + 1:
        with pytest.raises(ValueError, match=f"at least {fixed + sum(fused) + 1} attempts"):
            settings.numbers(attempts)
        return
    numbers = settings.numbers(attempts)
    assert [number for part in numbers for number in part] == list(range(1, attempts + 1))
    assert [len(part) for part in numbers] == [fixed, attempts - fixed - sum(fused), *fused]


def test_layers_whose_numbers_are_all_said_take_no_other_number_of_attempts():
    settings = layers({"kind": "generate", "samples": 3}, {"kind": "fuse"})
    assert settings.numbers(4) == [range(1, 4), range(4, 5)]
    with pytest.raises(ValueError, match="make 4 attempts, and attempts is 5"):
        settings.numbers(5)


def test_what_an_architecture_costs_follows_its_layers():
    settings = layers(
        "generate", {"kind": "critique", "samples": 2}, {"kind": "rank", "keep": 3}, {"kind": "fuse"}, "test"
    )
    found = cost(9, settings, PatchSettings(calls=2, choices=8), AttemptSettings(), ToolSettings())
    # 8 patches in one request, two critics of each, one ranking, one fused patch.
    assert found.calls.typical == 1 + 16 + 1 + 1
    assert found.calls.upper == 16 + 32 + 2 + 2
    assert (found.calls.lower, found.made, found.weighed) == (1, 9, (4,))


class Says:
    """A model that gives these replies, one after the other, and keeps what it was asked."""

    name = "says"

    def __init__(self, *replies: str):
        self.replies = list(replies)
        self.asked: list[Request] = []

    async def ask(self, request: Request, at: str = "") -> Reply:
        self.asked.append(request)
        return Reply((Choice(Message("assistant", self.replies.pop(0))),))


async def test_a_ranking_may_leave_some_out_but_names_nobody_who_is_not_there():
    proposals = shown(["a", "b", "c"], [[], ["good"], []], 500, 500)
    model = Says("Nothing.", "<<<<< RANKING\n1. P3 is best\n- P9\nP1\nP3\n>>>>> END\n")
    assert await rank(model, SYSTEM, proposals, PatchSettings(), 0.0) == ["P3", "P1"]
    assert "could not be used" in model.asked[1].messages[-1].content
    lost = Says(*["<<<<< RANKING\nP7\n>>>>> END"] * 3)
    assert await rank(lost, SYSTEM, proposals, PatchSettings(calls=3), 0.0) is None


async def test_a_verdict_is_one_of_two_words_and_not_both():
    model = Says("<<<<< RIGHT\n<<<<< WRONG\n", "It is so.\n\n<<<<< WRONG\n")
    assert await verify(model, SYSTEM, "a patch", PatchSettings(), 0.0) is False
    assert await verify(Says("<<<<< RIGHT"), SYSTEM, "a patch", PatchSettings(), 0.0) is True
    assert await verify(Says("Right.", "Right."), SYSTEM, "a patch", PatchSettings(calls=2), 0.0) is None


async def test_every_role_is_asked_after_the_same_prefix():
    said = "<<<<< CRITIQUE\nStrengths:\n- none\n>>>>> END"
    models = Says(said), Says("<<<<< RIGHT"), Says("<<<<< RANKING\nP1\n>>>>> END")
    assert await critique(models[0], SYSTEM, "+ ```` {{ x }}", PatchSettings(), 0.7) == "Strengths:\n- none"
    await verify(models[1], SYSTEM, "p", PatchSettings(), 0.7)
    await rank(models[2], SYSTEM, shown(["p", "q"], [[], []], 500, 500), PatchSettings(), 0.7)
    assert {model.asked[0].messages[0] for model in models} == {SYSTEM}
    assert "{{ x }}" in models[0].asked[0].messages[1].content


def test_rankings_are_merged_by_mean_place():
    labels = ["P1", "P2", "P3"]
    assert merged([["P2", "P1", "P3"], None, ["P2", "P3"]], labels)[0] == "P2"
    assert merged([None, None], labels) == labels

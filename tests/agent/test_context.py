"""Which files are chosen, and that no reply, however malformed, stops the choice."""

import asyncio
from collections import Counter

import pytest
from waiting import PATIENCE, wait_until_async

from agent import Context, ContextFile, ContextSettings, gather_context, merge_rankings
from models import BudgetSpent, ContextOverflow, RateLimited

FILES = {f"pkg/{name}.py": f"# {name}\n" + "x = 1\n" * 100 for name in "abcd"}
SMALL = ContextSettings(context_tokens=450)
"""Room for two of the four files, which have about 200 tokens each."""


def relevant(why):
    return f"Hm.\n<<<<< RELEVANT\n{why}\n>>>>> END"


def ranking(*names):
    return "<<<<< RANKING\n" + "\n".join(names) + "\n>>>>> END"


def by_branch(said):
    """Answers by branch; a list is used up from its front."""

    def answer(request, at):
        reply = said[at] if at in said else said[at.split("/")[0]]
        return reply.pop(0) if isinstance(reply, list) else reply

    return answer


async def gather(scripted, task, said, settings=SMALL):
    model = scripted(by_branch(said))
    return await gather_context(model, task, settings), model


async def test_no_model_is_asked_where_everything_fits(scripted, make_task):
    context, model = await gather(scripted, make_task({**FILES, "README": "x"}), {}, ContextSettings())
    assert [file.path for file in context.files] == sorted(FILES) and not model.asked


async def test_relevance_then_merged_ranking_then_whole_files(scripted, make_task):
    said = {
        "relevance": relevant("matters"),
        "relevance/pkg/a.py": "No.\n<<<<< NOT RELEVANT",
        "ranking/0": ranking("pkg/d.py", "pkg/c.py", "pkg/b.py"),
        "ranking/1": ranking("1. `pkg/d.py`", "- pkg/b.py", "unknown.py", "pkg/d.py"),
        "ranking/2": ranking("pkg/c.py"),
    }
    context, model = await gather(scripted, make_task(FILES), said)
    assert context == Context(
        (
            ContextFile("pkg/d.py", FILES["pkg/d.py"], "matters"),
            ContextFile("pkg/c.py", FILES["pkg/c.py"], "matters"),
        )
    )
    assert {request.temperature for _, request in model.asked} == {0.0}
    systems = {request.messages[0] for at, request in model.asked if at.startswith("relevance")}
    assert len(systems) == 1 and systems.pop().cache
    assert len({request.messages for at, request in model.asked if at.startswith("ranking")}) == 1


async def test_the_order_of_arrival_does_not_matter(scripted, make_task):
    answered = Counter()

    class FirstComesLast(scripted):
        async def ask(self, request, at=""):
            kind, _, which = at.partition("/")
            if which in ("pkg/a.py", "0"):
                others = {"relevance": 3, "ranking": 2}[kind]
                await wait_until_async(lambda: answered[kind] == others, f"the others' {kind} was answered")
            reply = await super().ask(request, at)
            answered[kind] += 1
            return reply

    said = {
        "relevance": relevant("x"),
        "ranking": ranking("pkg/c.py", "pkg/a.py"),
        "ranking/0": ranking("pkg/b.py"),
    }
    task = make_task(FILES)
    found = await gather_context(FirstComesLast(by_branch(said)), task, SMALL)
    assert answered == {"relevance": 4, "ranking": 3}
    assert found == (await gather(scripted, task, said))[0]


async def test_a_malformed_reply_is_mended_once_then_counts_as_not_relevant(scripted, make_task):
    said = {
        "relevance/pkg/a.py": ["Relevant, I think.", relevant("mended")],
        "relevance/pkg/b.py": ["hm", "hm"],
        "relevance/pkg/c.py": "<<<<< NOT RELEVANT\n" + relevant("both"),
        "relevance/pkg/d.py": "<<<<< NOT RELEVANT",
    }
    context, model = await gather(scripted, make_task(FILES), said)
    assert [(file.path, file.why) for file in context.files] == [("pkg/a.py", "mended")]
    assert [note.split(":")[0] for note in context.notes] == [
        "pkg/b.py counts as not relevant",
        "pkg/c.py counts as not relevant",
    ]
    again = model.at("relevance/pkg/a.py")[1].messages
    assert again[:2] == model.at("relevance/pkg/a.py")[0].messages and "no block" in again[-1].content


@pytest.mark.parametrize(
    "bad", ["", "I cannot", ranking("nothing", "known"), "<<<<< RANKING\npkg/a.py", "\x00"]
)
async def test_malformed_rankings_fall_back_to_the_others(scripted, make_task, bad):
    said = {"relevance": relevant("x"), "ranking": bad, "ranking/1": ranking("pkg/c.py", "pkg/d.py")}
    context, _ = await gather(scripted, make_task(FILES), said)
    assert [file.path for file in context.files] == ["pkg/c.py", "pkg/d.py"]
    assert len(context.notes) == 2


async def test_no_ranking_at_all_falls_back_to_path_order(scripted, make_task):
    context, _ = await gather(scripted, make_task(FILES), {"relevance": relevant("x"), "ranking": "?"})
    assert [file.path for file in context.files] == ["pkg/a.py", "pkg/b.py"]
    assert "by path" in context.notes[-1]


async def test_a_file_that_does_not_fit_is_passed_over(scripted, make_task):
    files = {**FILES, "pkg/c.py": "x = 1\n" * 400}
    said = {"relevance": relevant("x"), "ranking": ranking("pkg/c.py", "pkg/d.py", "pkg/a.py")}
    context, _ = await gather(scripted, make_task(files), said)
    assert [file.path for file in context.files] == ["pkg/d.py", "pkg/a.py"]


async def test_files_that_are_too_long_are_not_asked_about(scripted, make_task):
    files = {**FILES, "pkg/c.py": "x = 1\n" * 2_000}
    settings = ContextSettings(context_tokens=450, file_tokens=1_000)
    said = {"relevance": relevant("x"), "ranking": ranking("pkg/d.py")}
    context, model = await gather(scripted, make_task(files), said, settings)
    assert not model.at("relevance/pkg/c.py") and "pkg/c.py was not looked at" in context.notes[0]


async def test_an_overflow_of_the_cheap_model_is_one_files_matter(scripted, make_task):
    said = {
        "relevance": relevant("x"),
        "relevance/pkg/a.py": ContextOverflow("too long"),
        "ranking": ContextOverflow("x"),
    }
    context, _ = await gather(scripted, make_task(FILES), said)
    assert [file.path for file in context.files] == ["pkg/b.py", "pkg/c.py"] and len(context.notes) == 5


@pytest.mark.parametrize("error", [RateLimited("slow down"), BudgetSpent("spent")])
async def test_the_worlds_faults_and_the_budget_go_up_and_end_the_other_calls(scripted, make_task, error):
    class Stuck(scripted):
        async def ask(self, request, at=""):
            if at != "relevance/pkg/b.py":
                await asyncio.Event().wait()
            raise error

    async with asyncio.timeout(PATIENCE):
        with pytest.raises(type(error)):
            await gather_context(Stuck([]), make_task(FILES), SMALL)
    assert len(asyncio.all_tasks()) == 1


async def test_nothing_relevant_takes_what_the_issue_names_first(scripted, make_task):
    task = make_task(FILES, issue="It fails in pkg.d, see c.py.")
    context, _ = await gather(scripted, task, {"relevance": "<<<<< NOT RELEVANT"})
    assert [file.path for file in context.files] == ["pkg/d.py", "pkg/c.py"]


async def test_one_relevant_file_needs_no_ranking(scripted, make_task):
    said = {"relevance": "<<<<< NOT RELEVANT", "relevance/pkg/d.py": relevant("it")}
    context, _ = await gather(scripted, make_task(FILES), said)
    assert [file.path for file in context.files] == ["pkg/d.py"]


async def test_files_that_are_no_text_or_have_impossible_names_do_no_harm(scripted, make_task):
    task = make_task({"a.py": b"\xff\xfe\x00", "b\nc.py": "x", "d.py": "\ufeffx = 1\r\n"})
    context, _ = await gather(scripted, task, {}, ContextSettings())
    assert [(file.path, file.text) for file in context.files] == [("d.py", "\ufeffx = 1\r\n")]
    assert "b\\nc.py" in context.notes[0]


def test_merging_counts_places_relative_to_each_length():
    assert merge_rankings([["a", "b"], ["b", "a", "c"]], ["a", "b", "c"]) == ["a", "b", "c"]
    assert merge_rankings([["x", "y", "b"], ["b", "b"]], ["a", "b"]) == ["b", "a"]
    assert merge_rankings([], ["a", "b"]) == ["a", "b"]
    assert merge_rankings([["b", "a"], ["a", "b"]], ["b", "a"]) == ["a", "b"]


def test_the_window_leaves_room_for_the_conversation():
    assert ContextSettings(context_window=64_000).limit == 32_000
    assert ContextSettings(context_window=1_000_000).limit == 128_000
    assert ContextSettings(context_window=16_000).limit == 0

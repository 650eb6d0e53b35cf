"""Direct patches: one reply is a patch, what cannot be applied goes back, samples share their prefix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import (
    Context,
    ContextFile,
    Ending,
    PatchSettings,
    fenced,
    first_replies,
    patch_opening,
    propose,
    shown_files,
)
from agent.ways.agentless import shares
from agent.ways.evoscale import generations, once
from agent.ways.patches import batches
from environments import apply_patch
from models import BudgetSpent, Choice, ContextOverflow, Message, Reply, ServerFault, Usage

SETTINGS = PatchSettings()
OLD = "        return sum(round(price) for price in self.prices)"


def edit(new, old=OLD, path="shop/cart.py"):
    return f"So:\n<<<<< EDIT {path}\n===== FIND\n{old}\n===== REPLACE\n{new}\n>>>>> END\n"


RIGHT = edit("        return sum(self.prices)")


@pytest.fixture
def ask(scripted, make_task):
    """Propose with these replies; (proposal, model, task)."""

    async def run(replies, settings=SETTINGS, files=None):
        task = make_task(files)
        model = scripted(replies)
        opening = opened(task, settings)
        return await propose(model, task, opening, settings, temperature=0.7), model, task

    return run


def opened(task, settings=SETTINGS):
    files = [ContextFile(path, task.snapshot.read(path) or "") for path in task.snapshot.files()]
    return patch_opening(task, shown_files(Context(tuple(files))), settings)


async def test_one_reply_is_a_patch(ask):
    proposal, model, task = await ask([RIGHT])
    assert proposal.ending is Ending.FINISHED and proposal.calls == 1 and proposal.reply == RIGHT
    assert (
        apply_patch(task.snapshot.tree, proposal.patch)["shop/cart.py"]
        .decode()
        .endswith("sum(self.prices)\n")
    )
    candidate = proposal.candidate("attempt-7")
    assert (candidate.id, candidate.patch, candidate.test) == ("attempt-7", proposal.patch, None)
    [(at, request)] = model.asked
    assert at == "patch" and request.temperature == 0.7 and request.n == 1


@pytest.mark.parametrize(
    "wrong, reason",
    [
        ("No idea.", "There is no block"),
        (edit("x", old="    nowhere at all"), "its FIND part is not in shop/cart.py"),
        (edit("x", path="../cart.py"), "leads out of the repository"),
        (edit(OLD), "changes nothing"),
        ("<<<<< EDIT shop/cart.py\n===== FIND\n" + OLD, "is not closed"),
    ],
)
async def test_what_cannot_be_applied_goes_back_with_the_reason(ask, wrong, reason):
    proposal, model, _ = await ask([wrong, RIGHT])
    assert (
        proposal.ending is Ending.FINISHED and proposal.calls == 2 and "+        return sum" in proposal.patch
    )
    first, second = (request.messages for _, request in model.asked)
    assert second[: len(first)] == first and second[-2].content == wrong and reason in second[-1].content


async def test_what_is_never_usable_ends_as_malformed_and_says_why(ask):
    proposal, model, _ = await ask(["No.", "No.", edit("x", old="nowhere")])
    assert (proposal.patch, proposal.ending, proposal.calls) == ("", Ending.MALFORMED, 3)
    assert "3" in proposal.detail and "FIND part is not in" in proposal.detail and len(model.asked) == 3


@pytest.mark.parametrize(
    "error, ending",
    [(BudgetSpent("all spent"), Ending.COST_LIMIT), (ContextOverflow("too long"), Ending.CONTEXT_LIMIT)],
)
async def test_limits_are_endings(ask, error, ending):
    proposal, _, _ = await ask(["No.", error])
    assert (proposal.patch, proposal.ending, proposal.calls) == ("", ending, 1)


async def test_the_worlds_faults_are_raised(ask):
    with pytest.raises(ServerFault):
        await ask([ServerFault("down")])


async def test_what_does_not_fit_the_window_is_not_asked(ask, scripted, make_task):
    settings = PatchSettings(context_window=1_000, max_tokens=64)
    proposal, model, task = await ask([], settings, {"shop/cart.py": "total = 0\n" * 1_000})
    assert proposal.ending is Ending.CONTEXT_LIMIT and not model.asked
    given = await first_replies(model, opened(task), settings, count=3, temperature=None)
    assert given == [None, None, None] and not model.asked


async def test_the_prefix_is_the_same_for_all_and_has_the_mark(make_task):
    task = make_task()
    system, user = opened(task)
    assert (system, user) == opened(task) and system.cache and not user.cache
    assert task.issue in system.content and OLD in system.content


async def test_first_replies_come_from_one_request_and_cost_nothing_more(scripted, make_task):
    task, asked = make_task(), Usage(prompt=900, completion=30)
    choices = tuple(Choice(Message("assistant", text)) for text in ("one", "two"))
    model = scripted([Reply(choices, asked, cost=0.5)])
    first, second, third = await first_replies(model, opened(task), SETTINGS, count=3, temperature=0.1)
    assert [first.text, second.text] == ["one", "two"] and isinstance(third, BudgetSpent)
    assert (first.usage, first.cost, second.cost) == (Usage(), 0.0, 0.0)
    [(_, request)] = model.asked
    assert (request.n, request.temperature) == (3, 0.1)


@given(
    st.sets(st.integers(1, 400), max_size=60),
    st.lists(st.sampled_from([0.0, 0.5, None]), min_size=1, max_size=10),
    st.integers(1, 12),
)
def test_every_sample_is_in_one_batch_of_its_temperature(numbers, temperatures, most):
    settings = PatchSettings(temperatures=tuple(temperatures), choices=most)
    found = batches(sorted(numbers), settings)
    assert sorted(number for batch in found for number in batch) == sorted(numbers)
    for batch in found:
        assert 1 <= len(batch) <= most
        assert len({settings.temperature(number) for number in batch}) == 1


@given(st.integers(1, 300), st.integers(1, 20))
def test_shares_and_generations_have_every_attempt_once_and_in_order(attempts, parts):
    for divided in (shares(attempts, parts), generations(attempts, parts)):
        assert [number for part in divided for number in part] == list(range(1, attempts + 1))
    sizes = [len(share) for share in shares(attempts, parts)]
    assert len(sizes) == parts and max(sizes) - min(sizes) <= 1
    assert all(len(part) == parts for part in generations(attempts, parts)[:-1])


def test_a_test_that_all_survivors_fail_is_shown_once():
    script = "print('case')\n" * 30
    first, second, third = (f"Fails.\n\n{fenced(script)}\n\nIt printed:\n\n{fenced(said)}" for said in "abc")
    shown = once([first, second, third.replace("case", "other")])
    assert shown[0] == first and shown[2] == third.replace("case", "other")
    assert shown[1] == f"Fails.\n\n(It stands above.)\n\nIt printed:\n\n{fenced('b')}"

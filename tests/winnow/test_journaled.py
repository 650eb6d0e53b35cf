"""The journaled model and sandbox: answered from the journal, refused when a message changed, brought back."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from agent import KilledSandbox
from models import BudgetSpent, ContextOverflow, Message, Reply, Request, ServerFault, Usage
from models.protocol import Choice
from sandbox import Limits, OverlayBackend, Place, Result, SandboxDied, SandboxSealed, World
from store import StepChanged, open_store
from winnow.journaled_model import JournaledModel
from winnow.journaled_sandbox import JournaledSandbox, WorldDrifted
from winnow.pen import Pen


class Counting:
    """A model that answers with how often it was asked; `fails` is raised instead where it is set."""

    name = "counting"

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fails: Exception | None = None

    async def ask(self, request: Request, at: str = "") -> Reply:
        self.calls.append(at)
        if self.fails:
            raise self.fails
        return Reply((Choice(Message("assistant", f"answer {len(self.calls)}")),), Usage(10, 5), cost=0.5)


def request(*texts: str) -> Request:
    return Request(tuple(Message("user", text) for text in texts))


@pytest.fixture
def store(tmp_path: Path):
    with open_store(tmp_path / "winnow.db") as store:
        store.create_run("run", config="{}", kind="test")
        with store.lease("run"):
            yield store


@pytest.fixture
async def world(tmp_path: Path):
    """A prepared sandbox with one file, to copy from, and the count of copies made of it."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("base")
    backend = OverlayBackend("run", tmp_path / "state")
    sandbox = await backend.start(
        World(places=(Place(source, "/repo"),), workdir="/repo"), name="base", limits=Limits()
    )

    class Source:
        made: list = []

        async def __call__(self):
            return self

        async def copy(self, name: str):
            copy = await sandbox.copy(name)
            self.made.append(copy)
            return copy

    yield Source()
    await backend.close()


def pen(store, name: str = "attempt-1") -> Pen:
    return Pen(store.journal("run", "task"), name)


async def test_what_was_given_answers_the_first_question_alone_and_costs_nothing(store):
    given = Reply((Choice(Message("assistant", "given")),), cost=0.0)
    inner = Counting()
    model = JournaledModel(inner, pen(store), given)
    assert [(await model.ask(request(text), "patch")).text for text in ("one", "two")] == [
        "given",
        "answer 1",
    ]
    assert [(step.kind, step.cost) for step in store.steps("run")] == [("given", 0.0), ("ask", 0.5)]
    assert (store.totals("run").asks, store.totals("run").unpriced) == (1, 0)


async def test_given_again_after_a_kill_it_answers_no_later_question(store):
    """The first question is in the journal, the second was not asked yet: what is given again is not its answer."""
    given = Reply((Choice(Message("assistant", "given")),), cost=0.0)
    await JournaledModel(Counting(), pen(store), given).ask(request("one"), "patch")
    other = Reply((Choice(Message("assistant", "given another time")),), cost=0.0)
    resumed = JournaledModel(Counting(), pen(store), other)
    said = [(await resumed.ask(request(text), "patch")).text for text in ("one", "two")]
    assert said == ["given", "answer 1"]


@pytest.mark.parametrize(
    "error, kept",
    [(BudgetSpent("spent"), True), (ContextOverflow("long"), True), (ServerFault("down"), False)],
)
async def test_what_came_instead_of_a_reply_is_raised_and_only_an_end_is_kept(store, error, kept):
    inner = Counting()
    with pytest.raises(type(error)):
        await JournaledModel(inner, pen(store), error).ask(request("one"), "patch")
    again = JournaledModel(inner, pen(store))
    if kept:
        with pytest.raises(type(error)):
            await again.ask(request("one"), "patch")
    else:
        assert (await again.ask(request("one"), "patch")).text == "answer 1"
    assert len(inner.calls) == (0 if kept else 1)


async def test_an_answer_in_the_journal_is_not_paid_for_again(store):
    model = Counting()
    first = JournaledModel(model, pen(store))
    asked = [await first.ask(request("a"), "editing"), await first.ask(request("a", "b"), "editing")]
    again = JournaledModel(model, pen(store))
    told = [await again.ask(request("a"), "editing"), await again.ask(request("a", "b"), "editing")]
    assert [r.text for r in asked] == [r.text for r in told] == ["answer 1", "answer 2"]
    assert model.calls == ["attempt-1/editing/0", "attempt-1/editing/1"]
    assert store.totals("run").cost == 1.0


async def test_a_changed_message_is_refused_and_named(store):
    await JournaledModel(Counting(), pen(store)).ask(request("a", "b"), "editing")
    for changed in (request("a", "c"), request("a"), request("a", "b", "c")):
        with pytest.raises(StepChanged, match="message"):
            await JournaledModel(Counting(), pen(store)).ask(changed, "editing")


async def test_branches_and_trajectories_have_steps_of_their_own(store):
    model = Counting()
    for name, branch in (("attempt-1", "x"), ("attempt-1", "y"), ("attempt-2", "x")):
        await JournaledModel(model, pen(store, name)).ask(request("a"), branch)
    assert len(model.calls) == len(set(model.calls)) == 3


async def test_the_attempts_own_errors_are_kept_and_the_worlds_are_not(store):
    model = Counting()
    model.fails = ContextOverflow("too long")
    for _ in range(2):
        with pytest.raises(ContextOverflow, match="too long"):
            await JournaledModel(model, pen(store)).ask(request("a"), "editing")
    assert len(model.calls) == 1
    model.fails = ConnectionError("gone")
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await JournaledModel(model, pen(store)).ask(request("a"), "testing")
    assert len(model.calls) == 3


async def test_a_decision_is_taken_once(store):
    thoughts = iter([1, 2])
    assert await pen(store).decide("stop", lambda: next(thoughts)) == 1
    assert await pen(store).decide("stop", lambda: next(thoughts)) == 1


@pytest.mark.overlay
async def test_journaled_commands_start_no_sandbox(store, world):
    first = JournaledSandbox(world, pen(store), "sandbox")
    copy = await first.copy("test")
    await copy.write("new", b"written")
    result = await copy.run("cat file new; exit 3")
    await copy.close()
    assert (result.output, result.exit_code) == ("basewritten", 3)
    made = len(world.made)
    again = await JournaledSandbox(world, pen(store), "sandbox").copy("test")
    await again.write("new", b"written")
    assert await again.run("cat file new; exit 3") == result
    assert len(world.made) == made


@pytest.mark.overlay
async def test_what_was_written_is_part_of_the_step(store, world):
    copy = await JournaledSandbox(world, pen(store), "sandbox").copy("test")
    await copy.write("new", b"one")
    await copy.run("cat new")
    await copy.close()
    other = await JournaledSandbox(world, pen(store), "sandbox").copy("test")
    await other.write("new", b"two")
    with pytest.raises(StepChanged, match="write new"):
        await other.run("cat new")


@pytest.mark.overlay
async def test_a_resumed_sandbox_gets_back_its_state_before_it_goes_on(store, world):
    copy = await JournaledSandbox(world, pen(store), "sandbox").copy("shell")
    await copy.run("echo one >>log")
    await copy.run("echo two >>log")
    await copy.close()
    resumed = await JournaledSandbox(world, pen(store), "sandbox").copy("shell")
    await resumed.run("echo one >>log")
    await resumed.run("echo two >>log")
    assert (await resumed.run("cat log")).output == "one\ntwo\n"
    await resumed.close()


@pytest.mark.overlay
async def test_a_resumed_sandbox_with_other_files_is_refused(store, world):
    shell = pen(store)
    copy = await JournaledSandbox(world, shell, "sandbox").copy("shell")
    await copy.run("git init -q . && date +%N >stamp")
    await copy.run("true")
    await copy.close()
    resumed = await JournaledSandbox(world, pen(store), "sandbox").copy("shell")
    await resumed.run("git init -q . && date +%N >stamp")
    await resumed.run("true")
    with pytest.raises(WorldDrifted, match="other files"):
        await resumed.run("cat stamp")
    await resumed.close()


@pytest.mark.overlay
async def test_a_sandbox_that_dies_between_two_commands_is_brought_back(store, world):
    copy = await JournaledSandbox(world, pen(store), "sandbox").copy("shell")
    await copy.run("echo one >log")
    os.kill(world.made[-1].pid, signal.SIGKILL)
    assert (await copy.run("cat log")).output == "one\n"
    await copy.close()


@pytest.mark.overlay
async def test_a_step_that_kills_every_sandbox_is_the_attempts_fault_and_kept(store, world):
    copies, deadly = world.copy, "sleep 60"

    async def doomed(name: str):
        """As if the command had ended its sandbox."""
        copy = await copies(name)
        asyncio.get_running_loop().call_later(0.3, os.kill, copy.pid, signal.SIGKILL)
        return copy

    world.copy = doomed
    copy = await JournaledSandbox(world, pen(store), "sandbox").copy("shell")
    with pytest.raises(KilledSandbox):
        await copy.run(deadly)
    made = len(world.made)
    again = await JournaledSandbox(world, pen(store), "sandbox").copy("shell")
    with pytest.raises(KilledSandbox):
        await again.run(deadly)
    assert len(world.made) == made


@pytest.mark.overlay
async def test_copies_of_a_copy_start_from_its_files_and_seal_it(store, world):
    layer = await JournaledSandbox(world, pen(store), "sandbox").copy("layer")
    await layer.write("patched", b"yes")
    one, two = await layer.copy("one"), await layer.copy("one")
    assert (await one.run("cat patched")).output == "yes"
    await two.write("patched", b"no")
    assert (await two.run("cat patched")).output == "no"
    with pytest.raises(SandboxSealed):
        await layer.run("true")
    for sandbox in (one, two, layer):
        await sandbox.close()


async def test_a_base_that_stays_dead_is_the_worlds_fault_and_not_the_steps(store):
    class Dead:
        tried = 0

        async def __call__(self):
            return self

        async def copy(self, name: str):
            self.tried += 1
            raise SandboxDied("the engine is gone")

    source = Dead()
    copy = await JournaledSandbox(source, pen(store), "sandbox").copy("test")
    with pytest.raises(SandboxDied, match="engine"):
        await copy.run("true")
    assert source.tried == 3 and not store.journal("run", "task").has("attempt-1")


@pytest.mark.overlay
async def test_a_layer_that_died_is_made_again_for_the_copies_of_it(store, world):
    layer = await JournaledSandbox(world, pen(store), "sandbox").copy("layer")
    await layer.write("patched", b"yes")
    one = await layer.copy("one")
    assert (await one.run("cat patched")).output == "yes"
    [real] = [made for made in world.made if "one" not in made.name]

    async def dead(name: str):
        raise SandboxDied("its layer is gone")

    real.copy = dead
    two = await layer.copy("two")
    assert (await two.run("cat patched")).output == "yes"
    for sandbox in (one, two, layer):
        await sandbox.close()


async def test_a_copy_that_need_not_be_fresh_is_asked_for_so_and_has_the_same_steps(store):
    """What it runs in is the backend's matter: the journal is the same, and so is the answer."""
    asked = []

    class Real:
        async def __call__(self):
            return self

        async def copy(self, name: str, fresh: bool = True):
            asked.append((name, fresh))
            return self

        async def write(self, *_):
            pass

        async def run(self, command: str, **_):
            return Result(0, "said", reused=True)

        async def close(self):
            pass

    layer = await JournaledSandbox(Real(), pen(store), "sandbox", cheap_copies=False).copy("layer")
    turn = await layer.copy("test", fresh=False)
    assert not turn.cheap_copies and (await turn.run("true")).reused
    assert asked == [("sandbox-layer", True), ("sandbox-layer-test", False)]
    layer = await JournaledSandbox(Real(), pen(store), "sandbox").copy("layer")
    again = await (await layer.copy("test")).run("true")
    assert (again.output, again.reused, len(asked)) == ("said", True, 2)

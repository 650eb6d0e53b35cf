"""Several models in one run, from the command: who made what, what each took, a bandit that learns, and kills.

The servers answer by model and step, so that an undisturbed run and one that was killed must come to the same end.
"""

from __future__ import annotations

import json

import pytest
import toy
from kills import killed_again_and_again
from test_kill import outcome
from toy_server import ToyServer
from winnow_home import Home

from agent import Candidate
from agent.ways.mixture import thompson
from selection import Evidence, Regression
from store import open_store
from winnow.configuration import WrongConfiguration, configure
from winnow.mixing import MIND, RECORD, members_of, record_in, record_of, said_models, settings_of

pytestmark = [pytest.mark.overlay, pytest.mark.timeout(600)]

BROKEN = "    return undefined"
LINES = {"good": toy.RIGHT, "bad": BROKEN, "half": toy.HALF}


def message(model: str, index: int) -> dict:
    """What a member's model does: it puts its line in place, and submits."""
    fix = "import pathlib; p = pathlib.Path('names.py'); p.write_text(p.read_text().replace({!r}, {!r}))"
    # A broken function fails every existing test of it.
    old = '    if len(names) < 2:\n        return "".join(names)\n' + toy.OLD if model == "bad" else toy.OLD
    script = f'python3 - <<"EOF"\n{fix.format(old, LINES[model])}\nEOF'
    name, arguments = (("bash", {"command": script}), ("submit", {}))[min(index, 1)]
    call = {
        "id": f"c{index}",
        "type": "function",
        "function": {"name": name, "arguments": json.dumps(arguments)},
    }
    return {"content": f"Step {index}.", "tool_calls": [call], "cached": 0}


class MemberServer(ToyServer):
    """Knows the members by their models' names; keeps (step, model, temperature) of every call."""

    asked: list[tuple[str, str, float | None]]

    def __init__(self):
        self.asked = []
        super().__init__()

    def said(self, body):
        step = body["step"]
        with self.lock:
            self.asked.append((step, body["model"], body.get("temperature")))
        return message(body["model"], int(step.rpartition("/")[2]))


def solve(server: ToyServer, checkout, *words: str) -> list[str]:
    return [
        "solve", str(checkout), "--issue", toy.ISSUE, "--api-base", server.url, "--preset", "mini",
        "--sandbox", "overlay", "--price", "1,10", "-o", "selection.regressions=true", *words,
    ]  # fmt: skip


def members_in(where) -> dict[str, str]:
    """Which member made each attempt."""
    with open_store(where) as store:
        [run] = [row.run for row in store.runs() if store.tasks(row.run)]
        return {row.name: json.loads(row.body)["member"] for row in store.each_result(run, MIND)}


def test_several_models_share_the_attempts_and_each_is_counted_apart(home, tmp_path):
    """Temperatures are by sample, whoever makes it."""
    checkout = toy.make_repository(tmp_path / "repo")
    with MemberServer() as server:
        words = ["-m", "openai/good", "-m", "openai/half=2", "--attempts", "3"]
        words += ["-o", "tools.temperatures=[0.2, 0.9]"]
        done = home.run(*solve(server, checkout, *words))
        assert done.returncode == 0, done.stderr
        by_attempt = {step.split("/")[0]: model for step, model, _ in server.asked}
        seen = {(step.split("/")[0], temperature) for step, _, temperature in server.asked}
    assert seen == {("attempt-1", 0.2), ("attempt-2", 0.9), ("attempt-3", 0.2)}
    assert by_attempt == {"attempt-1": "half", "attempt-2": "good", "attempt-3": "half"}
    assert members_in(home.store) == {name: f"openai/{model}" for name, model in by_attempt.items()}
    with open_store(home.store) as store:
        [run] = [row.run for row in store.runs()]
        [task] = [row.task for row in store.tasks(run)]
        made = {t.trajectory: json.loads(t.body) for t in store.trajectories(run, task) if t.body}
    assert all(LINES[model] in made[name]["patch"] for name, model in by_attempt.items())
    report = json.loads(home.run("report", run, "--json").stdout)
    minds = {mind["name"]: mind for mind in report["minds"]}
    assert minds.keys() == {"openai/good", "openai/half"}
    assert [minds[name]["calls"] for name in ("openai/good", "openai/half")] == [2, 4]
    assert sum(mind["cost"] for mind in minds.values()) == pytest.approx(report["money"]["cost"])
    assert "openai/half" in home.run("report", run).stdout


def draws(task: str, made: dict[str, str], waves: int, size: int) -> list[str]:
    """Who should have made the attempts: all of the good one's are a success, and none of the other's."""
    order: list[str] = []
    for wave in range(1, waves + 1):
        record = {
            name: (order.count(name), 0) if name == "openai/good" else (0, order.count(name))
            for name in ("openai/bad", "openai/good")
        }
        order += thompson(record, size, f"0 {task} {wave}")
    return order


def test_a_bandits_run_that_was_killed_comes_to_the_same_end(tmp_path):
    """Draws, waves and members are those of the undisturbed run, and no call is paid for twice but those in flight."""
    checkout = toy.make_repository(tmp_path / "repo")
    members = json.dumps(
        [{"model": f"openai/{name}", "api_base": "URL", "price": "1,10"} for name in ("bad", "good")]
    )

    def words(server: ToyServer) -> list[str]:
        mixed = "mixture.members=" + members.replace("URL", server.url)
        more = ["-m", "openai/good", "--attempts", "6", "-o", "mixture.by=bandit", "-o", "mixture.wave=2"]
        return solve(server, checkout, *more, "-o", mixed)

    plain, home = Home(tmp_path / "plain"), Home(tmp_path / "killed")
    with MemberServer() as server:
        done = plain.run(*words(server))
        assert done.returncode == 0, done.stderr
    with MemberServer() as server:
        killed_again_and_again(home, server, words(server), (3, 4))
    assert outcome(home.store) == outcome(plain.store)
    made = members_in(plain.store)
    with open_store(plain.store) as store:
        [run] = [row.run for row in store.runs()]
        [task] = store.task_names(run)
        record = record_of(store, run)
    assert draws(task, made, waves=3, size=2) == [made[f"attempt-{i}"] for i in range(1, 7)]
    for name, (good, bad) in record.items():
        assert (good, bad)[name == "openai/good"] == 0 and good + bad == list(made.values()).count(name)


def by_agent(body: dict) -> dict:
    """What a model says to each of the three agents."""
    branch, index = body["step"].split("/")[1:]
    if branch == "agent":
        return message("good", int(index))
    if branch == "patch":
        edit = f"<<<<< EDIT names.py\n===== FIND\n{toy.OLD}\n===== REPLACE\n{toy.LOUD}\n>>>>> END\n"
        return {"content": edit, "cached": 0}
    return {"content": toy.reply(body["step"], body["messages"]), "cached": 0}


class AgentServer(MemberServer):
    """Answers whatever agent asks."""

    def said(self, body):
        super().said({**body, "model": "good"})
        return by_agent(body)


def test_different_agents_feed_one_selection(home, tmp_path):
    checkout = toy.make_repository(tmp_path / "repo")
    members = [{"name": name, "agent": name} for name in ("codemonkeys", "tools", "samples")]
    with AgentServer() as server:
        mixed = ["-o", "mixture.members=" + json.dumps(members), "--attempts", "3"]
        done = home.run(*solve(server, checkout, "-m", "openai/toy", *mixed))
        assert done.returncode == 0, done.stderr
    with open_store(home.store) as store:
        [run] = [row.run for row in store.runs()]
        [task] = store.task_names(run)
        [evidence] = store.results(run, task, "evidence")
    patches = {c["id"]: c["patch"] for c in json.loads(evidence.body)["candidates"]}
    made_by = members_in(home.store)
    lines = {"codemonkeys": toy.RIGHT, "tools": toy.RIGHT, "samples": toy.LOUD}
    assert set(made_by.values()) == lines.keys() and patches.keys() == made_by.keys()
    assert all(lines[member] in patches[name] for name, member in made_by.items())


def test_a_way_that_takes_one_model_says_so_before_anything_is_made(home, tmp_path):
    checkout = toy.make_repository(tmp_path / "repo")
    words = [
        "-m",
        "openai/a",
        "-m",
        "openai/b",
        "--preset",
        "evoscale",
        "--api-base",
        "http://127.0.0.1:9/v1",
    ]
    done = home.run("solve", str(checkout), "--issue", "x", "--sandbox", "overlay", *words)
    assert done.returncode == 2 and "takes one model" in done.stderr and "Traceback" not in done.stderr
    assert not list(home.folder.glob("worlds/*"))


def made_with(preset: str, *members: dict, **others) -> object:
    return configure(preset, {"model": {"name": "gpt-5"}, "mixture": {"members": list(members)}, **others})


@pytest.mark.parametrize(
    ("preset", "members", "others", "said"),
    [
        ("mini", [{"model": "a", "shares": 2}], {}, "share"),
        ("mini", [{"model": "a"}, {"model": "a"}], {}, "two members are called 'a'"),
        ("mini", [{}], {}, "a member needs a name or a model"),
        ("mini", [{"model": "a", "settings": {"step": 3}}], {}, "steps"),
        ("mini", [{"model": "a", "agent": "samples", "settings": {"steps": 3}}], {}, "steps"),
        ("evoscale", [{"model": "a"}, {"model": "b"}], {}, "takes one model"),
        (
            "archon",
            [],
            {"archon": {"layers": [{"kind": "generate", "member": "x"}]}},
            "no member of the mixture",
        ),
    ],
)
def test_a_mixture_that_cannot_be_is_a_sentence(preset, members, others, said):
    with pytest.raises(WrongConfiguration, match=said):
        members_of(made_with(preset, *members, **others))


def test_a_bandit_takes_a_number_of_attempts():
    others = {"attempts": "auto", "mixture": {"members": [{"model": "a"}], "by": "bandit"}}
    with pytest.raises(WrongConfiguration, match="say a number"):
        members_of(configure("mini", {"model": {"name": "gpt-5"}, **others}))


def test_settings_of_a_member_are_the_runs_but_for_its_own():
    configuration = made_with(
        "agent",
        {"model": "a", "temperatures": [0.1, 0.2], "settings": {"steps": 7}},
        {"name": "same", "agent": "codemonkeys"},
        tools={"command_timeout": 5.0},
    )
    first, second = configuration.mixture.members
    assert [settings_of(configuration, first, turn).of_sample(9).temperature for turn in (0, 1)] == [0.1, 0.2]
    assert settings_of(configuration, first).steps == 7
    assert settings_of(configuration, first).command_timeout == 5.0
    assert settings_of(configuration, second) == configuration.attempt


def test_models_said_once_or_more():
    assert said_models(["a=b"], price="1,2") == {"model": {"name": "a=b", "price": "1,2"}}
    both = said_models(["x/a", "y/b=0.5"], api_base="http://h", price=None)
    assert both["model"]["name"] == "x/a"
    assert both["mixture"]["members"] == [
        {"model": "x/a", "api_base": "http://h", "price": None},
        {"model": "y/b", "share": 0.5, "api_base": "http://h", "price": None},
    ]
    assert said_models(["m=x"] * 2)["mixture"]["members"][0]["model"] == "m=x"  # no number: part of the name


async def test_the_record_is_that_of_all_issues_that_are_done(tmp_path):
    with open_store(tmp_path / "winnow.db") as store:
        store.create_run("r", config="{}", kind="batch")
        for task in ("one", "two", "open"):
            store.put_task("r", task, body="{}")
            for name, member in (("attempt-1", "a"), ("attempt-2", "b"), ("attempt-3", "b")):
                await store.put_result("r", task, MIND, name, json.dumps({"member": member}))
        assert record_of(store, "r") == {}
        candidates = tuple(Candidate(f"attempt-{i}", "a patch" if i == 1 else "") for i in (1, 2))
        applies = {"attempt-1": True, "attempt-2": False}
        evidence = Evidence(
            candidates, applies=applies, regressions={"attempt-1": Regression(passed=3, known=3)}
        )
        for task in ("one", "two"):  # the third attempt was ended by the world: it counts for nobody
            await store.put_result(
                "r", task, RECORD, "members", record_in(evidence, store.results("r", task, MIND))
            )
        assert record_of(store, "r") == {"a": (2, 0), "b": (0, 2)}

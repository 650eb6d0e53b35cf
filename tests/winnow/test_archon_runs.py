"""Layers from the command: what each layer lets through, a user's own file of layers, members in layers, and kills."""

from __future__ import annotations

import json
import re
from functools import partial

import pytest
import toy
from kills import killed_again_and_again
from test_kill import outcome
from toy_server import ToyServer
from winnow_home import Home

from store import open_store
from winnow.configuration import WrongConfiguration, configure

pytestmark = [pytest.mark.overlay, pytest.mark.timeout(600)]

LINES = {1: toy.HALF, 2: toy.RIGHT, 3: toy.LOUD, 4: toy.RIGHT + "  # both"}
"""What each attempt writes; the fourth is fused."""
LAYERS = """
[[layers]]
kind = "generate"

[[layers]]
kind = "critique"
temperature = 0.2

[[layers]]
kind = "rank"
samples = 2
keep = 2

[[layers]]
kind = "fuse"

[[layers]]
kind = "verify"

[[layers]]
kind = "test"
"""


def reply(step: str, messages: list[dict]) -> str:
    """A careful reviewer: it puts LOUD last and calls HALF wrong."""
    trajectory, branch, _ = step.rsplit("/", 2)
    asked = messages[-1]["content"]
    if branch == "patch":
        line = LINES[int(trajectory.removeprefix("attempt-"))]
        return f"Like so.\n\n<<<<< EDIT names.py\n===== FIND\n{toy.OLD}\n===== REPLACE\n{line}\n>>>>> END\n"
    if branch == "critique":
        word = "misses two names" if toy.HALF in asked else "is right"
        return f"I looked.\n\n<<<<< CRITIQUE\nStrengths:\n- it {word}\n>>>>> END\n"
    if branch == "rank":
        assert "misses two names" in asked  # what critics said is there
        parts = re.split(r"^# (P\d+)$", asked, flags=re.M)
        diffs = dict(zip(parts[1::2], parts[2::2], strict=True))
        order = sorted(diffs, key=lambda label: (toy.LOUD in diffs[label], toy.RIGHT not in diffs[label]))
        return "<<<<< RANKING\n" + "\n".join(order) + "\n>>>>> END\n"
    if branch == "verify":
        return "So.\n\n<<<<< " + ("WRONG" if toy.HALF in asked else "RIGHT")
    raise AssertionError(f"nobody should ask {step}")


def words(server: ToyServer, checkout, file, *more: str) -> list[str]:
    return [
        "solve", str(checkout), "--issue", toy.ISSUE, "--model", "openai/toy", "--api-base", server.url, "--price",
        "1,10", "--sandbox", "overlay", "--preset", "archon", "--attempts", "4", "-o", f"archon.file={file}",
        "-o", "selection.reproduction_files=0", "-o", "patches.choices=1", *more,
    ]  # fmt: skip


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "layers.toml"
    path.write_text(LAYERS)
    return path


def ended_in(where) -> tuple[dict, list[str]]:
    """(the choice, the candidates that were weighed at the end)."""
    with open_store(where) as store:
        [run] = [row.run for row in store.runs() if store.tasks(row.run)]
        [task] = [row.task for row in store.tasks(run)]
        [choice] = store.results(run, task, "choice")
        [evidence] = store.results(run, task, "evidence")
        return json.loads(choice.body), [c["id"] for c in json.loads(evidence.body)["candidates"]]


def test_each_layer_lets_through_what_it_should(home, tmp_path, file):
    checkout = toy.make_repository(tmp_path / "repo")
    file.write_text(LAYERS.replace('kind = "critique"', 'kind = "critique"\nmember = "strict"'))
    with ToyServer(reply=reply) as server:
        member = {"name": "strict", "model": "openai/strict", "api_base": server.url, "price": "2,2"}
        done = home.run(*words(server, checkout, file, "-o", f"mixture.members={json.dumps([member])}"))
        assert done.returncode == 0, done.stderr
        asked = [step.rsplit("/", 1)[0] for step in server.steps]
    # LOUD is ranked last and goes; HALF is called wrong; what is left are the right one and the fused one.
    choice, weighed = ended_in(home.store)
    assert weighed == ["attempt-2", "attempt-4"] and choice["chosen"] in weighed
    assert sorted(asked) == sorted(
        [f"attempt-{i}/patch" for i in (1, 2, 3, 4)]
        + [f"think-critique-2-attempt-{i}-1/critique" for i in (1, 2, 3)]
        + ["think-rank-3-1/rank", "think-rank-3-2/rank"]
        + [f"think-verify-5-attempt-{i}-1/verify" for i in (1, 2, 4)]
    )
    [fusing] = [request for request in server.requests if request["step"] == "attempt-4/patch/0"]
    said = fusing["messages"][-1]["content"]
    assert toy.HALF in said and toy.RIGHT in said and toy.LOUD not in said and "misses two names" in said
    by_branch = {(request["step"].split("/")[1], request["model"]) for request in server.requests}
    assert by_branch == {
        (b, "strict" if b == "critique" else "toy") for b in ("patch", "critique", "rank", "verify")
    }
    systems = {json.dumps(request["messages"][0]) for request in server.requests}
    assert len(systems) == 1  # one prefix for all roles
    temperatures = {request["step"].split("/")[1]: request.get("temperature") for request in server.requests}
    assert temperatures == {"patch": 0.7, "critique": 0.2, "rank": 0.7, "verify": 0.7}


def test_without_any_patch_nobody_is_asked_about_them(home, tmp_path, file):
    checkout = toy.make_repository(tmp_path / "repo")
    with ToyServer(reply=lambda step, messages: "I do not know.") as server:
        done = home.run(*words(server, checkout, file, "-o", "patches.calls=1"))
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert sorted(server.steps) == [f"attempt-{i}/patch/0" for i in (1, 2, 3)]


def test_killed_between_and_within_layers_it_comes_to_the_same_end(tmp_path, file):
    checkout = toy.make_repository(tmp_path / "repo")
    plain, home = Home(tmp_path / "plain"), Home(tmp_path / "killed")
    with ToyServer(reply=reply) as server:
        assert plain.run(*words(server, checkout, file)).returncode == 0
    with ToyServer(reply=reply) as server:
        forget = partial(file.unlink, missing_ok=True)  # the run has its layers
        killed_again_and_again(home, server, words(server, checkout, file), (4, 4), forget)
    assert outcome(home.store) == outcome(plain.store)


@pytest.mark.parametrize(
    ("text", "attempts", "said"),
    [
        ("", 10, "has no layers"),
        ("layers = 3", 10, "archon.layers"),
        ("[[layers]", 10, "is no TOML"),
        (None, 10, "cannot be read"),
        ('[[layers]]\nkind = "rank"', 10, r"layer 1 \(rank\) is not possible there"),
        ('[[layers]]\nkind = "generate"\nsample = 3', 10, "samples"),
        ('[[layers]]\nkind = "generate"\n[[layers]]\nkind = "fuse"\nsamples = 3', 3, "at least 4 attempts"),
    ],
)
def test_a_file_of_layers_that_cannot_be_is_a_sentence(tmp_path, text, attempts, said):
    path = tmp_path / "layers.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(WrongConfiguration, match=said) as error:
        configure("archon", {"model": {"name": "x"}, "attempts": attempts, "archon": {"file": str(path)}})
    assert "\n" not in str(error.value) and "Value error" not in str(error.value)

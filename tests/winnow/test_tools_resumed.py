"""Attempts by tools from the command: killed in the middle, they go on in a fresh sandbox with the same files.

What their commands did is done again there, and the tree is compared (winnow/journaled_sandbox.py). Calls are counted
at the server, as in test_kill.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import toy
from kills import killed_again_and_again
from test_kill import outcome
from toy_server import ToyServer
from winnow_home import Home

from environments import changes_of, freeze
from store import open_store
from winnow.recording import record

pytestmark = [pytest.mark.overlay, pytest.mark.xdist_group("kill"), pytest.mark.timeout(600)]

ATTEMPTS = 2
COUNT = (
    "python3 -c \"import pathlib; p = pathlib.Path('count.txt'); p.write_text(p.read_text() + 'again\\n')\""
)


def bash(command):
    return "bash", {"command": command}


def steps(number: int) -> list[tuple[str, dict]]:
    """What attempt `number` does: every state that matters is made by a command, an edit or both in turn."""
    line = toy.RIGHT if number == 1 else toy.HALF
    return [
        ("view", {"path": "names.py"}),
        bash("echo first > count.txt; mkdir -p 'new dir'; echo scratch > winnow_scratch.txt"),
        ("replace", {"path": "names.py", "find": toy.OLD, "replace": "    return broken"}),
        bash(COUNT),
        ("undo", {"path": "names.py"}),
        ("replace", {"path": "names.py", "find": toy.OLD, "replace": line}),
        bash(f"{COUNT}; chmod +x count.txt; cp count.txt 'new dir/a copy'; cat count.txt"),
        bash("python3 -c \"import names; print(names.join_names(['Ann', 'Bob', 'Cy']))\""),
        ("submit", {}),
    ]


def message(step: str) -> dict:
    trajectory, branch, index = step.split("/")
    assert branch == "agent"
    name, arguments = steps(int(trajectory.removeprefix("attempt-")))[int(index)]
    call = {
        "id": f"call-{index}",
        "type": "function",
        "function": {"name": name, "arguments": json.dumps(arguments)},
    }
    return {"content": f"Step {index}.", "tool_calls": [call], "cached": 0}


class ToolServer(ToyServer):
    """The toy's server, whose model calls tools."""

    def said(self, body):
        return message(body["step"])


def arguments(server: ToyServer, checkout: Path) -> list[str]:
    return [
        "solve", str(checkout), "--issue", toy.ISSUE, "--model", "openai/toy", "--api-base", server.url,
        "--preset", "mini", "--attempts", str(ATTEMPTS), "--sandbox", "overlay", "--price", "1,10",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[dict, int, Path, Home]:
    """(the outcome, the number of calls, the checkout, its home) of a run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("tools-undisturbed")
    checkout = toy.make_repository(folder / "repo")
    home = Home(folder / "home")
    with ToolServer() as server:
        done = home.run(*arguments(server, checkout))
        assert done.returncode == 0, done.stderr
        return outcome(home.store), len(server.steps), checkout, home


def test_an_attempt_by_tools_makes_its_patch(undisturbed, tmp_path):
    ended, calls, checkout, _ = undisturbed
    assert calls == ATTEMPTS * len(steps(1))
    snapshot = freeze(checkout, tmp_path / "frozen")
    for number, line in ((1, toy.RIGHT), (2, toy.HALF)):
        ending, is_result, body = ended["endings"][f"attempt-{number}"]
        assert (ending, is_result) == ("finished", True)
        changes = changes_of(snapshot.tree, json.loads(body)["patch"])
        counted = b"first\nagain\nagain\n"
        assert {path: (change.content, change.mode) for path, change in changes.items()} == {
            "names.py": (toy.SOURCE.replace(toy.OLD, line).encode(), 0o644),
            "count.txt": (counted, 0o755),
            "new dir/a copy": (counted, 0o755),
        }
    assert set(ended["endings"]) == {"attempt-1", "attempt-2"} | {
        n for n in ended["endings"] if "selection" in n
    }


def test_killed_in_the_middle_it_comes_to_the_same_end(undisturbed, tmp_path):
    """Two kills, each after some more calls: commands that add to a file are done again exactly once each."""
    expected, _, checkout, _ = undisturbed
    home = Home(tmp_path / "home")
    with ToolServer() as server:
        killed_again_and_again(home, server, arguments(server, checkout), (6, 6))
    ended = outcome(home.store)
    assert ended["steps"].keys() == expected["steps"].keys()
    assert ended == expected


def test_a_recording_of_it_drives_a_run_without_a_model(undisturbed, tmp_path):
    expected, _, checkout, home = undisturbed
    path = tmp_path / "tools.json"
    with open_store(home.store) as store:
        [run] = [row.run for row in store.runs() if store.tasks(row.run)]
        record(store, run, "the toy by tools", path)
    again = Home(tmp_path / "again")
    words = ["solve", str(checkout), "--issue", toy.ISSUE, "--model", f"replay:{path}", "--preset", "mini"]
    done = again.run(*words, "--attempts", str(ATTEMPTS), "--sandbox", "overlay")
    assert done.returncode == 0, done.stderr
    patches = {name: json.loads(body)["patch"] for name, (_, _, body) in expected["endings"].items() if body}
    now = {n: json.loads(b)["patch"] for n, (_, _, b) in outcome(again.store)["endings"].items() if b}
    assert now == patches

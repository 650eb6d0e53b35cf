"""Every preset from the command to its end with random weights: real HTTP, real tokens, replies forced by grammar.

What it writes is nonsense in the right form, so everything happens that can happen to an attempt. Whatever comes of it,
each trajectory has an ending that is its own, and the run chooses or says that nothing was worth choosing.

All presets take a minute or two: an ordinary run of the tests takes those in QUICK, and mini, which is killed;
WINNOW_ALL_PRESETS=1 takes all of them.
"""

from __future__ import annotations

import json
import os
import signal

import pytest
import toy
from gbnf import Grammar
from kills import command_line, family, until_gone
from waiting import wait_until

from agent import Ending
from store import open_store
from winnow.configuration import presets

pytestmark = [pytest.mark.overlay, pytest.mark.xdist_group("local presets")]

QUICK = {"codemonkeys"}
SMALL = [
    "attempts=2", "model.grammar_lines=3", "model.grammar_columns=16", "model.threads=1",
    "patches.max_tokens=256", "patches.calls=2", "attempt.max_tokens=256", "tools.max_tokens=256",
    "tools.steps=6", "tools.command_timeout=5", "attempt.testing_calls=3", "attempt.editing_calls=3",
    "attempt.script_timeout=5", "selection.max_tokens=256", "selection.script_timeout=5", "selection.calls=3",
]  # fmt: skip
OWN: dict[str, list[str]] = {"archon": ["attempts=4"]}
"""Further settings of single presets: archon's layers make three attempts at least."""


def words(name):
    if name not in QUICK and not os.environ.get("WINNOW_ALL_PRESETS"):
        return pytest.param(name, marks=pytest.mark.skip(reason="WINNOW_ALL_PRESETS=1 runs every preset"))
    return name


@pytest.mark.parametrize("preset", [words(name) for name in presets()])
def test_a_preset_comes_to_a_clean_end(home, tmp_path, tiny_gguf, preset):
    checkout = toy.make_repository(tmp_path / "repo")
    small = [word for each in SMALL + OWN.get(preset, []) for word in ("-o", each)]
    done = home.run(
        "solve", str(checkout), "--issue", toy.ISSUE, "--model", str(tiny_gguf), "--preset", preset,
        "--sandbox", "overlay", *small,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr and "Winnow's own" not in done.stderr
    with open_store(home.store) as store:
        [run] = [row.run for row in store.runs()]
        [task] = store.task_names(run)
        rows = store.trajectories(run, task)
        attempts = [row for row in rows if row.trajectory.startswith("attempt-")]
        asked = [step for step in store.steps(run, task) if step.kind == "ask"]
        forced = [(_settings(store, step), json.loads(step.answer)["choices"]) for step in asked]
        choice = [json.loads(row.body)["chosen"] for row in store.results(run, task, "choice")]
    assert attempts and all(Ending(row.ending).is_result for row in rows), [
        (r.trajectory, r.ending) for r in rows
    ]
    assert asked and all(step.prompt_tokens and step.completion_tokens for step in asked)
    assert len(choice) == 1 and (choice[0] is not None) == (done.returncode == 0)
    for settings, choices in forced:
        accepts = Grammar(settings["grammar"]).accepts
        assert all(accepts(each["message"]["content"]) for each in choices if each["finish"] == "stop")
        assert settings["logprobs"] is None or choices[0]["logprobs"][0]["logprob"] < 0
    ended = [each["finish"] for _, choices in forced for each in choices]
    assert ended.count("stop") > 0.9 * len(ended)


def test_a_killed_run_takes_its_server_with_it_and_goes_on(home, tmp_path, tiny_gguf):
    """The grammar is part of what was asked: a resumed run asks the same, so nothing is an error or mixed."""
    checkout = toy.make_repository(tmp_path / "repo")
    # Nobody can hold a reply back here; after the first there are up to seventeen to come, and commands between them.
    small = [word for each in [*SMALL, "attempts=3"] for word in ("-o", each)]
    process = home.start(
        "solve", str(checkout), "--issue", toy.ISSUE, "--model", str(tiny_gguf), "--preset", "mini",
        "--sandbox", "overlay", *small,
    )  # fmt: skip
    wait_until(lambda: _answers(home) or process.poll() is not None, "the first reply")
    assert process.poll() is None, process.communicate()
    everybody = family(process.pid)
    assert any("local_serving" in command_line(pid) for pid in everybody)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    until_gone(everybody)
    kept = _answers(home)
    with open_store(home.store) as store:
        [run] = [row.run for row in store.runs()]
    done = home.run("resume", run)
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr
    assert kept <= _answers(home) <= 3 * 6


def _answers(home):
    if not home.store.exists():
        return 0
    with open_store(home.store) as store:
        return sum(step.kind == "ask" for row in store.runs() for step in store.steps(row.run))


def _settings(store, step):
    return json.loads(next(part.text for part in store.texts(step) if part.label == "settings"))

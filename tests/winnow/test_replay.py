"""Recordings: a run replays without a model, a changed prompt is refused by name, a changed execution is seen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import toy
from toy_server import ToyServer
from winnow_home import Home

import agent.render
from models import ReplayMismatch
from store import open_store
from winnow.configuration import configure
from winnow.recording import compare, record
from winnow.solve_command import Asked, solve

pytestmark = [pytest.mark.overlay, pytest.mark.xdist_group("solve")]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> tuple[Path, Path]:
    """(a checkout, the recording of a run on it)."""
    folder = tmp_path_factory.mktemp("recorded")
    checkout = toy.make_repository(folder / "repo")
    home = Home(folder / "home")
    with ToyServer() as server:
        done = home.run(
            "solve", str(checkout), "--issue", toy.ISSUE, "--model", "openai/toy", "--api-base", server.url,
            "--attempts", "2", "--sandbox", "overlay",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with open_store(home.store) as store:
        [run] = [row.run for row in store.runs()]
        assert record(store, run, "the toy", folder / "recording.json") == store.totals(run).asks
        assert compare(folder / "recording.json", store, run) == []
    return checkout, folder / "recording.json"


def asked(checkout: Path, recording: Path) -> Asked:
    return Asked(
        source=str(checkout),
        issue=toy.ISSUE,
        options={"attempts": 2, "model": {"name": f"replay:{recording}"}},
        context_window=None,
        preset=None,
        config=None,
        words=(),
        sandbox="overlay",
        image=None,
        dockerfile=None,
        rootfs=None,
        setup=None,
        setup_hosts=(),
        test_command=None,
        out=None,
        apply=False,
        json=True,
        store=None,
    )


def replay(home, monkeypatch, checkout: Path, recording: Path) -> int:
    monkeypatch.setenv("WINNOW_HOME", str(home.folder))
    monkeypatch.delenv("WINNOW_STORE", raising=False)
    return solve(asked(checkout, recording))


def test_a_recording_holds_no_text_of_the_repository(recorded):
    text = recorded[1].read_text()
    assert "def shout" not in text and "drops the last name" not in text
    assert toy.OLD.strip() in text.replace('\\"', '"')  # the line that the edits quote


def test_a_replay_comes_to_the_same_end_without_a_model(recorded, home, monkeypatch, capsys):
    assert replay(home, monkeypatch, *recorded) == 0
    assert json.loads(capsys.readouterr().out)["chosen"] == "attempt-1"
    with open_store(home.store) as store:
        [run] = [row.run for row in store.runs()]
        assert compare(recorded[1], store, run) == []


@pytest.mark.parametrize("template", ["testing_system", "editing_result"])
def test_one_changed_character_in_a_prompt_is_refused_and_named(
    recorded, home, monkeypatch, tmp_path, template
):
    prompts = tmp_path / "prompts"
    shutil.copytree(agent.render.HERE, prompts)
    file = prompts / f"{template}.j2"
    file.write_text(file.read_text().replace("the", "thE", 1))
    monkeypatch.setattr(agent.render, "HERE", prompts)
    with pytest.raises(ReplayMismatch, match=r"message \d \((system|user)\)") as refused:
        replay(home, monkeypatch, *recorded)
    assert "attempt-" in str(refused.value)


def test_an_execution_that_ends_otherwise_is_seen(recorded, home, monkeypatch, tmp_path, capsys):
    assert replay(home, monkeypatch, *recorded) == 0
    body = json.loads(recorded[1].read_text())
    places = [at for at, how in body["executions"].items() if how == [2, "exited"]]
    body["executions"][places[0]] = [0, "exited"]
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(body))
    with open_store(home.store) as store:
        [run] = [row.run for row in store.runs()]
        assert compare(changed, store, run) == [f"{places[0]}: [2, 'exited'], recorded was [0, 'exited']"]


def test_a_preset_knows_its_keys():
    from winnow.configuration import WrongConfiguration

    with pytest.raises(WrongConfiguration, match="did you mean 'attempts'"):
        configure("codemonkeys", {"attemps": 3, "model": {"name": "x"}})
    with pytest.raises(WrongConfiguration, match="did you mean 'temperature'"):
        configure("codemonkeys", {"attempt": {"temprature": 1}, "model": {"name": "x"}})
    with pytest.raises(WrongConfiguration, match="attempts"):
        configure("codemonkeys", {"attempts": 0, "model": {"name": "x"}})


def test_a_run_that_this_version_cannot_read_is_a_sentence(home, recorded):
    home.folder.mkdir()
    with open_store(home.store) as store:
        store.create_run("20260101-0000-empty-0000", config="{}", kind="solve")
        store.create_run(
            "20260101-0000-other-0000", config='{"model": {"name": "x"}, "colour": 1}', kind="solve"
        )
        store.put_task("20260101-0000-other-0000", "task", body="{}")
    for run, said in (("20260101-0000-empty", "stopped before"), ("20260101-0000-other", "another version")):
        done = home.run("resume", run)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr

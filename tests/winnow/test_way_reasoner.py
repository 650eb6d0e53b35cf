"""The way reasoner: of several understandings and localisations the judge's best go on, patches are made of them."""

from __future__ import annotations

import pytest
import toy
from test_kill import outcome
from toy_ways import CASES, WayServer, endings, killed_and_resumed, words, yes
from winnow_home import Home

pytestmark = [pytest.mark.overlay, pytest.mark.xdist_group("ways-reasoner")]

UNDERSTANDING = """Think.

<<<<< UNDERSTANDING
===== ANALYSIS
{text}
===== FILES
{files}
>>>>> END
"""
FAULT = """Think.

<<<<< FAULT
===== CAUSE
{cause}
===== PLACES
names.py: join_names
===== CHANGE
The last name follows "and".
>>>>> END
"""
EDIT = "Like so.\n\n<<<<< EDIT names.py\n===== FIND\n{old}\n===== REPLACE\n{new}\n>>>>> END\n"


def answer(step: str, body: dict) -> object:
    """The second understanding is the good one, the first is sent back once; the first localisation is the good one."""
    trajectory, branch = step.split("/")[0], step.split("/")[1]
    if branch == "understand":
        if trajectory == "think-understand-1":
            files = "names" if step.endswith("/0") else "tests/test_names.py"
            return UNDERSTANDING.format(text="The tests are wrong.", files=files)
        return UNDERSTANDING.format(text="Names are joined in one place.", files="- `names.py`")
    if branch == "localise":
        cause = "The slice drops the last name." if trajectory.endswith("-1") else "shout is too loud."
        return FAULT.format(cause=cause)
    if branch.endswith("-judge"):
        good = trajectory in ("think-understand-2", "think-localise-1")
        return yes(0.9 if good else 0.1)
    if branch == "patch":
        line = toy.HALF if trajectory == "attempt-1" else toy.RIGHT
        return EDIT.format(old=toy.OLD, new=line)
    if branch == "reproduction":
        return f"All of them.\n\n<<<<< TEST\n{CASES}>>>>> END\n"
    assert branch == "execution-free", step
    return yes(0.5)


def asked(server, checkout, *more: str) -> list[str]:
    narrow = ("-o", "reasoner.samples=2", "-o", "reasoner.beam=1", "-o", "patches.choices=1")
    return words(server, checkout, "reasoner", "--attempts", "2", *narrow, *more)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[Home, WayServer, object]:
    folder = tmp_path_factory.mktemp("reasoner")
    checkout, home = toy.make_repository(folder / "repo"), Home(folder / "home")
    with WayServer(answer) as server:
        done = home.run(*asked(server, checkout))
    assert done.returncode == 0, done.stderr
    return home, server, done


def test_the_best_of_each_phase_goes_on_and_execution_decides(undisturbed):
    home, server, done = undisturbed
    assert endings(home) == {"attempt-1": "finished", "attempt-2": "finished"}
    assert "Chosen: attempt-2" in done.stdout and "resolves 10 of 10" in done.stdout
    localise = server.prompt("think-localise-1/localise/0")[0]
    assert "Names are joined in one place." in localise and "The tests are wrong." not in localise
    assert toy.OLD in localise and toy.TESTS.strip() not in localise
    for number in (1, 2):
        system, question = server.prompt(f"attempt-{number}/patch/0")
        assert (
            toy.OLD in system and "The slice drops the last name." in question and "shout is" not in question
        )


def test_a_reply_that_names_no_file_goes_back_with_the_reason(undisturbed):
    _, server, _ = undisturbed
    said = server.prompt("think-understand-1/understand/1")
    assert "names no file of the repository" in said[-1]


def test_a_judge_sees_the_step_that_it_judges(undisturbed):
    _, server, _ = undisturbed
    assert "The tests are wrong." in server.prompt("think-understand-1/understand-judge/0")[0]
    shown = server.prompt("think-localise-2/localise-judge/0")[0]
    assert "shout is too loud." in shown and toy.OLD in shown


def test_with_nothing_usable_the_issues_files_and_the_patch_most_like_the_others_stand_in(tmp_path):
    """No phase says anything that can be read, and no cases are written; two patches are alike, one is of its own."""
    lines = {"attempt-1": toy.LOUD, "attempt-2": toy.RIGHT + "  # so", "attempt-3": toy.RIGHT}

    def useless(step: str, body: dict) -> object:
        if step.startswith("think-") or "/reproduction/" in step:
            return "Hm."
        if "/patch/" in step:
            return EDIT.format(old=toy.OLD, new=lines[step.split("/")[0]])
        return answer(step, body)

    checkout, home = toy.make_repository(tmp_path / "repo"), Home(tmp_path / "home")
    with WayServer(useless) as server:
        done = home.run(*asked(server, checkout, "--attempts", "3"))
    assert done.returncode == 0, done.stderr
    assert toy.OLD in server.prompt("attempt-1/patch/0")[0]
    assert "Chosen: attempt-3" in done.stdout and "like the 2 others on the mean" in " ".join(
        done.stdout.split()
    )


def test_killed_in_the_second_phase_it_asks_the_same_again(undisturbed, tmp_path):
    home, _, _ = undisturbed
    checkout, killed = toy.make_repository(tmp_path / "repo"), Home(tmp_path / "home")
    kills = ["think-localise-1/localise/0"]
    assert killed_and_resumed(killed, answer, lambda s: asked(s, checkout), kills) == outcome(home.store)

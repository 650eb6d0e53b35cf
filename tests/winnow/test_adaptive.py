"""`--attempts auto` from the command: it stops where attempts agree, goes on where they do not, and survives a kill.

The model is the toy's, behind a real server that counts calls; what attempts agree on is decided by real sandboxes.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import toy
from kills import Kills, runs
from test_kill import outcome
from toy_server import ToyServer
from winnow_home import Home

from store import open_store

pytestmark = [pytest.mark.overlay, pytest.mark.xdist_group("kill"), pytest.mark.timeout(600)]

AGREEMENT_ALONE = ("auto.gain=0", "auto.patience=99", "auto.least=2", "auto.most=6")


def agreeing(step: str, messages: list[dict]) -> str:
    """Every attempt does what the fifth does: no detour, and the half-right or right edits are all the right one."""
    trajectory, _, rest = step.partition("/")
    if trajectory.startswith("attempt-") and rest.startswith("editing"):
        return toy.reply(f"attempt-5/{rest}", messages).replace(toy.HALF, toy.RIGHT)
    return toy.reply(step, messages)


def arguments(server: ToyServer, checkout: Path, *options: str) -> list[str]:
    words = [word for option in options for word in ("-o", option)]
    return [
        "solve", str(checkout), "--issue", toy.ISSUE, "--model", "openai/toy", "--api-base", server.url,
        "--attempts", "auto", "--sandbox", "overlay", "--price", "1,10", *words,
    ]  # fmt: skip


def kept(home: Home) -> dict:
    """How many attempts the issue got, and why no more."""
    with open_store(home.store) as store:
        [run] = runs(home.store)
        [row] = store.results(run, store.task_names(run)[0], "attempts")
        return json.loads(row.body)


def attempts_of(ended: dict) -> list[str]:
    return sorted(name for name in ended["endings"] if name.startswith("attempt-"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[dict, Path, Home]:
    """(the outcome, the checkout, its home) of a run in which all agree."""
    folder = tmp_path_factory.mktemp("auto-undisturbed")
    checkout = toy.make_repository(folder / "repo")
    home = Home(folder / "home")
    with ToyServer(reply=agreeing) as server:
        done = home.run(*arguments(server, checkout, *AGREEMENT_ALONE))
        assert done.returncode == 0, done.stdout + done.stderr
        return outcome(home.store), checkout, home


def test_it_stops_where_they_agree_and_the_report_says_what_that_saved(undisturbed):
    ended, _, home = undisturbed
    # 2 that agree: 0.875, 4: 0.969, which is more than 0.95.
    assert attempts_of(ended) == [f"attempt-{i}" for i in range(1, 5)]
    assert kept(home) == {"made": 4, "most": 6, "why": "agreement"}
    [run] = runs(home.store)
    report = home.run("report", run)
    assert "4 of 6 made (33.3% saved" in report.stdout and "1 agreement" in report.stdout, report.stdout
    saved = json.loads(home.run("report", run, "--json").stdout)["saved"]
    assert (saved["made"], saved["most"], saved["why"]) == (4, 6, {"agreement": 1})
    assert saved["calls"] == 4 * saved["calls_saved"] / 2  # two more, each as long as these were
    status = home.run("status", run).stdout
    assert "4/6" not in status and " 4 " in status, status


def test_killed_within_the_second_wave_it_makes_the_same_attempts(undisturbed, tmp_path):
    expected, checkout, _ = undisturbed
    home = Home(tmp_path / "home")
    with ToyServer(reply=agreeing) as server:
        kills = Kills(home, server)
        second_wave = ("attempt-3/", "attempt-4/")
        kills.at(
            arguments(server, checkout, *AGREEMENT_ALONE),
            lambda steps: sum(step.startswith(second_wave) for step in steps) >= 2,
        )
        done = home.run("resume", *runs(home.store))
        assert done.returncode == 0, done.stderr
        ended = outcome(home.store)
        assert attempts_of(ended) == attempts_of(expected)
        assert ended["steps"].keys() == expected["steps"].keys()
        assert ended == expected
        kills.paid_once()
        # Once more: nothing is asked, nothing is made.
        before = len(server.steps)
        assert home.run("resume", *runs(home.store)).returncode == 0 and len(server.steps) == before


def test_it_goes_on_where_they_do_not_agree_to_the_most(tmp_path):
    checkout = toy.make_repository(tmp_path / "repo")
    home = Home(tmp_path / "home")
    with ToyServer() as server:
        done = home.run(*arguments(server, checkout, *AGREEMENT_ALONE, "auto.most=3"))
        assert done.returncode == 0, done.stdout + done.stderr
    assert len(attempts_of(outcome(home.store))) == 3
    assert kept(home) == {"made": 3, "most": 3, "why": "most"}


class HardOn(ToyServer):
    """The toy's server, which fails whatever attempt 2 asks for, as long as `hard` is set."""

    hard = True

    def arrived(self, body, headers, path):
        call, said = super().arrived(body, headers, path)
        if self.hard and body["step"].startswith("attempt-2/"):
            said = {"misbehave": "error", "status": 503}
        return call, said


def test_an_attempt_that_comes_late_changes_nothing_that_was_decided(tmp_path):
    checkout = toy.make_repository(tmp_path / "repo")
    home = Home(tmp_path / "home")
    with HardOn(reply=agreeing) as server:
        options = (*AGREEMENT_ALONE, "auto.least=3", "model.patience=0", "auto.sure=0.8")
        done = home.run(*arguments(server, checkout, *options))
        assert done.returncode == 0, done.stdout + done.stderr
        # The two others agree: 0.875, enough here.
        assert kept(home) == {"made": 3, "most": 6, "why": "agreement"}
        first = outcome(home.store)
        assert first["endings"]["attempt-2"][:2] == ("model unreachable", False)
        server.hard = False
        assert home.run("resume", *runs(home.store)).returncode == 0
        ended = outcome(home.store)
        assert ended["endings"]["attempt-2"][:2] == ("finished", True)
        assert kept(home) == {"made": 3, "most": 6, "why": "agreement"}
        assert first["steps"].items() <= ended["steps"].items()
        weighed = {step for step in ended["steps"] if step.startswith(("weigh-", "way/"))}
        assert weighed and weighed <= first["steps"].keys()


def test_it_stays_within_the_budget(tmp_path):
    checkout = toy.make_repository(tmp_path / "repo")
    home = Home(tmp_path / "home")
    with ToyServer() as server:
        done = home.run(*arguments(server, checkout, *AGREEMENT_ALONE), "--budget", "0.004")
        assert done.returncode in (0, 1), done.stdout + done.stderr
    assert kept(home) == {"made": 2, "most": 6, "why": "budget"}


def test_a_way_that_builds_on_its_attempts_has_no_such_number(tmp_path):
    home = Home(tmp_path / "home")
    done = home.run(
        "solve", ".", "--issue", "x", "--model", "openai/toy", "--preset", "evoscale", "--attempts", "auto"
    )
    assert done.returncode == 2 and "say a number" in done.stderr and "Traceback" not in done.stderr
    done = home.run("solve", ".", "--issue", "x", "--model", "openai/toy", "--attempts", "many")
    assert done.returncode == 2 and "auto" in done.stderr and "many" in done.stderr

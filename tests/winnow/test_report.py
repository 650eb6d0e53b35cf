"""`winnow report` on real stores: what counts, what does not, and what is said of it."""

from __future__ import annotations

import asyncio
import csv
import json
import os

import pytest
from graded_run import RUN, Told, Try, grade_of, patch_of, write
from rich.console import Console

from agent import Candidate, Ending, Run, Script
from selection import UNFIXED, Evidence, Ranking, Test
from store import open_store
from winnow.figures_gather import gather
from winnow.figures_summary import summarize
from winnow.report import print_choice, print_matrix
from winnow.stored import evidence_to_json


def summary_of(file, issues, **more):
    write(file, issues, **more)
    with open_store(file) as store:
        return summarize(gather(store, RUN))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "winnow.db"


BATCH = {
    "a__b-1": Told(
        {
            "attempt-1": Try(patch_of(1), True, conversation=("s", "u", "m1", "u2", "m2")),
            "attempt-2": Try(patch_of(2), False),
        },
        "attempt-1",
    ),
    "a__b-2": Told({"attempt-1": Try(patch_of(3), True), "attempt-2": Try(patch_of(4), False)}, "attempt-2"),
    "a__b-3": Told({"attempt-1": Try("", None), "attempt-2": Try(patch_of(5), False)}, ""),
    "a__b-4": Told(
        {"attempt-1": Try(patch_of(6), True), "attempt-2": Try("", None, Ending.RATE_LIMIT)}, "attempt-1"
    ),
}


def test_a_batch_adds_up(file):
    said = summary_of(file, BATCH)
    figures = said.figures
    assert (figures.resolved.value, figures.coverage.value) == (0.5, 0.75)
    assert figures.efficiency.value == pytest.approx(2 / 3)
    # the fourth issue's second attempt was ended by the world: that issue has one attempt, which is right
    assert figures.passes[0].estimate.value == pytest.approx((0.5 + 0.5 + 0 + 1) / 4)
    assert [p.fewer for p in figures.passes] == [0, 1]
    assert (said.attempts.all, said.attempts.results, said.attempts.ended_by_world) == (8, 7, 1)
    assert (said.attempts.graded, said.attempts.empty, said.attempts.ungraded) == (7, 1, 0)
    assert [(row.ending, row.fault, row.attempts) for row in said.endings] == [
        ("finished", "the attempt's", 7),
        ("rate limit", "the world's", 1),
    ]
    assert said.money.cost == pytest.approx(0.5) and said.money.per_resolved == pytest.approx(0.25)
    assert said.money.cached == pytest.approx(0.4) and said.money.calls == 2
    assert said.time.wall == pytest.approx(2.0)


def test_what_has_no_verdict_counts_neither_way(file):
    said = summary_of(
        file,
        {
            "t-1": Told(
                {
                    "attempt-1": Try(patch_of(1), True),
                    "attempt-2": Try(patch_of(2), None),
                    "attempt-3": Try(patch_of(3), verdict="could not be graded"),
                },
                "attempt-2",
            )
        },
    )
    assert (said.attempts.ungraded, said.attempts.not_gradable, said.attempts.graded) == (1, 1, 1)
    assert said.figures.passes[0].estimate.value == 1.0
    assert said.figures.resolved is None  # the choice has no verdict, and nothing else was chosen
    assert said.choices[0].ungraded == 1


def test_an_issue_of_which_nothing_is_known_counts_as_not_resolved(file):
    said = summary_of(file, {"t-1": BATCH["a__b-1"], "t-2": Told({}, None)})
    assert said.issues == 2 and said.issues_without_attempt == 1
    assert said.figures.resolved.value == said.figures.coverage.value == 0.5


def test_without_grades_there_are_no_figures_but_the_rest(file):
    tries = {"attempt-1": Try(patch_of(1)), "attempt-2": Try("")}
    said = summary_of(file, {"t-1": Told(tries, "attempt-1")})
    assert said.figures is None and said.attempts.ungraded == 1 and said.endings[0].attempts == 2


def test_a_grade_of_an_earlier_patch_is_no_grade(file):
    write(file, {"t-1": Told({"attempt-1": Try(patch_of(1), True)}, "attempt-1")})
    with open_store(file) as store:
        again = {"id": "attempt-1", "patch": patch_of(2)}
        asyncio.run(
            store.put_trajectory(
                RUN, "t-1", "attempt-1", ending="finished", is_result=True, body=json.dumps(again)
            )
        )
        said = summarize(gather(store, RUN))
    assert said.figures is None and said.attempts.ungraded == 1


def test_published_outcomes_stand_beside_ours_and_never_count_as_ours(file):
    tries = {
        "one/x": Try(patch_of(1), None, published=True),
        "two": Try(patch_of(2), None, published=False),
    }
    said = summary_of(
        file, {"t-1": Told(tries), "t-2": Told({"one/x": Try(patch_of(3), published=True)})}, kind="import"
    )
    assert said.figures is None and said.agreement is None
    assert said.published.coverage.value == 1.0 and said.published.resolved is None
    assert {m.name: (m.issues, m.graded, m.published) for m in said.members} == {
        "one/x": (2, 0, 2),
        "two": (1, 0, 0),
    }


def test_agreement_names_each_difference(file):
    tries = {
        "a": Try(patch_of(1), True, published=True),
        "b": Try(patch_of(2), False, published=True),
        "c": Try(patch_of(3), True, published=False),
        "d": Try(patch_of(4), verdict="could not be graded", published=True),
    }
    said = summary_of(file, {"t-1": Told(tries)}, kind="import")
    assert (said.agreement.both, said.agreement.same) == (3, 1)
    assert (said.agreement.only_ours, said.agreement.only_theirs) == (("t-1 c",), ("t-1 b",))


def test_one_systems_predictions_are_its_choice(file):
    issues = {
        "t-1": Told({"sys": Try(patch_of(1), True)}),
        "t-2": Told({"sys": Try("", None)}),
        "t-3": Told({}),
    }
    said = summary_of(file, issues, kind="import")
    assert said.figures.resolved.value == pytest.approx(1 / 3)


def test_a_validation_says_what_references_and_unfixed_code_earn(home, file):
    """`winnow grade --gold --empty` keeps grades alone, without candidates."""
    write(file, {"t-1": Told({}), "t-2": Told({})}, kind="validation")
    with open_store(file) as store:
        for task, name, resolved in (("t-1", "gold", True), ("t-2", "gold", False), ("t-1", "empty", False)):
            grade = grade_of(Try("secret reference", resolved))
            asyncio.run(store.put_result(RUN, task, "grade", name, grade))
        said = summarize(gather(store, RUN))
    assert [(m.name, m.graded, m.resolved) for m in said.members] == [("empty", 1, 0), ("gold", 2, 1)]
    text = home.run("report", RUN, "--store", str(file)).stdout
    assert "gold" in text and "pass@k" not in text and "Endings" not in text


def test_runs_that_shared_a_container_are_counted_in_the_matrix_alone(file):
    write(file, {"t-1": BATCH["a__b-1"]})
    spoken = Run(2, 'it said "cells": [{"reused": true}]', reused=True)
    candidates = (Candidate("attempt-1", patch_of(1), test_before=spoken),)
    cells = {("attempt-1", "test-1"): spoken, (UNFIXED, "test-1"): Run(2, "x")}
    evidence = Evidence(candidates, (Test("test-1", Script("python3", "x")),), cells=cells)
    with open_store(file) as store:
        asyncio.run(store.put_result(RUN, "t-1", "evidence", "all", evidence_to_json(evidence)))
        said = summarize(gather(store, RUN))
    assert (said.shared, said.cells) == (1, 2)


def test_bodies_of_any_form_are_no_crash(file):
    write(
        file,
        {"t-1": BATCH["a__b-1"]},
        config={"model": "just-a-name", "selection": None, "dataset": {"name": "d"}},
    )
    with open_store(file) as store:
        for name, body in (("attempt-1", "[]"), ("attempt-2", "null"), ("nobody", '{"resolved": true}')):
            asyncio.run(store.put_result(RUN, "t-1", "grade", name, body))
            asyncio.run(store.put_result(RUN, "t-1", "published", name, body))
        store.put_task(RUN, "t-9", body="not json")
        said = summarize(gather(store, RUN))
    assert said.model == "just-a-name" and said.dataset == "d" and said.issues == 2


def test_what_a_reader_must_know_is_said(home, file):
    issues = {
        "t-1": Told(
            {
                "attempt-1": Try(patch_of(1), True, strict=False, flags=("read history",)),
                "attempt-2": Try(patch_of(2), None, Ending.SANDBOX_DIED),
            },
            "attempt-1",
            body={"recipe": {"network": "host"}},
        ),
        **BATCH,
    }
    write(file, issues)
    done = home.run("report", RUN[:13], "--store", str(file))
    text = done.stdout
    assert done.returncode == 0, done.stderr
    for words in (
        "by the chosen patches",
        "selection efficiency",
        "pass@k",
        "Audit: 1 candidates: read history: t-1 attempt-1",
        "Changes to test machinery decide",
        "Sandboxes had network: t-1",
        "sandbox died",
        "the world's",
        "40.0% from a cache",
        "a resolved issue",
    ):
        assert words in text, f"{words!r} is not in\n{text}"
    assert home.run("report", RUN, "--store", str(file)).stdout == text  # the same each time


def test_json_and_csv_hold_the_same(home, file, tmp_path):
    write(file, BATCH)
    done = home.run("report", RUN, "--store", str(file), "--json", "--csv", str(tmp_path / "tables"))
    body = json.loads(done.stdout)
    assert body["figures"]["resolved"]["value"] == 0.5 and len(body["per_attempt"]) == 8
    rows = {
        path.stem: list(csv.DictReader(path.open())) for path in sorted((tmp_path / "tables").glob("*.csv"))
    }
    assert set(rows) == {
        "figures", "pass_at_k", "issues", "attempts", "endings", "candidates", "choices", "models",
    }  # fmt: skip
    assert len(rows["attempts"]) == 8 and len(rows["issues"]) == 4
    resolved = next(row for row in rows["figures"] if row["figure"] == "resolved")
    assert float(resolved["value"]) == 0.5 and float(resolved["low"]) <= 0.5 <= float(resolved["high"])
    assert rows["attempts"][0]["resolved"] == "True" and rows["attempts"][4]["resolved"] == ""


def test_no_run_of_that_name_is_a_sentence(home, file):
    write(file, {})
    done = home.run("report", "nothing", "--store", str(file))
    assert done.returncode == 2 and "nearest is" in done.stderr and "Traceback" not in done.stderr
    done = home.run("report", RUN, "--store", str(file))
    assert done.returncode == 0 and "0 issues" in done.stdout


@pytest.mark.parametrize("width", [200, 30])
def test_names_that_look_like_markup_are_names(width):
    names = ("[red]one", "[/]", "two[bold]")
    tests = (Test("[link]test-1", Script("sh", "true")),)
    cells = {(name, tests[0].id): Run(0, "") for name in (UNFIXED, *names)}
    console = Console(width=width, record=True, file=open(os.devnull, "w"))
    evidence = Evidence(tuple(Candidate(name, "+x") for name in names), tests, cells=cells)
    print_matrix(console, evidence)
    print_choice(console, evidence.candidates[1], Ranking((), "[/]", "why [not]", confidence=0.5))
    shown = console.export_text()
    assert all(name in shown for name in (*names, tests[0].id, "Chosen: [/], 50% sure", "why [not]"))


@pytest.mark.parametrize(("width", "beside"), [(200, "test"), (70, "")])
def test_names_that_do_not_fit_beside_each_other_stand_below_each_other(width, beside):
    names = ("other-system/20240402_one", "other-system/20240402_two", "other-system/20240402_three")
    tests = tuple(Test(f"test-{i}", Script("sh", str(i))) for i in (1, 2))
    cells = {(UNFIXED, t.id): Run(2, "") for t in tests} | {(names[0], "test-2"): Run(0, "")}
    evidence = Evidence(tuple(Candidate(name, "+x") for name in names), tests, cells=cells)
    console = Console(width=width, record=True, file=open(os.devnull, "w"))
    print_matrix(console, evidence)
    lines = [line.split() for line in console.export_text().splitlines()[1:] if line.strip()]
    if beside:
        assert lines == [
            ["test", UNFIXED, *names],
            ["test-1", "2", "-", "-", "-"],
            ["test-2", "2", "0", "-", "-"],
        ]
    else:
        assert lines[:3] == [["test-1", "test-2"], [UNFIXED, "2", "2"], [names[0], "-", "0"]]

"""`winnow report --figures`, `--md`, `--html`: right numbers behind every picture, and text that stays text."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import subprocess
from itertools import combinations
from xml.etree import ElementTree

import pytest
from graded_run import RUN, Told, Try, converse, patch_of, write
from winnow_home import WINNOW

from agent import Context, ContextFile
from selection import Evidence
from store import open_store
from winnow.figures_gather import gather
from winnow.figures_summary import summarize
from winnow.plots.data import figures_of, stage_of
from winnow.plots.document import html, markdown
from winnow.plots.files import as_csv, write_figures
from winnow.plots.read import changed_files, known_of
from winnow.stored import evidence_to_json, to_json

HOSTILE = "<script>alert(1)</script>|`[x](javascript:0)"
SHORT, LONG = ("s", "u", "m1"), ("s", "u", "m1", "u2", "m2", "u3", "m3")
ISSUES = {
    "a__b-1": Told(
        {
            "attempt-1": Try(patch_of(1), True, conversation=LONG),
            "attempt-2": Try(patch_of(2), False, conversation=SHORT),
            "attempt-3": Try(patch_of(3), True, conversation=SHORT),
        },
        "attempt-1",
    ),
    "a__b-2": Told(
        {
            "attempt-1": Try(patch_of(3, "src/other.py"), True, conversation=LONG),
            "attempt-2": Try(patch_of(4), False, conversation=SHORT),
        },
        "attempt-2",
    ),
    "a__b-3": Told({"attempt-1": Try(patch_of(5), False, conversation=SHORT)}, "attempt-1"),
    "a__b-4": Told({"attempt-1": Try(patch_of(6), True, conversation=SHORT)}),
}


def figures_at(file, issues=ISSUES, contexts=(), **more):
    """Figures by name, of a run with these issues. contexts: (task, path) that attempts were shown."""
    write(file, issues, **more)
    with open_store(file) as store:
        asyncio.run(_add(store, issues, contexts))
        facts = gather(store, RUN)
        return {figure.name: figure for figure in figures_of(known_of(store, facts, summarize(facts)))}


async def _add(store, issues, contexts):
    for task, path in contexts:
        body = to_json(Context((ContextFile(path, "x"),)))
        await store.put_trajectory(RUN, task, "context", ending="finished", is_result=True, body=body)
        await converse(store, task, "context", "ranking", SHORT)
    for task in issues:
        with_patches = [row for row in store.trajectories(RUN, task) if row.trajectory.startswith("attempt")]
        from winnow.stored import candidate_from_json

        evidence = Evidence(tuple(candidate_from_json(row.body) for row in with_patches if row.body))
        await store.put_result(RUN, task, "evidence", "all", evidence_to_json(evidence))


def test_the_grid_counts_attempts_within_their_turns(tmp_path):
    rows = {(turns, k): share for turns, k, share in figures_at(tmp_path / "w.db")["compute_grid"].table.rows}
    # SHORT is one call, LONG three. Of one call: issue 1 has one right of three, 2 none, 3 none, 4 its only one.
    assert rows[1, 1] == pytest.approx((1 / 3 + 0 + 0 + 1) / 4)
    assert rows[3, 1] == pytest.approx((2 / 3 + 1 / 2 + 0 + 1) / 4)
    pairs = list(combinations((False, False, True), 2))
    assert rows[1, 2] == pytest.approx((sum(map(any, pairs)) / len(pairs) + 0 + 0 + 1) / 4)
    assert rows[3, 3] == pytest.approx(3 / 4)


def test_where_issues_are_lost_and_what_the_context_had(tmp_path):
    contexts = [("a__b-1", "src/pkg/mod.py"), ("a__b-2", "src/pkg/mod.py")]
    lost = dict(figures_at(tmp_path / "w.db", contexts=contexts)["lost"].table.rows)
    assert list(lost.values()) == [1, 1, 1, 1, 1, 2]
    assert (
        lost["right candidates whose files were in the context"] == 1
    )  # the second issue's is in another file


def test_stages_add_up_to_the_whole(tmp_path):
    figures = figures_at(tmp_path / "w.db", contexts=[("a__b-1", "x.py")])
    rows = {row[0]: row[1:] for row in figures["cost_by_stage"].table.rows}
    assert rows["context"][0] == 1 and rows["attempts"][0] == 3 + 1 + 1 + 3 + 1 + 1 + 1
    with open_store(tmp_path / "w.db") as store:
        assert sum(row[1] for row in rows.values()) == pytest.approx(store.totals(RUN).cost)


@pytest.mark.parametrize(
    ("trajectory", "stage"),
    [
        ("context", "context"), ("attempt-12", "attempts"), ("some-system", "attempts"),
        ("selection-ab12", "selection"),
        ("weigh-generation-1", "weighing"), ("think-localise-2", "thinking"), ("redone-1/attempt-3", "attempts"),
    ],
)  # fmt: skip
def test_every_trajectory_has_a_stage(trajectory, stage):
    assert stage_of(trajectory) == stage


def test_a_file_that_a_patch_makes_was_not_there_to_be_shown():
    new = "diff --git a/n.py b/n.py\nnew file mode 100644\n--- /dev/null\n+++ b/n.py\n@@ -0,0 +1 @@\n+x = 1\n"
    assert changed_files({"patch": patch_of(1) + new}) == {"src/pkg/mod.py"}
    assert changed_files({"patch": "+++ b/x\n@@ -1 +1 @@\n"}) == frozenset() == changed_files({})


def test_pictures_are_there_and_the_same_each_time(tmp_path):
    figures = list(figures_at(tmp_path / "w.db").values())
    files = write_figures(figures, tmp_path / "one")
    again = write_figures(figures, tmp_path / "two")
    assert [f.name for f in files] == [f.name for f in again] and len(files) == 3 * sum(
        not f.missing for f in figures
    )
    assert all(one.read_bytes() == two.read_bytes() for one, two in zip(files, again, strict=True))
    for file in files:
        if file.suffix == ".svg":
            assert ElementTree.parse(file).getroot().tag.endswith("svg")
        if file.suffix == ".png":
            assert file.read_bytes().startswith(b"\x89PNG") and file.stat().st_size > 5_000


def test_the_numbers_behind_a_picture_are_its_csv(tmp_path):
    figure = figures_at(tmp_path / "w.db")["strategies"]
    rows = list(csv.DictReader(io.StringIO(as_csv(figure.table))))
    by_name = {row["strategy"]: float(row["resolved"]) for row in rows}
    assert by_name["oracle"] == 0.75 and rows[0]["strategy"] == "random" and rows[-1]["strategy"] == "oracle"
    assert all(0 <= float(row["low"]) <= float(row["high"]) <= 1 for row in rows)


@pytest.mark.parametrize(
    "issues",
    [
        pytest.param({}, id="no issue"),
        pytest.param({"a__b-1": Told({})}, id="no attempt"),
        pytest.param(
            {"a__b-1": Told({"attempt-1": Try(patch_of(1), None)}, "attempt-1")}, id="nothing graded"
        ),
        pytest.param({"a__b-1": Told({"attempt-1": Try("", None)}, "")}, id="one empty patch"),
        pytest.param(
            {"a__b-1": Told({"some-system": Try(patch_of(1), True)}, "some-system")}, id="from elsewhere"
        ),
    ],
)
def test_what_there_is_no_data_for_is_said(tmp_path, issues):
    figures = figures_at(tmp_path / "w.db", issues)
    write_figures(list(figures.values()), tmp_path / "out")
    assert all(figure.missing or figure.table.rows for figure in figures.values())
    assert figures["compute_grid"].missing and figures["best_at_k"].missing


def documents(file, issues):
    figures = list(figures_at(file, issues).values())
    with open_store(file) as store:
        summary = summarize(gather(store, RUN))
    return markdown(summary, figures, {}), html(summary, figures)


def test_texts_of_others_stay_text(tmp_path):
    told = {HOSTILE: Told({"attempt-1": Try(patch_of(1), True, strict=False, flags=(HOSTILE,))}, "attempt-1")}
    config = {"config": {"model": {"name": HOSTILE}, "preset": HOSTILE}}
    figures = list(figures_at(tmp_path / "w.db", told, **config).values())
    with open_store(tmp_path / "w.db") as store:
        summary = summarize(gather(store, RUN))
    page, text = html(summary, figures), markdown(summary, figures, {})
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "<script" not in text and not re.search(r"(?<!\\)\]\(javascript", text)
    widths = {
        len(re.findall(r"(?<!\\)\|", line))
        for line in text.split("## To look at")[1].split("##")[0].splitlines()
        if line
    }
    assert widths == {3}


def test_the_page_needs_nothing_else(tmp_path):
    _, page = documents(tmp_path / "w.db", ISSUES)
    sources = re.findall(r"""(?:src|href)=["']([^"']{0,40})""", page)
    assert sources and all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert page.count("<h2>") == page.count("</section>")


def test_the_command_writes_all_of_it_and_says_what_is_missing(tmp_path):
    write(tmp_path / "w.db", ISSUES)
    words = [
        "report",
        RUN,
        "--store",
        str(tmp_path / "w.db"),
        "--figures",
        "f",
        "--md",
        "f/r.md",
        "--html",
        "r.html",
    ]
    done = subprocess.run([WINNOW, *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'No figure "Best@K' in " ".join(done.stdout.split())
    assert "](coverage.svg)" in (tmp_path / "f" / "r.md").read_text()
    assert {"coverage.svg", "coverage.png", "coverage.csv"} <= {
        file.name for file in (tmp_path / "f").iterdir()
    }
    assert json.loads(json.dumps((tmp_path / "r.html").read_text())).endswith("</html>\n")

"""A store whose every text tries to act on a terminal or to hide from a reader, and files that do so too."""

from __future__ import annotations

import asyncio
import json
import re
import unicodedata
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import viewed_run

from environments.grading import Findings, Grade, patch_digest
from selection import Signals
from store import open_store
from winnow.batch_issues import IssueEnding, over, put_state
from winnow.grades import grade_to_json
from winnow.stored import evidence_from_json, evidence_to_json

RUN = "20261121-1000-hostile-0001"
OTHER = "20261121-1100-hostile-0002"
BATCH = "20261121-1400-batch-0004"
IMPORTED = "20261121-1200-imported-0003"
HIDDEN = "\u202e\u2066\u200b\u200e\u061c\u2028\u2060\ufeff\u00ad\u3164\ufff9\U000e0041\ufe0f"
CONTROLS = "\x1b]52;c;aGFja2Vk\x07\x1b[2J\x1b[1A\x1bc\x9b31m\x9d0;t\x9c\x08\x0e\x7f\rover"
BAD = f"evil {CONTROLS}{HIDDEN}[/nope][bold]:smile: a\u200db"
SHORT = "\x1b]52;c;QQ==\x07\x9b2J\r\u202e\u200b\ufeff[/nope]"  # ids become names of folders, whose length is limited
TASKS = ("a[/nope]b", f"good/{SHORT}", "nothing-3", f"bad {SHORT}", "waiting-5")
FORGED = "20261121-1300-x\nrun forged: finished"

# What Rich draws with: colours, and moving up to draw a picture again.
DRAWING = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[2K|\x1b\[1A|\r(?=\n)|\r(?=\x1b\[(?:2K|1A))")


def raw(text: str) -> set[str]:
    """The characters of a text that a terminal would obey or a reader not see: said in other words than the code's."""
    return {
        character
        for character in set(text) - set("\n\t")
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        or character in "\u3164\ufe0f\uffa0"
    }


def write(file: Path) -> None:
    """Two runs that the viewer compares, an import with hostile names, and a run whose own id is hostile."""
    with patch.multiple(viewed_run, HOSTILE=BAD, TASKS=TASKS):
        viewed_run.write(file, RUN)
        viewed_run.write(file, OTHER, otherwise=True)
    with open_store(file) as store:
        asyncio.run(_more(store))
        config = json.dumps({"model": {"name": f"model {BAD}"}, "preset": f"preset {BAD}"})
        for run in (f"{FORGED}{BAD}", IMPORTED):
            store.create_run(run, config=config, kind="import", started=1763700000.0)
            store.put_task(run, TASKS[0], body=json.dumps({"instance": {"id": TASKS[0], "issue": BAD}}))
            store.set_run(run, status="finished", ended=1763700001.0)
        asyncio.run(_import(store))
        asyncio.run(_batch(store, file.parent))


async def _more(store) -> None:
    """What the viewer's own run has not: doubts, broken tests, flags, grades with logs, another strategy's choice."""
    for task in (TASKS[0], TASKS[1], TASKS[3]):
        found = evidence_from_json(store.results(RUN, task, "evidence")[-1].body)
        names = [candidate.id for candidate in found.candidates]
        found = replace(
            found,
            regressions={n: replace(r, broken=(f"tests/{BAD}::t",)) for n, r in found.regressions.items()},
            signals={n: Signals("finished", 3, f"I doubt it {BAD}", (f"flag {BAD}",)) for n in names},
            gaps={f"kind {BAD}": f"why {BAD}"},
        )
        await store.put_result(RUN, task, "evidence", "all", evidence_to_json(found))
        for candidate in found.candidates:
            grade = Findings("not resolved", False, reason=f"reason {BAD}", exit_code=1, log=f"log\n{BAD}\n",
                             fail_to_pass={f"t.py::{BAD}": "failed"})  # fmt: skip
            values = {name: getattr(grade, name) for name in grade.__dataclass_fields__}
            body = Grade(**values, without_machinery=grade, patch=patch_digest(candidate.patch), dataset="d",
                         flaky=(f"flaky {BAD}",))  # fmt: skip
            await store.put_result(RUN, task, "grade", candidate.id, grade_to_json(body))
            await store.put_result(RUN, task, "audit", candidate.id, json.dumps({"flags": [f"flag {BAD}"]}))
        choice = json.loads(store.results(RUN, task, "choice")[-1].body)
        choice |= {"why": f"because {BAD}", "missing": [f"kind {BAD}: gone"]}
        await store.put_result(RUN, task, "choice", "codemonkeys", json.dumps(choice))
        await store.put_result(RUN, task, "choice", "votes", json.dumps(choice))


async def _import(store) -> None:
    body = json.dumps(
        {"id": f"system {BAD}", "patch": viewed_run.patch_of(BAD), "test": None, "ending": "finished"}
    )
    name = f"system {BAD}"
    await store.put_trajectory(
        IMPORTED, TASKS[0], name, ending="finished", is_result=True, detail=BAD, body=body
    )


async def _batch(store, folder: Path) -> None:
    """A run to go on with: its issue could not be built, and cannot be now."""
    model = {"name": f"openai/m{BAD}", "api_base": "http://127.0.0.1:9", "price": "1,1,1", "patience": 0}
    data = {"dataset": f"rows {BAD}", "digest": "d", "repos": str(folder / "mirrors")}
    config = {"model": model, "data": data, "sandbox": {"backend": "overlay"}}
    store.create_run(BATCH, config=json.dumps(config), kind="run", started=1763700000.0)
    row = {
        "id": TASKS[3],
        "issue": BAD,
        "repo": f"own/{BAD}",
        "base_commit": "0" * 40,
        "place": BAD,
        "notes": [BAD],
    }
    store.put_task(BATCH, TASKS[3], body=json.dumps({"instance": row}))
    state = over(IssueEnding.BUILD_FAILED, f"setup.py failed {BAD}", lines=(f"line {BAD}",))
    await put_state(store, BATCH, TASKS[3], state)
    store.set_run(BATCH, status="interrupted", ended=1763700001.0)


def write_rows(folder: Path) -> Path:
    """A dataset: a row that cannot be built, and bad ones. A JSON file keeps every character."""
    row = {"repo": f"own/{BAD}", "base_commit": "0" * 40, "problem_statement": BAD, "version": BAD,
           "test_patch": "", "patch": viewed_run.patch_of("x"), "FAIL_TO_PASS": json.dumps([BAD]),
           "PASS_TO_PASS": "[]"}  # fmt: skip
    rows = [{**row, "instance_id": task} for task in TASKS[:2]] + [{"instance_id": BAD, "repo": 3}, {BAD: 1}]
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return file


def write_predictions(folder: Path) -> Path:
    rows = [
        {"instance_id": task, "model_name_or_path": f"system {BAD}", "model_patch": viewed_run.patch_of(BAD)}
        for task in (TASKS[0], f"unknown {BAD}")
    ]
    file = folder / f"predictions{BAD.replace('/', '')[:60]}.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in [*rows, {BAD: 1}]))
    return file

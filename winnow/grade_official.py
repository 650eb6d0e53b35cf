"""`winnow grade --official`: the same candidates through the official harness, and where its verdicts differ from ours.

The harness runs in a process and a folder of its own. It needs the extra `swebench`, a Docker engine and the images
that the dataset names; its files stay, so that a second call goes on where the first one stopped.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from environments import Dataset, Grade
from environments.grading.official_logs import ask_swebench, interpreter

_REPORTS = "logs/run_evaluation"
_TAIL = 12  # lines of the harness's output that an error repeats


class NoOfficial(Exception):
    """The official harness cannot be run here; the message says what to do."""


@dataclass(frozen=True)
class Comparison:
    """One candidate under both: whether it is called resolved, None where nothing is said."""

    task: str
    candidate: str
    ours: bool | None
    official: bool | None


async def compare(
    folder: Path,
    run: str,
    dataset: Dataset,
    candidates: Mapping[str, Mapping[str, str]],
    grades: Mapping[tuple[str, str], Grade],
    *,
    at_once: int,
    tell: Callable[[str], None],
) -> list[Comparison]:
    """Run the harness once for each candidate's name. folder: where its files go. Raises NoOfficial."""
    has = await ask_swebench({"ask": "has"})
    if has is None:
        raise NoOfficial(
            f"the official harness is not installed for {interpreter()}: pip install 'winnow[swebench]', or name an "
            "interpreter that has it in $WINNOW_SWEBENCH"
        )
    compared = []
    for name in dict.fromkeys(name for patches in candidates.values() for name in patches):
        patches = {task: named[name] for task, named in candidates.items() if named.get(name, "").strip()}
        tell(f"official harness {has['version']}: {len(patches)} patches of {name}")
        identity = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{run}-{name}")
        reports = await run_harness(folder, identity, dataset, name, patches, at_once)
        compared += [Comparison(task, name, _ours(grades, task, name), reports.get(task)) for task in patches]
    return compared


def _ours(grades: Mapping[tuple[str, str], Grade], task: str, name: str) -> bool | None:
    grade = grades.get((task, name))
    return None if grade is None or grade.verdict == "could not be graded" else grade.resolved


async def run_harness(
    folder: Path, identity: str, dataset: Dataset, name: str, patches: Mapping[str, str], at_once: int
) -> dict[str, bool]:
    """Whether each task is resolved, as far as the harness says so. Raises NoOfficial where it does not run at all."""
    predictions = _write_predictions(folder / f"{identity}.jsonl", name, patches)
    source, split = _source(dataset)
    process = await asyncio.create_subprocess_exec(
        interpreter(), "-m", "swebench.harness.run_evaluation",
        "--dataset_name", source, "--split", split, "--predictions_path", str(predictions),
        "--max_workers", str(at_once), "--run_id", identity, "--report_dir", str(folder),
        cwd=folder, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        said, _ = await process.communicate()
    except BaseException:
        process.terminate()
        await process.wait()
        raise
    reports = read_reports(folder, identity)
    if process.returncode and not reports:
        last = "\n  ".join(said.decode("utf-8", "replace").strip().splitlines()[-_TAIL:])
        raise NoOfficial(f"the official harness ended with exit code {process.returncode}:\n  {last}")
    return reports


def _write_predictions(file: Path, name: str, patches: Mapping[str, str]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"instance_id": task, "model_name_or_path": name, "model_patch": patch}
        for task, patch in patches.items()
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def read_reports(folder: Path, identity: str) -> dict[str, bool]:
    """What the harness's report files of one run say: task -> resolved. A broken file says nothing."""
    found = {}
    for file in sorted((folder / _REPORTS / identity).glob("*/*/report.json")):
        try:
            report = json.loads(file.read_text(encoding="utf-8"))
            found[file.parent.name] = bool(report[file.parent.name]["resolved"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def _source(dataset: Dataset) -> tuple[str, str]:
    """What the harness calls the dataset, and the split: a file by its path, else the id that it was read from."""
    path = Path(dataset.name)
    if path.is_file():
        return str(path.absolute()), "test"
    match = re.search(r"([\w.-]+/[\w.-]+)", dataset.source)
    split = re.search(r"\b(test|dev|train|validation)\b", dataset.source)
    return (match[1] if match else dataset.name), (split[1] if split else "test")

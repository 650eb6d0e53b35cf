"""The folder that SWE-bench's leaderboard takes: predictions, metadata, a README, reasoning traces, logs.

Layout: the README and checklist.md (July 2025) of the leaderboard's repository, SWE-bench/experiments: all_preds.jsonl,
metadata.yaml, README.md, trajs/ with one readable trace for each instance, logs/INSTANCE/ with patch.diff, report.json
and test_output.txt as the official harness leaves them. What only people know is marked in metadata.yaml and README.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from environments import json_text
from environments.datasets import folder_name
from store import Store

from .export_candidates import Handed
from .export_conversations import conversations
from .export_errors import CannotExport
from .export_patches import prediction
from .export_places import new_folder, write_exact, write_shown
from .export_secrets import Scrubber
from .figures_gather import Facts, Issue
from .figures_summary import Summary
from .markdown_text import markdown_text

TODO = "TO BE FILLED IN"
_LOGS = (".diff", ".json", ".log", ".sh", ".txt")
"""Of what the official harness leaves: patch.diff, report.json, run_instance.log, eval.sh, test_output.txt."""


def write_submission(
    out: Path,
    store: Store,
    facts: Facts,
    summary: Summary,
    patches: Iterator[Handed],
    name: str,
    which: str,
    scrubber: Scrubber,
    official: Path | None = None,
) -> tuple[int, int]:
    """Write the folder; the number of predictions, and of those with logs of the official harness.

    official: a folder of its logs by instance. Raises CannotExport where it is none, or `out` holds something already.
    """
    if official is not None and not official.is_dir():
        raise CannotExport(
            f"{official} is no folder: name the official harness's logs, logs/run_evaluation/RUN/MODEL"
        )
    issues = {issue.task: issue for issue in facts.issues}
    rows = []
    taken = 0
    with new_folder(out) as folder:
        for each in patches:
            rows.append(json_text(prediction(each, name, which, scrubber)) + "\n")
            logs = folder / "logs" / folder_name(each.task)
            if official is not None and logs.name == each.task and (official / each.task).is_dir():
                _official_logs(logs, official / each.task, scrubber)
                taken += 1
            else:
                _logs(logs, store, facts.row.run, each, scrubber)
            if facts.row.kind != "import":
                trace = _trace(store, facts, issues[each.task], each)
                write_exact(
                    folder / "trajs" / f"{folder_name(each.task)}.json",
                    scrubber.clean(json_text(trace, indent=1)) + "\n",
                )
        write_exact(folder / "all_preds.jsonl", "".join(rows))
        write_shown(folder / "metadata.yaml", scrubber.clean(_metadata(facts, summary, name)))
        write_shown(folder / "README.md", scrubber.clean(_readme(facts, summary, name, len(rows), taken)))
    return len(rows), taken


def _official_logs(folder: Path, source: Path, scrubber: Scrubber) -> None:
    """What the official harness left of one instance; links and other kinds of files stay behind."""
    for file in sorted(source.iterdir()):
        if file.suffix in _LOGS and file.is_file() and not file.is_symlink():
            text = file.read_bytes().decode("utf-8", "surrogateescape")
            clean = scrubber.clean_patch if file.suffix == ".diff" else scrubber.clean
            write_exact(folder / file.name, clean(text))  # another program's, for programs that read its form


def _logs(folder: Path, store: Store, run: str, each: Handed, scrubber: Scrubber) -> None:
    """What grading left of one patch, in the form of the official harness. Without a grade there is only the patch."""
    write_exact(folder / "patch.diff", scrubber.clean_patch(each.patch))
    grade = next(
        (
            json.loads(row.body)
            for row in store.results(run, each.task, "grade")
            if row.name == each.candidate
        ),
        None,
    )
    if grade is None or each.attempt is None or not each.attempt.verdict:
        return
    write_exact(folder / "report.json", json_text({each.task: report_of(grade, each.patch)}, indent=4) + "\n")
    write_shown(folder / "test_output.txt", scrubber.clean(str(grade.get("log") or "")))


def report_of(grade: dict[str, Any], patch: str) -> dict[str, Any]:
    """A grade of ours as report.json of the official harness (swebench 5) has it."""
    verdict = grade.get("verdict")
    applied = bool(patch.strip()) and verdict not in ("did not apply", "could not be graded")
    nothing: dict[str, list[str]] = {"success": [], "failure": []}
    return {
        "patch_is_None": False,
        "patch_exists": bool(patch.strip()),
        "patch_successfully_applied": applied,
        "resolved": bool(grade.get("resolved")),
        "infra_failure": verdict == "could not be graded",
        "tests_status": {
            "FAIL_TO_PASS": _status(grade.get("fail_to_pass") or {}),
            "PASS_TO_PASS": _status(grade.get("pass_to_pass") or {}),
            "FAIL_TO_FAIL": nothing,
            "PASS_TO_FAIL": nothing,
        },
    }


def _status(outcomes: dict[str, str]) -> dict[str, list[str]]:
    return {
        "success": [name for name, outcome in outcomes.items() if outcome == "passed"],
        "failure": [name for name, outcome in outcomes.items() if outcome != "passed"],
    }


def _trace(store: Store, facts: Facts, issue: Issue, each: Handed) -> dict[str, Any]:
    """How the issue was worked on: every attempt's conversations, the selection's, what was chosen and why."""
    run, task = facts.row.run, issue.task
    names = [attempt.name for attempt in issue.attempts if attempt.is_result]
    names += [
        row.trajectory for row in store.trajectories(run, task) if row.trajectory.startswith("selection-")
    ]
    choice = next(
        (json.loads(row.body) for row in store.results(run, task, "choice") if row.name == facts.strategy), {}
    )
    return {
        "instance_id": task,
        "submitted": each.candidate or None,
        "strategy": facts.strategy,
        "why": choice.get("why", ""),
        "trajectories": {
            name: [
                {"part": talk.branch, "messages": list(talk.messages)}
                for talk in conversations(store, run, task, name)
            ]
            for name in names
        },
    }


def _metadata(facts: Facts, summary: Summary, name: str) -> str:
    """YAML by hand: every value is a JSON text, which is YAML too."""
    attempts = max((len(issue.attempts) for issue in facts.issues), default=1)
    said = json_text
    return (
        f"# What Winnow cannot know says {TODO}.\n"
        "info:\n"
        f"  name: {said(name)}\n"
        f"  report: {said(TODO)} # link to a report on the system\n"
        f"  site: {said(TODO)}\n"
        f"  logo: {said(TODO)}\n"
        f"  authors: {said(TODO)}\n"
        "tags:\n"
        "  checked: false\n"
        f"  model: [{said(summary.model)}]\n"
        f"  org: {said(TODO)}\n"
        f"  os_model: {said(TODO)} # true or false\n"
        "  os_system: true\n"
        "  system:\n"
        f'    attempts: "{"2+" if attempts > 1 else "1"}"\n'
    )


def _readme(facts: Facts, summary: Summary, name: str, predictions: int, official: int) -> str:
    figures = summary.figures
    attempts = max((len(issue.attempts) for issue in facts.issues), default=1)
    resolved = "not graded by Winnow"
    if figures is not None and figures.resolved is not None:
        share = figures.resolved
        resolved = (
            f"{round(share.value * figures.issues)} of {figures.issues} ({share.value:.1%}, 95 % interval "
            f"{share.low:.1%} to {share.high:.1%}) by Winnow's own grading"
        )
    ours = facts.row.kind != "import"
    kind = "One attempt for each issue."
    if not ours:
        kind = f"Predictions of another system: {TODO}"
    elif attempts > 1:
        kind = (
            f"Best@k: {attempts} attempts an issue, one submitted, chosen by {facts.strategy} with generated tests and "
            "existing tests of the repository; it knows no hidden test and no name of one."
        )
    whose = "Winnow's grading in the official harness's form"
    if official == predictions:
        whose = "the official harness's"
    elif official:
        whose = f"the official harness's for {official} of {predictions} predictions, the others {whose}"
    logs = f"The files in `logs/` are {whose}."
    if official < predictions:
        logs += "\nThe leaderboard wants the harness's own: run it on `all_preds.jsonl`, then export with `--logs`."
    network = f"{len(summary.network)} issues had network" if summary.network else "none in any sandbox"
    if not ours:
        network = TODO
    return f"""# {markdown_text(name)}

- Authors, with a site of the first one: {TODO}
- Report on the system: {TODO}
- Run: {markdown_text(facts.row.run)} of Winnow, preset {markdown_text(summary.preset or "none")}, model {
        markdown_text(summary.model or "unknown")
    }
- Predictions: {predictions} for {len(facts.issues)} issues
- Resolved: {resolved}
- How: {kind}
- Network: {network}
- Cost: ${summary.money.cost:.2f} in all{
        ", some calls of no known price left out" if summary.money.unpriced else ""
    }

{logs}
The output of the repository's `analysis/get_results.py`: {TODO}

- [{
        "x" if ours and attempts <= 1 else " "
    }] one attempt for each issue (pass@1); otherwise Best@k as said above
- [{"x" if ours else " "}] knows nothing of FAIL_TO_PASS and PASS_TO_PASS
- [{"x" if ours else " "}] does not use the hints
- [{"x" if ours and not summary.network else " "}] could not look solutions up (no network, no later history)
"""

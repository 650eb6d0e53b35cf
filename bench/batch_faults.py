"""A batch of real issues in a bad night, compared with a quiet run of the same: docs/batches.md, "A bad night".

    python -m bench.batch_faults DATASET --repos mirrors/ [--sandbox docker --restart-engine "systemctl restart docker"]

The model is one of fixed replies behind a real server on loopback; with --grade its second attempt writes the dataset's
own answer, so that the two ends have verdicts of both kinds to agree in. In the second run every third call misbehaves,
the newest sandbox is killed again and again, Winnow itself is killed with signal 9 three times, the sandboxes' disk is
full for a while (overlay, as root), and the engine is restarted (docker, where a command for it is given). Then it is
resumed until it is done. Exit code 1: the two ends differ, or something is left.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from unidiff import PatchSet

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "winnow"))

import toy_batch  # noqa: E402
from test_batch_faults import Moody, again_and_again, processes_of  # noqa: E402
from winnow_home import Home  # noqa: E402

from agent import Create, Replace, write_edits  # noqa: E402
from environments.datasets import Pick, read_dataset  # noqa: E402
from store import open_store  # noqa: E402

TEST = "#!/bin/sh\ntest -f winnow_made_this.txt && exit 0\nexit 2\n"
DISK = "size=1g"
RECIPES = str(ROOT / "bench" / "recipes")


def answers(dataset: str, part: str) -> dict[str, str]:
    """What every reference patch is as edits, by its issue's text."""
    found = read_dataset(dataset, Pick(slice=part))
    return {each.issue: edits_of(found.references[each.id].patch) for each in found.instances}


def edits_of(patch: str) -> str:
    """A reply with the changes of a patch, hunk by hunk."""
    edits = []
    for file in PatchSet(patch):
        for hunk in file:
            old = tuple(line.value.rstrip("\n") for line in hunk if not line.is_added)
            new = tuple(line.value.rstrip("\n") for line in hunk if not line.is_removed)
            edits.append(
                Create(file.path, "".join(f"{line}\n" for line in new))
                if file.is_added_file
                else Replace(file.path, old, new)
            )
    return f"The edit.\n\n{write_edits(edits)}\n"


def reply(known: dict[str, str], step: str, messages: list[dict]) -> str:
    """A test that looks for a file, and an edit that makes it: they fit every repository.

    known: edits by issue, which the second attempt writes.
    """
    trajectory, branch, index = step.split("/")[0], step.split("/")[1], int(step.rsplit("/", 1)[1])
    if branch == "relevance":
        return "No.\n\n<<<<< NOT RELEVANT\n>>>>> END\n"
    if branch in ("testing", "editing") and index:
        return "So it is.\n\n<<<<< DONE\n"
    if branch == "testing":
        return f"A test.\n\n<<<<< TEST\n{TEST}>>>>> END\n"
    if trajectory == "attempt-2" and (said := _known(known, messages)):
        return said
    return f"A file.\n\n<<<<< CREATE winnow_made_this.txt\nby {trajectory}\n>>>>> END\n"


def _known(known: dict[str, str], messages: list[dict]) -> str:
    shown = "\n".join(str(message["content"]) for message in messages[:2])
    return next((edits for issue, edits in known.items() if issue.strip()[:400] in shown), "")


def verdicts(home: Home, given: argparse.Namespace) -> dict[tuple[str, str], str]:
    """Grade the run; what each candidate's grade says, by issue and candidate."""
    run = toy_batch.runs(home.store)[0]
    more = ["--slice", given.slice] if given.slice else []
    process = home.start(
        "grade", run, "--dataset", given.dataset, *more, "--repos", given.repos, "--recipe", RECIPES,
        "--sandbox", given.sandbox,
    )  # fmt: skip
    said, errors = process.communicate()
    if process.returncode not in (0, 1):
        raise SystemExit(f"grading ended with {process.returncode}: {(errors or said).strip()[-300:]}")
    with open_store(home.store) as store:
        return {
            (row.task, row.name): json.loads(row.body)["verdict"]
            for task in store.task_names(run)
            for row in store.results(run, task, "grade")
        }


def words(given: argparse.Namespace, url: str) -> list[str]:
    more = ["--slice", given.slice] if given.slice else []
    return [
        "run", given.dataset, *more, "--repos", given.repos, "--recipe", RECIPES, "--model", "openai/fixed",
        "--api-base", url,
        "--attempts", str(given.attempts), "--sandbox", given.sandbox, "-o", "selection.machine=off",
        "-o", "context.file_tokens=1", "-o", "context.context_tokens=4000", "-o", "limits.pause=2",
        "-o", "limits.rounds=4", *(["-o", "selection.regressions=false"] if given.no_regressions else []),
    ]  # fmt: skip


def home_in(folder: Path, name: str, built: str | None) -> Home:
    home = Home(folder / name)
    home.folder.mkdir()
    if built:
        (home.folder / "built").symlink_to(Path(built).absolute())
    return home


def run_to_the_end(home: Home, words: list[str]) -> None:
    """Run, and resume as often as it takes."""
    for _ in range(5):
        process = home.start(*words)
        said, errors = process.communicate()
        if process.returncode == 0:
            return
        print(
            f"  exit code {process.returncode}: {(errors or said).strip().splitlines()[-1][:150]}", flush=True
        )
        words = ["resume", toy_batch.runs(home.store)[0]]
    raise SystemExit("it did not come to its end in five sessions")


def kill_a_sandbox(home: Home, sandbox: str) -> bool:
    """Kill the newest one; whether there was one."""
    if sandbox == "docker":
        shown = ["docker", "ps", "-q", "--filter", f"label=winnow.run={toy_batch.runs(home.store)[0]}"]
        found = subprocess.run(shown, capture_output=True, text=True).stdout.split()
        return (
            bool(found) and not subprocess.run(["docker", "kill", found[0]], capture_output=True).returncode
        )
    if not (alive := sorted(processes_of(home))):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(alive[-1], signal.SIGKILL)
    return True


def bad_night(home: Home, server: Moody, given: argparse.Namespace, calls: int) -> None:
    """The second run, up to the end of its last session."""
    server.stormy = True
    killed, seen = 0, 0

    def kill_one() -> None:
        nonlocal killed, seen
        if home.store.exists() and len(server.steps) >= seen + 5 and killed < given.kills:
            with contextlib.suppress(IndexError):
                if kill_a_sandbox(home, given.sandbox):
                    killed, seen = killed + 1, len(server.steps)

    said = words(given, server.url)
    with again_and_again(kill_one, 0.3):
        for moment, share in enumerate((0.2, 0.5, 0.8)):
            process = home.start(*said)
            while len(server.finished) < share * calls and process.poll() is None:
                time.sleep(0.05)
            if moment == 0:
                full_disk(home)
            if moment == 1 and given.restart_engine:
                subprocess.run(given.restart_engine, shell=True, check=True)
                time.sleep(5)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            print(
                f"  killed with signal 9 after {len(server.steps)} calls, {killed} sandboxes before",
                flush=True,
            )
            said = ["resume", toy_batch.runs(home.store)[0]]
        run_to_the_end(home, said)
    server.stormy = False
    print(f"  {killed} sandboxes were killed, {len(server.steps)} calls came to the server", flush=True)


def full_disk(home: Home) -> None:
    """Fill the disk with the sandboxes for three seconds, where it is one of their own."""
    sandboxes = home.folder / "sandboxes"
    if not os.path.ismount(sandboxes):
        return
    filler = sandboxes / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(b"\0" * 65536)
    time.sleep(3)
    filler.unlink()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("--repos", required=True)
    parser.add_argument("--slice", default="")
    parser.add_argument("--attempts", type=int, default=2)
    parser.add_argument("--sandbox", choices=("overlay", "docker"), default="overlay")
    parser.add_argument("--built", help="a folder with worlds that were built already")
    parser.add_argument("--kills", type=int, default=12, help="sandboxes killed at most")
    parser.add_argument("--restart-engine", metavar="COMMAND")
    parser.add_argument("--no-regressions", action="store_true", help="leave the existing tests out")
    parser.add_argument("--grade", action="store_true", help="grade both ends too, and compare the verdicts")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="winnow-bench-night-"))
    known = answers(given.dataset, given.slice) if given.grade else {}
    with Moody(reply=functools.partial(reply, known)) as server:
        quiet = home_in(folder, "quiet", given.built)
        run_to_the_end(quiet, words(given, server.url))
        expected = toy_batch.outcome(quiet.store, toy_batch.runs(quiet.store)[0])
        calls = len(server.steps)
        print(f"quiet: {len(expected)} issues, {calls} calls", flush=True)
        server.steps.clear()
        server.finished.clear()
        bad = home_in(folder, "bad", given.built)
        (bad.folder / "sandboxes").mkdir()
        own_disk = given.sandbox == "overlay" and os.geteuid() == 0
        if own_disk:
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", DISK, "tmpfs", bad.folder / "sandboxes"], check=True
            )
        try:
            bad_night(bad, server, given, calls)
            ended = toy_batch.outcome(bad.store, toy_batch.runs(bad.store)[0])
            left = processes_of(bad)
            files = [path for path in (bad.folder / "sandboxes").rglob("*") if path.is_file()]
        finally:
            if own_disk:
                subprocess.run(["umount", "-l", bad.folder / "sandboxes"], check=False)
    differ = [task for task in expected if ended[task] != expected[task]]
    print(
        f"bad: {len(expected) - len(differ)} of {len(expected)} issues came to the same end; differ: {differ}"
    )
    if given.grade:
        quietly, badly = verdicts(quiet, given), verdicts(bad, given)
        print(
            f"verdicts: {dict(Counter(quietly.values()))}; the same after the bad night: {quietly == badly}"
        )
        differ += [] if quietly == badly else ["verdicts"]
    print(f"left: {len(left)} processes, {len(files)} files; folder {folder}")
    return bool(differ or left or files)


if __name__ == "__main__":
    raise SystemExit(main())

"""`winnow demo`: a real bug of a real project, solved by the whole pipeline; only the model's replies are recorded.

The project and its fixed version come from the package index when the demo runs, pinned by hash. The fixed version's
tests are first read when the choice is made: nothing before has seen them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from environments import Change, Gold, Overrides, Task, Verdict, grade, prepare_task, run_tests
from store import Store

from .base import Base
from .configuration import Configuration, configure, merged, nearest
from .configuration_sources import from_words
from .console import Console, Text
from .paths import data_folder, new_run_id, open_users_store, worlds_folder
from .progress import Progress
from .recording import compare, record
from .solve_command import hand_over
from .solving import run_until_done, solve_stored
from .stored import task_to_json
from .worlds import backend_of, choose_backend, limits_of

DATA = resources.files("winnow") / "demo_data"
RECORDING = "recording.json"
PRESETS = Path(str(DATA / "presets"))
"""Recordings of other presets."""
PRESET = "codemonkeys"
"""The demo without `--preset`."""
ATTEMPTS = {"attempts": 5}
"""What its recording was made with."""
PRICE = "1.25,10,0.125"
"""USD per million tokens that "would have cost" counts with: a frontier model's list price of 2025."""
TEST_COMMAND = "python -m pytest -p no:cacheprovider tests"
HIDDEN = "tests/test_filesize.py"
"""The one file of the fixed version's tests that is about this bug (the others are about other changes)."""


class DemoFailed(Exception):
    """The demo could not be brought to its end; the message says at what."""


def demonstrate(
    sandbox: str,
    store: str | None,
    *,
    preset: str = PRESET,
    words: Sequence[str] = (),
    model: str | None,
    api_base: str | None,
    record: str | None,
) -> int:
    """Run the demo; 0 where the chosen patch passes the fixed version's tests and everything ran as recorded.

    words: settings ("attempts=2") of a run with a model, over those that its recording was made with.
    Raises WrongConfiguration, DemoFailed.
    """
    recording = Path(str(DATA / RECORDING)) if preset == PRESET else PRESETS / f"{preset}.json"
    if model is None and not recording.exists():
        raise DemoFailed(f"there is no recording of the preset {preset}; {nearest(preset, recorded())}")
    said = merged(_settings_of(recording), from_words(words) if model else {})
    console = Console()
    backend, why = choose_backend(sandbox)
    console.print(f"sandbox: {why}", style="dim", highlight=False)
    checkout, fixed = _fetch(console)
    configuration = _configuration(preset, said, model or f"replay:{recording}", api_base, backend)
    opened = open_users_store(store)
    run = new_run_id("demo")
    task = prepare_task(
        str(checkout),
        (DATA / "issue.md").read_text(),
        folder=worlds_folder(run),
        id="humanize",
        overrides=Overrides(test_command=TEST_COMMAND),
    )
    opened.create_run(run, config=configuration.model_dump_json(), kind="demo")
    opened.put_task(run, task.id, body=task_to_json(task))
    console.print(f"run {run}", style="bold", highlight=False)
    progress = Progress(console, configuration.most_attempts)
    with progress:
        outcome = run_until_done(lambda: solve_stored(opened, run, progress), progress.tell)
    code = hand_over(opened, run, outcome, console)
    if outcome.chosen is None:
        return code
    if model is None:
        console.print("(the replies came from a recording; this is what they would have cost)", style="dim")
        code = _compare(console, recording, opened, run)
    elif record:
        count = _record(opened, run, Path(record), said)
        console.print(f"{count} replies recorded in {record}", highlight=False)
    verdict = run_until_done(
        lambda: _grade(configuration, run, task, outcome.chosen.patch, fixed, progress), progress.tell
    )
    return code or _show_verdict(console, verdict)


def _fetch(console: Console) -> tuple[Path, Path]:
    """(the buggy version with a virtual environment for its tests, the fixed version), made once and kept."""
    folder = data_folder() / "demo"
    digest = _fingerprint()
    ready = folder / digest / "ready"
    checkout, fixed = folder / digest / "humanize", folder / digest / "fixed"
    if ready.exists():
        return checkout, fixed
    console.print("fetching humanize 4.15.0, which has the bug, and what its tests need ...", style="dim")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / digest).mkdir(parents=True)
    _unpack("sources.txt", checkout)
    _unpack("fixed.txt", fixed)
    _call(sys.executable, "-m", "venv", str(checkout / ".venv"))
    _call(str(checkout / ".venv/bin/python"), "-m", "pip", "install", "--quiet", "--require-hashes",
          "-r", str(DATA / "requirements.txt"))  # fmt: skip
    ready.touch()
    return checkout, fixed


def _unpack(requirement: str, target: Path) -> None:
    """Download the one sdist that a requirement file names, by hash, and unpack it as `target`."""
    downloads = target.parent / f"{target.name}.download"
    # The project alone as source: what pip needs to read its metadata would else be built from source too, for minutes.
    _call(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "humanize",
          "--require-hashes", "-r", str(DATA / requirement), "-d", str(downloads))  # fmt: skip
    [archive] = downloads.glob("*.tar.gz")
    # Without a filter, which Python 3.11.2 lacks: its hash says what is in it.
    shutil.unpack_archive(archive, downloads)
    [folder] = [path for path in downloads.iterdir() if path.is_dir()]
    folder.rename(target)
    shutil.rmtree(downloads)


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
        raise DemoFailed(f"`{' '.join(command[:6])} ...` failed: {last[0]}")


def _fingerprint() -> str:
    """Changes when what is fetched changes, or the Python that the environment is made with."""
    from models.protocol import digest

    texts = [(DATA / name).read_text() for name in ("sources.txt", "fixed.txt", "requirements.txt")]
    return digest("".join([*texts, sys.base_prefix, sys.version]))[:12]


def _compare(console: Console, recording: Path, store: Store, run: str) -> int:
    differences = compare(recording, store, run)
    if not differences:
        console.print("Every execution ended as in the recording.", highlight=False)
        return 0
    for difference in differences[:10]:
        console.print(
            f"differs from the recording: {difference}", style="yellow", highlight=False, markup=False
        )
    return 3


def recorded() -> list[str]:
    """The presets that the demo has recordings of."""
    return sorted([PRESET, *(file.stem for file in PRESETS.glob("*.json"))])


def _configuration(
    preset: str, said: Mapping[str, Any], model: str, api_base: str | None, backend: str
) -> Configuration:
    fixed = {
        "model": {"name": model, "api_base": api_base, "price": PRICE},
        "sandbox": {"backend": backend},
    }
    return configure(preset, merged(said, fixed))


def _settings_of(recording: Path) -> dict[str, Any]:
    """What a recording was made with besides its preset; a first one is made with what is said."""
    if not recording.exists():
        return {}
    settings: dict[str, Any] = json.loads(recording.read_text()).get("settings", ATTEMPTS)
    return settings


def _record(store: Store, run: str, path: Path, settings: Mapping[str, Any]) -> int:
    about = "winnow demo: humanize 4.15.0, answered by hand through the model desk"
    return record(store, run, about, path, settings)


async def _grade(
    configuration: Configuration, run: str, task: Task, patch: str, fixed: Path, progress: Progress
) -> Verdict:
    """Grade with the fixed version's tests: those of the bug must pass, and whatever passed before must still pass."""
    backend = backend_of(configuration.sandbox, run)
    base = Base(backend, task, limits_of(configuration.sandbox), progress.tell)
    try:
        unfixed = await base.copy("unfixed")
        before = await run_tests(unfixed, task.recipe, files=[HIDDEN])
        await unfixed.close()
        gold = Gold(
            files={HIDDEN: Change((fixed / HIDDEN).read_bytes())},
            fail_to_pass=tuple((DATA / "fail_to_pass.txt").read_text().splitlines()),
            pass_to_pass=tuple(sorted(name for name, how in before.results.items() if how == "passed")),
        )
        return await grade(base, task, patch, gold)
    finally:
        await base.close()
        await backend.close()


def _show_verdict(console: Console, verdict: Verdict) -> int:
    passed = sum(result == "passed" for result in verdict.results.values())
    word, style = ("resolved", "green") if verdict.resolved else ("not resolved", "red")
    line = Text("Graded with the tests of the fixed version (4.16.0): ").append(word, style)
    line.append(f", {passed} of {len(verdict.results)} passed")
    console.print(line.append(f" ({verdict.reason})" if verdict.reason else ""))
    return 0 if verdict.resolved else 1

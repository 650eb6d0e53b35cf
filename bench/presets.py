"""`python -m bench.presets`: what each recorded preset takes on the demo's issue, as a table. Takes some minutes.

Each recording is replayed by `winnow demo` in a data folder of its own: replies are recorded, everything else runs for
real. What a cache can serve is counted from the requests themselves, since the replies came from no server: the
tokens of whole messages that stood at the beginning of an earlier request in the same way.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from models import estimate_tokens
from store import Step, Store, open_store
from winnow.demo import recorded
from winnow.paths import data_folder

from . import machine

WINNOW = Path(sys.executable).parent / "winnow"


@dataclass(frozen=True, slots=True)
class Took:
    """What one preset took. prompt, completion: tokens, as estimated. cached: share of the prompt tokens in a prefix
    that was sent before. sandboxes: copies in which something ran. seconds: first to last step; replies take no time.
    """

    preset: str
    attempts: int
    calls: int
    prompt: int
    completion: int
    cached: float
    executions: int
    sandboxes: int
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sandbox", default="overlay")
    parser.add_argument("presets", nargs="*", help="Default: all that are recorded.")
    asked = parser.parse_args()
    rows = []
    for preset in asked.presets or recorded():
        print(f"{preset} ...", file=sys.stderr, flush=True)
        rows.append(replayed(preset, asked.sandbox))
    print(machine.described(), file=sys.stderr)
    print(table(rows))


def replayed(preset: str, sandbox: str) -> Took:
    """Replay one preset's recording. Ends the program where it does not come to the recorded end."""
    with tempfile.TemporaryDirectory(prefix="winnow-presets-") as folder:
        home = Path(folder)
        if (fetched := data_folder() / "demo").exists():
            (home / "demo").symlink_to(fetched)  # the project, fetched before
        environment = {**os.environ, "WINNOW_HOME": str(home)}
        environment.pop("WINNOW_STORE", None)
        words = [WINNOW, "demo", "--preset", preset, "--sandbox", sandbox]
        began = time.monotonic()
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{preset}: after {time.monotonic() - began:.0f} s\n{done.stdout}{done.stderr}")
        with open_store(home / "winnow.db") as store:
            took = read(store, preset)
        (home / "demo").unlink(missing_ok=True)
        shutil.rmtree(home / "worlds", ignore_errors=True)
        return took


def read(store: Store, preset: str) -> Took:
    """What the one run in the store took."""
    [run] = [row.run for row in store.runs()]
    steps = list(store.steps(run))
    asks = sorted((step for step in steps if step.kind == "ask"), key=lambda step: step.started)
    ran = [step for step in steps if step.kind == "run" and not step.key.branch.endswith("(tree)")]
    [task] = store.task_names(run)
    made = [t for t in store.trajectories(run, task) if t.trajectory.startswith("attempt-") and t.body]
    prompt, shared = prefixes(store, asks)
    return Took(
        preset,
        len(made),
        len(asks),
        prompt,
        sum(step.completion_tokens for step in asks),
        shared / prompt,
        len(ran),
        len({(step.key.trajectory, step.key.branch) for step in ran}),
        max(step.started + step.seconds for step in steps) - min(step.started for step in steps),
    )


def prefixes(store: Store, asks: Iterable[Step]) -> tuple[int, int]:
    """(prompt tokens in all, those of them in a prefix of whole messages that an earlier request began with)."""
    known: set[tuple[str, ...]] = set()
    sizes: dict[str, int] = {}
    whole = shared = 0
    for step in asks:
        messages = [digest for label, digest in step.parts if label != "settings"]
        missing = [digest for digest in messages if digest not in sizes]
        if missing:
            for (_, digest), part in zip(step.parts, store.texts(step), strict=True):
                sizes[digest] = estimate_tokens(part.text)
        for n, digest in enumerate(messages, 1):
            whole += sizes[digest]
            shared += sizes[digest] if tuple(messages[:n]) in known else 0
        known.update(tuple(messages[:n]) for n in range(1, len(messages) + 1))
    return whole, shared


def table(rows: Iterable[Took]) -> str:
    """As Markdown."""
    lines = [
        "| preset | attempts | calls | prompt tokens | cached | completion tokens | sandboxes | executions | s |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        lines.append(
            f"| {row.preset} | {row.attempts} | {row.calls} | {row.prompt:,} | {row.cached:.0%} | {row.completion:,} | "
            f"{row.sandboxes} | {row.executions} | {row.seconds:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""What `winnow import` does: read the dataset and the predictions, write the run, say what came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from environments import json_text
from environments.datasets import Pick, read_dataset

from .console import Console
from .importing import Imported, import_predictions
from .paths import new_run_id, open_users_store

NAMED = 5
"""Rows that a list names before it says how many more there are; --json names all."""


def run_import(
    files: Sequence[Path],
    dataset: str,
    pick: Pick,
    *,
    run: str | None,
    published: bool,
    predicted_only: bool,
    as_json: bool,
    store: str | None,
) -> None:
    """Import and print what was found. Raises DatasetError."""
    console = Console(stderr=as_json)
    found = read_dataset(dataset, pick)
    done = import_predictions(
        open_users_store(store),
        run or new_run_id("import"),
        files,
        found,
        published=published,
        predicted_only=predicted_only,
    )
    if as_json:
        print(json_text(asdict(done), indent=2))
    else:
        _print(console, done, dataset, whole=pick == Pick())


def _print(console: Console, done: Imported, dataset: str, whole: bool) -> None:
    def say(sentence: str, style: str | None = None) -> None:
        console.print(sentence, style=style, highlight=False, markup=False, soft_wrap=not console.is_terminal)

    say(f"run {done.run}", "bold")
    replaced = f", {done.replaced} of them in place of older ones" if done.replaced else ""
    say(f"{done.new + done.replaced} predictions of {len(done.sources)} sources{replaced}")
    for source, number in done.sources.items():
        say(f"  {number:>5}  {source}")
    if missing := done.issues - done.predicted:
        say(f"{done.issues} issues, {missing} without a prediction here (they count as not resolved)")
    else:
        say(f"{done.issues} issues, each with a prediction")
    for remark, names in done.remarks.items():
        say(f"{len(names)} patches: {remark}: {_some(names)}", "yellow")
    if done.repeated:
        say(
            f"{len(done.repeated)} rows are repeated ({done.same} with the same patch), the last one counts: "
            f"{_some(done.repeated)}; samples of one system go into a file each",
            "yellow",
        )
    if done.unknown:
        names = [f"{name} ({near}?)" if near else name for name, near in done.unknown]
        where = f"in {dataset}" if whole else f"among the chosen ones of {dataset}"
        say(f"{len(names)} instance ids are not {where}, left out: {_some(names)}", "yellow")
    if done.bad:
        say(f"{len(done.bad)} bad rows, left out:", "yellow")
        for row in done.bad[:NAMED]:
            say(f"  {row}", "yellow")
        if len(done.bad) > NAMED:
            say(f"  and {len(done.bad) - NAMED} more", "yellow")
    if done.claims:
        say(f"{done.claims} published outcomes kept: third parties' claims, shown beside our grades")
    elif done.claimed:
        say(
            f"{done.claimed} rows claim an outcome, which is not kept (--published keeps it beside our grades)"
        )
    say(f"next: winnow grade {done.run} --dataset {dataset}")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more

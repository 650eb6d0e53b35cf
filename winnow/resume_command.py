"""`winnow resume`: under the run's own configuration, under one that may differ from it, or as a run of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.secrets.settings import reveal
from store import Store

from .batch_command import work
from .batch_issues import NotResumable, stored_configuration
from .batch_redo import endings_named, redo
from .configuration import Configuration, WrongConfiguration, merged, validated
from .configuration_sources import changed_keys, overrides
from .console import Console
from .paths import new_run_id, open_users_store
from .solve_command import go_on

MAY_CHANGE = ("budget.", "limits.", "model.api_base", "model.price", "model.concurrency", "model.patience")
"""Keys, or beginnings of keys, that change no question to a model and nothing that is run: how much, how fast."""


@dataclass(frozen=True)
class Asked:
    """What the user asked `resume` for; see the command's help for each. options: of the configuration, nested."""

    run: str
    redo: tuple[str, ...]
    fork: bool
    options: Mapping[str, Any]
    config: Path | None
    words: tuple[str, ...]
    out: Path | None
    apply: bool
    json: bool
    store: str | None


def resume(asked: Asked) -> int:
    """Go on with a run; the exit code. Raises WrongConfiguration where it is another configuration's run."""
    console = Console(stderr=asked.json)
    store = open_users_store(asked.store)
    endings = endings_named(asked.redo)
    row = store.run(asked.run)
    run = row.run
    if not store.task_names(run):
        raise NotResumable(f"run {run} was stopped before its issues were written: start it anew")
    before = stored_configuration(store, run)
    # Variables of the environment are left out: what they said when the run began, an option may have overruled.
    said = merged(overrides(asked.config, asked.words, {}), asked.options)
    after = validated(merged(before.model_dump(), said))
    for address in (after.model.api_base, *(member.api_base for member in after.mixture.members)):
        reveal(address or "")  # a missing password is said before anything is started
    if asked.fork:
        run = _fork(store, run, row.kind, after)
        console.print(f"forked from {row.run}", style="dim", highlight=False)
    elif after != before:
        _refuse_another(run, before, after)
        with store.lease(run):
            store.set_config(run, after.model_dump_json())
    if endings:
        number = redo(store, run, endings)
        console.print(f"{number} trajectories are made again", style="dim", highlight=False)
    if after.data is not None:
        return work(store, run, console)
    return go_on(store, run, console, out=asked.out, apply=asked.apply, as_json=asked.json)


def _refuse_another(run: str, before: Configuration, after: Configuration) -> None:
    other = {
        key: values
        for key, values in sorted(changed_keys(before, after).items())
        if not key.startswith(MAY_CHANGE)
    }
    if other:
        said = ", ".join(f"{key} is {old!r}, not {new!r}" for key, (old, new) in other.items())
        raise WrongConfiguration(
            f"run {run} was made under another configuration: {said}; resume it without, or make a new run of it with "
            "--fork"
        )


def _fork(store: Store, run: str, kind: str, configuration: Configuration) -> str:
    """A run of its own with the same issues, whose worlds it shares."""
    new = new_run_id("-".join(run.split("-")[2:-1]) or "fork")
    store.create_run(
        new, config=configuration.model_copy(update={"forked_from": run}).model_dump_json(), kind=kind
    )
    store.put_tasks(new, {row.task: row.body for row in store.tasks(run)})
    return new

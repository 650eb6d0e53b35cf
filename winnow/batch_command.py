"""`winnow run`: from a dataset to a run in the store, the work on it, and the lines at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments import Dataset, Pick, read_dataset
from store import Store

from .batch import work_on
from .batch_issues import stored_configuration
from .configuration import Configuration
from .console import Console
from .live import BatchView
from .live_picture import attempts_ended, counts, lines_of
from .minds import Minds
from .paths import new_run_id, open_users_store
from .report import print_totals
from .solving import run_until_done
from .stored import instance_to_json
from .windows import configured_for_window
from .worlds import choose_backend

SOME_FAILED = 3
"""The exit code where the world, or the user's own words, kept some issue from a result."""


@dataclass(frozen=True)
class Asked:
    """What the user asked `run` for; see the command's help for each. options: of the configuration, nested."""

    dataset: str
    selection: Mapping[str, Any]
    options: Mapping[str, Any]
    preset: str | None
    config: Path | None
    words: tuple[str, ...]
    sandbox: str
    repos: Path | None
    recipe: Path | None
    rootfs: Path | None
    context_window: int | None
    store: str | None


def start(asked: Asked) -> int:
    """Make the run and work on it; the exit code."""
    console = Console()
    configuration = _configured(asked, "overlay")  # a wrong word is said before anything is read or started
    Minds(configuration)
    dataset = read_dataset(asked.dataset, Pick(**asked.selection))
    _say_what_was_read(console, dataset)
    backend, why = choose_backend(asked.sandbox)
    console.print(f"sandbox: {why}", style="dim", highlight=False)
    configuration = _configured(asked, backend, dataset)
    store = open_users_store(asked.store)
    run = new_run_id(Path(asked.dataset).stem)
    store.create_run(run, config=configuration.model_dump_json(), kind="run")
    store.put_tasks(run, {each.id: instance_to_json(each) for each in dataset.instances})
    return work(store, run, console)


def work(store: Store, run: str, console: Console) -> int:
    """Work on a batch that is in the store until every issue has its end; the exit code."""
    configuration = stored_configuration(store, run)
    console.print(f"run {run}", style="bold", highlight=False)
    auto = configuration.attempts == "auto"
    most, usd = configuration.most_attempts, configuration.budget.usd
    view = BatchView(console, lines_of(store, run), most, usd, auto=auto)
    with view:
        done = run_until_done(lambda: work_on(store, run, view), view.tell)
    _say_how_it_ended(console, store, run)
    return 0 if done else SOME_FAILED


def _configured(asked: Asked, backend: str, dataset: Dataset | None = None) -> Configuration:
    """The run's configuration; the settings that depend on the model's window where nobody said otherwise."""
    options = {**asked.options, "sandbox": {**asked.options.get("sandbox", {}), "backend": backend}}
    if dataset is not None:
        data = {
            "dataset": str(Path(asked.dataset).absolute()) if Path(asked.dataset).exists() else asked.dataset,
            "digest": dataset.digest,
            "selection": {
                key: _plain(value) for key, value in asked.selection.items() if value not in (None, "", ())
            },
            **{key: str(path.absolute()) for key, path in _paths(asked).items() if path is not None},
        }
        options["data"] = data
    return configured_for_window(
        options, asked.context_window, preset=asked.preset, file=asked.config, words=asked.words
    )


def _paths(asked: Asked) -> dict[str, Path | None]:
    return {"repos": asked.repos, "recipe": asked.recipe, "rootfs": asked.rootfs}


def _plain(value: Any) -> Any:
    return (
        str(value.absolute())
        if isinstance(value, Path)
        else list(value)
        if isinstance(value, tuple)
        else value
    )


def _say_what_was_read(console: Console, dataset: Dataset) -> None:
    console.print(
        f"{dataset.name}: {len(dataset.instances)} issues", highlight=False, markup=False, soft_wrap=True
    )
    for bad in dataset.bad[:20]:
        console.print(f"left out: {bad}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    if len(dataset.bad) > 20:
        console.print(f"left out: {len(dataset.bad) - 20} more rows", style="yellow", highlight=False)


def _say_how_it_ended(console: Console, store: Store, run: str) -> None:
    lines = lines_of(store, run)
    console.print()
    console.print(counts(line.state for line in lines.values()), style="bold", highlight=False)
    if ended := attempts_ended(lines.values()):
        console.print(ended, highlight=False)
    for line in lines.values():
        state = line.state
        if not state.settled and state.ending is not None:
            why = state.sentence or f"the world ended {', '.join(state.failed)}"
            console.print(
                f"{line.name}: {state.ending}: {why}", style="yellow", highlight=False, markup=False
            )
    print_totals(console, store.totals(run))
    if any(not line.state.settled for line in lines.values()):
        console.print(f"`winnow resume {run}` tries again what failed.", style="yellow", highlight=False)

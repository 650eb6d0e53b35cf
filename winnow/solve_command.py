"""`winnow solve`: from the words of the command line to an exit code."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments import Overrides, Task, patch_warning, prepare_task, read_issue, repository_name
from environments.building import reach_told
from sandbox import Images
from store import Store

from .batch_issues import stored_configuration
from .configuration import Configuration
from .console import Console, indented
from .minds import Minds
from .paths import new_run_id, open_users_store, sandboxes_folder, worlds_folder
from .pipeline import Outcome
from .progress import Progress
from .report import as_json, print_candidates, print_choice, print_matrix, print_totals
from .shown_streams import say
from .solving import CannotApply, apply_to_checkout, run_until_done, solve_stored
from .stored import task_from_json, task_to_json
from .windows import configured_for_window
from .worlds import choose_backend


@dataclass(frozen=True)
class Asked:
    """What the user asked `solve` for; see the command's help for each."""

    source: str
    issue: str
    options: dict[str, Any]
    context_window: int | None
    preset: str | None
    config: Path | None
    words: tuple[str, ...]
    sandbox: str
    image: str | None
    dockerfile: Path | None
    rootfs: Path | None
    setup: str | None
    setup_hosts: tuple[str, ...]
    test_command: str | None
    out: Path | None
    apply: bool
    json: bool
    store: str | None


def solve(asked: Asked) -> int:
    """Make the run, work on it, hand over the patch; the exit code."""
    console = Console(stderr=asked.json)
    issue = read_issue(asked.issue, sys.stdin)
    if asked.apply and not Path(asked.source).is_dir():
        raise CannotApply(
            f"--apply needs a checkout to write into, and {asked.source} is none: use --out FILE"
        )
    _configured(asked, "overlay")  # a wrong word is said before anything is started
    backend, why = choose_backend(asked.sandbox)
    console.print(f"sandbox: {why}", style="dim", highlight=False)
    configuration = _configured(asked, backend)
    Minds(configuration)  # a missing key or price is said before the repository is copied
    store = open_users_store(asked.store)
    run = new_run_id(repository_name(asked.source))
    task, checkout = _prepare(asked, issue, run, console, configuration.sandbox.build_network)
    reached = reach_told(task.recipe.build_network, task.recipe.hosts) if task.recipe.setup else ()
    for sentence in (*task.snapshot.notes, *task.recipe.why, *reached):
        console.print(indented(sentence), style="dim")
    store.create_run(run, config=configuration.model_dump_json(), kind="solve")
    store.put_task(run, task.id, body=task_to_json(task))
    return _work(store, run, console, out=asked.out, apply=checkout, json=asked.json)


def go_on(store: Store, run: str, console: Console, *, out: Path | None, apply: bool, as_json: bool) -> int:
    """Go on with a run of one issue; the exit code."""
    [name] = store.task_names(run)
    checkout = _checkout(task_from_json(store.task(run, name).body)) if apply else None
    return _work(store, run, console, out=out, apply=checkout, json=as_json)


def _configured(asked: Asked, backend: str) -> Configuration:
    options = {**asked.options, "sandbox": {**asked.options.get("sandbox", {}), "backend": backend}}
    return configured_for_window(
        options, asked.context_window, preset=asked.preset, file=asked.config, words=asked.words
    )


def _prepare(
    asked: Asked, issue: str, run: str, console: Console, build_network: str
) -> tuple[Task, Path | None]:
    """The task, and where its patch is to be applied. What was frozen goes where the run cannot be started."""
    said = Overrides(
        image=asked.image,
        dockerfile=asked.dockerfile,
        rootfs=asked.rootfs,
        setup=asked.setup,
        hosts=asked.setup_hosts,
        build_network=build_network,
        test_command=asked.test_command,
    )
    folder = worlds_folder(run)
    try:
        with console.status("preparing the repository") as status:

            def progress(line: str) -> None:
                status.update(line)

            with Images(run, sandboxes_folder(), progress) as images:
                task = prepare_task(asked.source, issue, folder=folder, overrides=said, images=images)
        return task, _checkout(task) if asked.apply else None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _checkout(task: Task) -> Path:
    """The user's working tree that the task came from. Raises CannotApply."""
    checkout = task.snapshot.checkout
    if not checkout:
        raise CannotApply(f"{task.id} comes from no checkout that could be written into: use --out FILE")
    if not Path(checkout).is_dir():
        raise CannotApply(f"{checkout} is no folder here: use --out FILE")
    return Path(checkout)


def _work(
    store: Store, run: str, console: Console, *, out: Path | None, apply: Path | None, json: bool
) -> int:
    configuration = stored_configuration(store, run)
    console.print(f"run {run}", style="bold", highlight=False)
    budget = configuration.budget
    auto = configuration.attempts == "auto"
    progress = Progress(console, configuration.most_attempts, budget.usd, budget.seconds, auto=auto)
    with progress:
        outcome = run_until_done(lambda: solve_stored(store, run, progress), progress.tell)
    return hand_over(store, run, outcome, console, out=out, apply=apply, json=json)


def hand_over(
    store: Store,
    run: str,
    outcome: Outcome,
    console: Console,
    *,
    out: Path | None = None,
    apply: Path | None = None,
    json: bool = False,
) -> int:
    """Print the evidence and the choice, write the patch where it was asked for; 0 where there is one, else 1."""
    chosen, totals = outcome.chosen, store.totals(run)
    console.print()
    print_matrix(console, outcome.evidence)
    print_candidates(console, outcome.evidence, outcome.ranking)
    print_choice(console, chosen, outcome.ranking)
    console.print()
    print_totals(console, totals)
    if outcome.failures:
        names = ", ".join(name for name, _, _ in outcome.failures)
        console.print(f"The world ended {names}; `winnow resume {run}` tries them again.", style="yellow")
    if json:
        print(as_json(run, outcome.task.id, outcome.evidence, outcome.ranking, chosen, totals))
    if chosen is None:
        return 1
    if warning := patch_warning(chosen.patch):
        say(f"warning: {warning}", err=True)
    if out is not None:
        out.write_text(chosen.patch, encoding="utf-8", errors="surrogateescape", newline="")
        console.print(f"Patch written to {out}", highlight=False)
    if apply is not None:
        changed = apply_to_checkout(outcome.task, chosen.patch, apply)
        console.print(f"Applied to {apply}: {', '.join(changed)}", highlight=False)
    return 0

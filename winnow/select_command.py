"""`winnow select`: from the words of the command line to choices in the store, a comparison, or fitted weights."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from environments import json_text
from selection import (
    ALIASES,
    DEFAULT,
    JUDGE,
    KINDS,
    MACHINE,
    MATCHES,
    REPRODUCTION,
    USES,
    Ranking,
    Weights,
    card_of,
    oracle,
    read_weights,
    strategy,
    winnow_with,
    with_confidence,
    write_weights,
)
from store import Store

from .configuration_sources import configured
from .console import Console, indented
from .importing import import_predictions
from .paths import open_users_store
from .select_compare import ORACLE, OURS, compare, strategies_with
from .select_curves import best_at
from .select_errors import CannotFit, CannotSelect
from .select_fit import examples_of, fit
from .select_gather import Gathering, gather_run
from .select_issues import Weighable, weighable
from .select_printing import (
    Chosen,
    print_card,
    print_choices,
    print_comparison,
    print_curves,
    print_missing,
    print_weights,
)
from .select_reliability import print_reliability
from .solving import run_until_done
from .stored import ranking_to_json

CARDS = 3
"""Issues of which a card is printed without being asked for one."""


@dataclass(frozen=True)
class Asked:
    """What the user asked `select` for; see the command's help for each."""

    runs: tuple[str, ...]
    tasks: tuple[str, ...]
    predictions: tuple[Path, ...]
    dataset: str
    strategy: str
    compare: bool
    curves: bool
    fit: bool
    out: Path | None
    gather: bool
    again: tuple[str, ...]
    model: str
    min_confidence: float
    weights: Path | None
    cards: bool
    repos: Path | None
    recipe: Path | None
    rootfs: Path | None
    sandbox: str
    at_once: int
    words: tuple[str, ...]
    json: bool
    store: str | None


def select(asked: Asked) -> int:
    """Do what was asked; the exit code: 0 done, 1 where nothing was chosen of any issue."""
    strategy(asked.strategy)
    console = Console(stderr=asked.json)
    weights = read_weights(asked.weights) if asked.weights else DEFAULT
    store = open_users_store(asked.store)
    runs = [_predictions(asked, store, console)] if asked.predictions else _runs(asked, store)
    if asked.gather:
        for run in runs:
            _gather(asked, store, run, console)
    issues = [issue for run in runs for issue in weighable(store, run, asked.tasks)]
    _check(asked, issues, runs, console)
    if asked.fit:
        return _fit(asked, issues, weights, console)
    if asked.compare or asked.curves:
        return _compare(asked, issues, weights, console)
    return _choose(asked, store, runs[0], issues, weights, console)


def _runs(asked: Asked, store: Store) -> list[str]:
    return [store.run(run).run for run in asked.runs]


def _predictions(asked: Asked, store: Store, console: Console) -> str:
    """Files of predictions as a run, the same one every time for the same files."""
    from environments import read_dataset

    whole = hashlib.sha256()
    for file in asked.predictions:
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    run = f"ensemble-{whole.hexdigest()[:12]}"
    dataset = read_dataset(asked.dataset)
    done = import_predictions(
        store, run, list(asked.predictions), dataset, published=True, predicted_only=True
    )
    console.print(
        f"run {run}: {len(done.sources)} sources on {done.predicted} issues", style="bold", highlight=False
    )
    return run


def _check(asked: Asked, issues: Sequence[Weighable], runs: Sequence[str], console: Console) -> None:
    if not issues:
        what = f"task {', '.join(asked.tasks)}" if asked.tasks else "issue with candidates"
        raise CannotSelect(f"{', '.join(runs)} has no {what}: `winnow show {runs[0]}` says what there is")
    bare = [issue.task for issue in issues if not issue.gathered and issue.evidence.candidates]
    if bare:
        more = f" and {len(bare) - 3} more" if len(bare) > 3 else ""
        console.print(
            f"Nothing is known of the candidates of {', '.join(bare[:3])}{more}: --gather finds it out.",
            style="yellow",
            highlight=False,
        )


def _gather(asked: Asked, store: Store, run: str, console: Console) -> None:
    """What the strategy looks at (all, for a comparison); of a run of ours, under its own settings."""
    config = json.loads(store.run(run).config)
    own = config if "attempts" in config or "model" in config else {}
    model = asked.model or str((own.get("model") or {}).get("name", ""))
    options = {"model": {"name": model or "nobody"}}
    configuration = configured(options, words=asked.words, below=_settings(own))
    name = ALIASES.get(asked.strategy, asked.strategy)
    wanted = list(KINDS if asked.compare or asked.curves or asked.fit else USES[name])
    wanted += [kind for kind in asked.again if kind not in wanted]
    if not model:
        if nobody := [kind for kind in asked.again if kind in _ASKED]:
            raise CannotSelect(
                f"a model is asked for what is to be gathered again ({nobody[0]}): name it, --model NAME"
            )
        wanted = [kind for kind in wanted if kind not in _ASKED]
        console.print(
            "No model is named (--model): only what can be run is gathered.", style="dim", highlight=False
        )
    settings = configuration.selection.model_copy(update=_off(wanted)).gathering(wanted)
    if MACHINE in asked.again and MACHINE not in USES[ALIASES.get(settings.strategy, settings.strategy)]:
        settings = settings.model_copy(update={"strategy": OURS})  # which looks at it, so it is gathered
    asking = Gathering(
        configuration.model_copy(update={"selection": settings}),
        model,
        asked.repos,
        asked.recipe,
        asked.rootfs,
        asked.sandbox,
        asked.at_once,
        asked.again,
    )
    tasks = [task for task in store.task_names(run) if not asked.tasks or task in asked.tasks]

    def tell(sentence: str) -> None:
        console.print(indented(sentence), style="dim")

    run_until_done(lambda: gather_run(store, run, tasks, asking, tell), tell)


_ASKED = {
    MACHINE: {"machine": "off"},
    JUDGE: {"judge": False},
    MATCHES: {"tournament": False},
    REPRODUCTION: {"reproduction_files": 0},
}
"""The kinds of evidence that a model is asked for, and what must be set so that it is not."""


def _off(wanted: Collection[str]) -> dict[str, Any]:
    """Settings that ask no model for what is not wanted. What is known of it already stays."""
    off: dict[str, Any] = {} if set(wanted) & set(_ASKED) else {"extra_tests": 0}
    for kind, settings in _ASKED.items():
        if kind not in wanted:
            off |= settings
    return off


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a run of ours was made with, as far as it says how evidence is gathered."""
    return {key: value for key, value in config.items() if key not in ("preset", "data", "forked_from")}


def _choose(
    asked: Asked,
    store: Store,
    run: str,
    issues: Sequence[Weighable],
    weights: Weights,
    console: Console,
) -> int:
    """Choose on every issue, and keep the choices under the strategy's name."""
    chosen: Chosen = {issue.task: (issue, _ranking(asked, issue, weights)) for issue in issues}

    async def keep() -> None:
        for task, (_, ranking) in chosen.items():
            await store.put_result(run, task, "choice", asked.strategy, ranking_to_json(ranking))

    with store.lease(run):
        asyncio.run(keep())
    if asked.json:
        print(
            json_text([_as_json(task, issue, ranking, weights) for task, (issue, ranking) in chosen.items()])
        )
    elif asked.cards or len(chosen) <= CARDS:
        for task, (issue, ranking) in chosen.items():
            _print_card(console, task, issue, ranking, weights)
    else:
        print_choices(console, asked.strategy, chosen)
    print_missing(console, [(task, ranking) for task, (_, ranking) in chosen.items()])
    return 0 if any(ranking.chosen for _, ranking in chosen.values()) else 1


def _ranking(asked: Asked, issue: Weighable, weights: Weights) -> Ranking:
    rank = winnow_with(weights) if asked.strategy == OURS else strategy(asked.strategy)
    return with_confidence(rank(issue.evidence), issue.evidence, weights, asked.min_confidence)


def _print_card(console: Console, task: str, issue: Weighable, ranking: Ranking, weights: Weights) -> None:
    card = card_of(issue.evidence, ranking, weights)
    if card is None:
        console.print()
        console.print(f"{task}: there is no candidate", highlight=False)
        return
    patch = next((c.patch for c in issue.evidence.candidates if c.id == ranking.chosen), "")
    print_card(console, task, card, patch)


def _as_json(task: str, issue: Weighable, ranking: Ranking, weights: Weights) -> dict[str, Any]:
    card = card_of(issue.evidence, ranking, weights)
    patch = next((c.patch for c in issue.evidence.candidates if c.id == ranking.chosen), None)
    return {"task": task, **asdict(ranking), "patch": patch, "card": card and asdict(card)}


def _compare(asked: Asked, issues: Sequence[Weighable], weights: Weights, console: Console) -> int:
    issues = _with_evidence(issues, console)
    found = compare(issues, weights, asked.min_confidence)
    if found is None:
        raise CannotSelect("no candidate has a grade to compare by: `winnow grade RUN --dataset D` first")
    curves = _curves(issues, weights) if asked.curves else {}
    if asked.json:
        print(json_text({**asdict(found), "best_at": curves}))
        return 0
    print_comparison(console, found)
    if found.reliable is not None:
        how = "fitted weights" if weights.data else "priors: `winnow select --fit` calibrates to graded runs"
        print_reliability(console, found.reliable, f"the choices of {OURS} ({how})")
    if curves:
        print_curves(console, curves)
    return 0


def _with_evidence(issues: Sequence[Weighable], console: Console) -> list[Weighable]:
    """Where nothing was gathered, strategies differ by their ties alone: such issues would only dilute the others."""
    known = [issue for issue in issues if issue.gathered]
    if known and len(known) < len(issues):
        console.print(f"Compared on the {len(known)} issues with evidence of {len(issues)}.", highlight=False)
    return known or list(issues)


def _curves(issues: Sequence[Weighable], weights: Weights) -> dict[str, Any]:
    """Best@K of every strategy; the oracle needs each issue's own grades, so it is asked issue by issue."""
    curves = dict(best_at(issues, strategies_with(weights)))
    totals: dict[int, float] = {}
    graded = [issue for issue in issues if issue.grades]
    last: dict[int, float] = {}
    ks = [k for k, _ in next(iter(curves.values()))]
    for issue in graded:
        own = dict(best_at([issue], {ORACLE: oracle(issue.grades)})[ORACLE])
        last = {k: own.get(k, own[max(own)]) for k in ks}
        totals = {k: totals.get(k, 0.0) + last[k] for k in ks}
    curves[ORACLE] = tuple((k, total / len(graded)) for k, total in totals.items())
    return curves


def _fit(asked: Asked, issues: Sequence[Weighable], weights: Weights, console: Console) -> int:
    if asked.out is None:
        raise CannotFit("say where the weights are to be written: --out weights.json")
    fitted = fit(examples_of(issues), weights)
    write_weights(fitted, asked.out)
    if asked.json:
        print(asked.out.read_text(encoding="utf-8"), end="")
    else:
        print_weights(console, fitted)
    console.print(
        f"Written to {asked.out}: `winnow select RUN --weights {asked.out}` uses it.", highlight=False
    )
    return 0

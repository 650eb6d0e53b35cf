"""`winnow select`: choose again among stored candidates, compare strategies, fit weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .checks import check_sandbox
from .options import StoreOption

EXAMPLE = "Example: winnow select 20261121-0640 --compare"


def command(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...", help="The run's id, or the beginning of it; several for --compare, --fit."
        ),
    ] = None,
    strategy: Annotated[
        str, typer.Option(help="How to choose: winnow, codemonkeys, votes, hybrid... (docs/selection.md).")
    ] = "winnow",
    compare: Annotated[
        bool, typer.Option("--compare", help="All strategies side by side, by the grades in the store.")
    ] = False,
    curves: Annotated[
        bool, typer.Option("--curves", help="With Best@K curves of all strategies (takes minutes).")
    ] = False,
    min_confidence: Annotated[
        float,
        typer.Option(min=0, max=1, help="Choose nothing where the best is less likely right than this."),
    ] = 0.0,
    task: Annotated[list[str] | None, typer.Option(help="Only this issue; may be repeated.")] = None,
    cards: Annotated[bool, typer.Option("--cards", help="A reviewer's card of every issue.")] = False,
    predictions: Annotated[
        list[Path] | None,
        typer.Option(
            help="A file of predictions, repeated: choose among other systems' patches (--dataset)."
        ),
    ] = None,
    dataset: Annotated[str, typer.Option(help="The dataset that predictions are about.")] = "",
    gather: Annotated[
        bool,
        typer.Option(
            "--gather", help="First gather the evidence that is missing: runs tests, and asks a model."
        ),
    ] = False,
    again: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="With --gather: this kind once more, whatever is stored of it (existing-tests, judge...).",
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="Who answers while gathering. Default: the run's model.")] = "",
    weights: Annotated[
        Path | None, typer.Option(help="Weights of the strategy winnow, as --fit writes them.")
    ] = None,
    fit: Annotated[
        bool, typer.Option("--fit", help="Fit these weights to graded runs (needs the extra winnow[fit]).")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Where --fit writes the weights.")] = None,
    repos: Annotated[Path | None, typer.Option(help="A folder of mirrors of the repositories.")] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Recipes written or mended by hand: a file or a folder.")
    ] = None,
    rootfs: Annotated[
        Path | None, typer.Option(help="The root file system that worlds are built on (as for `run`).")
    ] = None,
    sandbox: Annotated[str, typer.Option(help="docker, overlay, or auto for what works here.")] = "auto",
    at_once: Annotated[int, typer.Option(min=1, help="Issues whose evidence is gathered at once.")] = 2,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "-o", metavar="KEY=VALUE", help="A setting of gathering, such as selection.existing=near."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    store: StoreOption = None,
) -> None:
    """Choose again from stored evidence, by any strategy; without --gather no model is asked and nothing is run.

    The choices are kept in the run under the strategy's name. Exit code 0: done; 1: nothing was chosen; 2: the command
    is wrong; 3: the world failed.
    """
    if bool(runs) == bool(predictions):
        raise typer.BadParameter("name a RUN, or --predictions FILE", param_hint="[RUN]")
    if predictions and not dataset:
        raise typer.BadParameter("say which dataset the predictions are about", param_hint="--dataset")
    if runs and len(runs) > 1 and not (compare or curves or fit):
        raise typer.BadParameter("one run at a time is chosen from; several are for --compare and --fit")
    check_sandbox(sandbox)
    kinds = _kinds(again or [], gather)
    from selection import strategy as strategy_named

    try:
        strategy_named(strategy)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--strategy") from None
    from ..select_command import Asked, select

    raise typer.Exit(
        select(
            Asked(
                runs=tuple(runs or ()),
                tasks=tuple(task or ()),
                predictions=tuple(predictions or ()),
                dataset=dataset,
                strategy=strategy,
                compare=compare,
                curves=curves,
                fit=fit,
                out=out,
                gather=gather,
                again=kinds,
                model=model,
                min_confidence=min_confidence,
                weights=weights,
                cards=cards,
                repos=repos,
                recipe=recipe,
                rootfs=rootfs,
                sandbox=sandbox,
                at_once=at_once,
                words=tuple(option or ()),
                json=as_json,
                store=store,
            )
        )
    )


def _kinds(named: list[str], gather: bool) -> tuple[str, ...]:
    """The kinds of evidence that were named, by their full names; "-" and " " are the same."""
    if not named:
        return ()
    from selection import FORGOTTEN

    if not gather:
        raise typer.BadParameter("it is about gathering: say --gather too", param_hint="--again")
    plain = {kind.replace(" ", "-"): kind for kind in FORGOTTEN}
    for name in named:
        if name.replace(" ", "-") not in plain:
            raise typer.BadParameter(
                f"there is no {name!r} to gather: {', '.join(plain)}", param_hint="--again"
            )
    return tuple(plain[name.replace(" ", "-")] for name in named)

"""`winnow resume`: go on where a run stopped, in the middle of its trajectories."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import StoreOption

EXAMPLE = "Example: winnow resume 20261121-0640   (a part of the id that is enough to tell it from others)"


def command(
    run: Annotated[str, typer.Argument(help="The run's id, or the beginning of it.")],
    redo: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ENDING", help='Make attempts that ended so again: "cost limit", "step limit" ...'
        ),
    ] = None,
    fork: Annotated[
        bool,
        typer.Option(
            "--fork", help="Make a new run with the changed settings; equal questions are not paid again."
        ),
    ] = False,
    budget: Annotated[
        float | None, typer.Option(help="USD that the run may cost, all sessions together.")
    ] = None,
    budget_per_issue: Annotated[float | None, typer.Option(help="USD that one issue may cost.")] = None,
    api_base: Annotated[
        str | None,
        typer.Option(
            help="The endpoint's URL again, where it has a password or a key: those are never stored."
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file with changed settings.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", metavar="KEY=VALUE", help="One changed setting: -o limits.issues=4."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the chosen patch to this file (one issue).")] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the chosen patch into the checkout (one issue).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON (one issue).")] = False,
    store: StoreOption = None,
) -> None:
    """Go on with a run that was interrupted or that the world failed. Nothing that was paid for is paid again.

    What the world failed is tried again, builds too; attempts that came to an end of their own only with --redo.
    Budgets, limits and how the model is reached may change; anything else makes another run of it: --fork.
    """
    from ..resume_command import Asked, resume

    asked = Asked(
        run=run,
        redo=tuple(redo or ()),
        fork=fork,
        options={
            "budget": {"usd": budget, "usd_per_issue": budget_per_issue},
            "model": {"api_base": api_base},
        },
        config=config,
        words=tuple(option or ()),
        out=out,
        apply=apply,
        json=as_json,
        store=store,
    )
    raise typer.Exit(resume(asked))

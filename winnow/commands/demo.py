"""`winnow demo`: the whole pipeline on a real bug, without a key."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import StoreOption

EXAMPLE = "Example: winnow demo --sandbox overlay"


def command(
    sandbox: Annotated[
        str, typer.Option(help="docker, overlay, or auto: docker where an engine answers, else overlay.")
    ] = "auto",
    store: StoreOption = None,
    preset: Annotated[
        str, typer.Option(help="Another method that there is a recording of (a few attempts, to be short).")
    ] = "codemonkeys",
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Ask this model instead of replaying the recorded replies."),
    ] = None,
    api_base: Annotated[str | None, typer.Option(help="The endpoint's URL, with --model.")] = None,
    words: Annotated[
        list[str] | None,
        typer.Option("-o", "--option", metavar="KEY=VALUE", help="A setting, with --model: attempts=2."),
    ] = None,
    record: Annotated[
        str | None, typer.Option(hidden=True, help="With --model: write a new recording to this file.")
    ] = None,
) -> None:
    """Solve a real bug of a small open-source project, without a key: recorded replies, everything else for real."""
    from ..demo import demonstrate

    raise typer.Exit(
        demonstrate(
            sandbox, store, preset=preset, words=words or (), model=model, api_base=api_base, record=record
        )
    )

"""`winnow presets`: the methods there are."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLE = "Example: winnow presets show evoscale"


def command(
    show: Annotated[
        str | None, typer.Argument(metavar="[show]", help="Print one preset's composition.")
    ] = None,
    name: Annotated[str | None, typer.Argument(metavar="[PRESET]", help="Which one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """List the presets with what each takes in model calls for one issue, or show what one is made of."""
    from ..presets_showing import list_presets, show_preset

    if show is None:
        list_presets(as_json=as_json)
    elif show != "show":
        raise typer.BadParameter(f"write `winnow presets` or `winnow presets show {show}`", param_hint="show")
    elif name is None:
        raise typer.BadParameter("which one? `winnow presets` lists them", param_hint="PRESET")
    else:
        show_preset(name, as_json=as_json)

"""`winnow view`: what is in the store, as web pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import StoreOption

EXAMPLE = "Example: winnow view 20261121-0640"


def command(
    run: Annotated[
        str | None, typer.Argument(help="The run to open with, by its id or the beginning of it.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8765,
    host: Annotated[
        str, typer.Option(help="The address to listen at. Not this machine's own: think twice.")
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A further name under which browsers may ask (behind a proxy)."),
    ] = None,
    browser: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    export: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the pages into this folder instead, of RUN or of all runs."),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Show runs, issues and trajectories in a browser, live while they work. The store is only read."""
    from ..view.serving import view

    view(
        run,
        store=store,
        host=host,
        port=port,
        allowed=tuple(allow_host or ()),
        open_browser=browser,
        export=export,
    )

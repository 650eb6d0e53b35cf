"""Options that many commands take, said once."""

from __future__ import annotations

from typing import Annotated

import typer

BuildNetworkOption = Annotated[
    str | None,
    typer.Option(
        help="What builds reach: index, the user's package index and the hosts that recipes name; or host, all that "
        "this host does. Default: index."
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option("--store", help="The store: a file or an SQLAlchemy URL. Default: your data folder."),
]

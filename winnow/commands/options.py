"""Options that many commands take, said once."""

from __future__ import annotations

from typing import Annotated

import typer

StoreOption = Annotated[
    str | None,
    typer.Option("--store", help="The store: a file or an SQLAlchemy URL. Default: your data folder."),
]

"""`winnow images`: the table, and what was removed."""

from __future__ import annotations

import re
import time

from rich.table import Table

import sandbox

from .console import Console
from .paths import sandboxes_folder

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def size_of(text: str) -> int | None:
    """Bytes of "20GB", "1.5 TB", "500M", "4GiB" or "0"; None for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(I?)B?", text.strip().upper())
    if match is None or (match[3] and not match[2]):
        return None
    unit = 1024 ** "KMGT".index(match[2]) * 1024 if match[3] else _UNITS[match[2]]
    return int(float(match[1]) * unit)


def list_images() -> None:
    """Print what is kept, the most recently used first."""
    console = Console()
    found, why = sandbox.kept_images(sandboxes_folder())
    if found:
        table = Table("image", "kind", "size", "last used", "by run", "", box=None, pad_edge=False)
        for entry in reversed(found):
            kept, when = entry.kept, time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
            row = (kept.name, kept.kind, said(kept.size), when, kept.run, "in use" if entry.held else "")
            table.add_row(*row)
        console.print(table)
        total = said(sum(entry.kept.size for entry in found))
        console.print(f"{total} in all (layers that images share count in each)", highlight=False)
    else:
        console.print("no images are kept")
    _say_why(console, why)


def prune_images(budget: int) -> None:
    """Remove the least recently used beyond the budget and say what went."""
    console = Console()
    gone, why = sandbox.prune_images(sandboxes_folder(), budget)
    for kept in gone:
        console.print(
            f"removed {kept.kind} {kept.name}, {said(kept.size)}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    left, _ = sandbox.kept_images(sandboxes_folder())
    size = sum(entry.kept.size for entry in left)
    rest = "nothing is left" if not left else f"{len(left)} left, {said(size)}"
    over = " (what is still there beyond the budget is in use)" if size > budget else ""
    console.print(f"{rest}{over}", highlight=False)
    _say_why(console, why)


def said(size: int) -> str:
    """A size in bytes for people, in decimal units."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _say_why(console: Console, why: str) -> None:
    if why:
        console.print(f"Docker's images were left out: {why}", highlight=False, markup=False, soft_wrap=True)

"""`winnow doctor`: each part that a run needs, tried for real."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Literal

from rich.console import Console
from rich.markup import escape

from sandbox import probe_docker, probe_overlay

from .configuration import SandboxSettings
from .paths import open_users_store
from .worlds import backend_of

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY", "MISTRAL_API_KEY")


def examine() -> int:
    """Print what works and what mends the rest; 0 where a sandbox can be made, else 1."""
    console = Console()
    ok, bad = "[green]ok[/]  ", "[red]no[/]  "
    console.print(f"{ok}python {sys.version.split()[0]}", highlight=False)
    works = []
    for probe in (asyncio.run(probe_overlay()), probe_docker()):
        works.append(probe.works)
        console.print(f"{ok if probe.works else bad}{probe.name}: {escape(probe.why)}", highlight=False)
        if not probe.works:
            console.print(f"      to mend it: {escape(probe.cure)}", highlight=False)
            continue
        for lack in asyncio.run(_lacks(probe.name)):
            console.print(f"      not given here: {escape(lack)}", highlight=False)
    store = open_users_store()
    console.print(f"{ok}store: {escape(store.url)}, {len(store.runs())} runs", highlight=False)
    keys = [name for name in KEYS if os.environ.get(name)]
    said = ", ".join(keys) if keys else "none set; a local server needs none, `winnow demo` neither"
    console.print(f"{ok}keys: {said}", highlight=False)
    return 0 if any(works) else 1


async def _lacks(name: Literal["docker", "overlay"]) -> tuple[str, ...]:
    backend = backend_of(SandboxSettings(backend=name), f"doctor-{os.getpid()}")
    try:
        return await backend.lacks()
    finally:
        await backend.close()

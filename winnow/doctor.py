"""`winnow doctor`: each part that a run needs, tried for real."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Literal

from sandbox import probe_docker, probe_overlay

from .configuration import SandboxSettings
from .console import Console, Text
from .paths import open_users_store
from .worlds import backend_of

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY", "MISTRAL_API_KEY")


def examine() -> int:
    """Print what works and what mends the rest; 0 where a sandbox can be made, else 1."""
    console = Console()
    console.print(_line(True, f"python {sys.version.split()[0]}"))
    works = []
    for probe in (asyncio.run(probe_overlay()), probe_docker()):
        works.append(probe.works)
        console.print(_line(probe.works, f"{probe.name}: {probe.why}"))
        if not probe.works:
            console.print(f"      to mend it: {probe.cure}", highlight=False)
            continue
        for lack in asyncio.run(_lacks(probe.name)):
            console.print(f"      not given here: {lack}", highlight=False)
    store = open_users_store()
    console.print(_line(True, f"store: {store.url}, {len(store.runs())} runs"))
    keys = [name for name in KEYS if os.environ.get(name)]
    said = ", ".join(keys) if keys else "none set; a local server needs none, `winnow demo` neither"
    console.print(_line(True, f"keys: {said}"))
    return 0 if any(works) else 1


def _line(works: bool, said: str) -> Text:
    return Text().append("ok" if works else "no", "green" if works else "red").append(f"  {said}")


async def _lacks(name: Literal["docker", "overlay"]) -> tuple[str, ...]:
    backend = backend_of(SandboxSettings(backend=name), f"doctor-{os.getpid()}")
    try:
        return await backend.lacks()
    finally:
        await backend.close()

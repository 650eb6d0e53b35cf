"""What `winnow build` does: a line for each row, and a recipe file for each world where they are asked for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from environments import Instance, Pick, check, folder_name, read_dataset, visible_line
from environments.building import Builder, BuildNetwork
from sandbox import Backend, Limits, open_backend

from .building import WORLD_FAULTS, open_builder
from .console import Console, Text, indented
from .failures import WORLD_FAILED
from .paths import new_run_id, sandboxes_folder
from .solving import run_until_done
from .worlds import choose_backend


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user asked `build` for; see the command's help for each."""

    dataset: str
    pick: Pick
    repos: Path | None
    recipe: Path | None
    recipes_to: Path | None
    rootfs: Path | None
    sandbox: str
    at_once: int
    network: BuildNetwork


def build(asked: Asked) -> int:
    """Build the worlds; the exit code."""
    console = Console()
    dataset = read_dataset(asked.dataset, asked.pick)
    for bad in dataset.bad:
        console.print(f"left out  {bad}", style="yellow", highlight=False, soft_wrap=True)
    kind, why = choose_backend(asked.sandbox)
    console.print(f"sandbox: {why}", style="dim", highlight=False)
    if asked.recipes_to is not None:
        asked.recipes_to.mkdir(parents=True, exist_ok=True)

    def tell(sentence: str) -> None:
        console.print(indented(sentence), style="dim", soft_wrap=True)

    failed = run_until_done(lambda: _build_all(asked, kind, dataset.instances, console, tell), tell)
    total = len(dataset.instances)
    console.print(f"{total - failed} of {total} worlds are built", style="bold", highlight=False)
    return WORLD_FAILED if failed else 0


async def _build_all(asked: Asked, kind: str, instances: tuple[Instance, ...], console: Console, tell) -> int:  # type: ignore[no-untyped-def]
    """How many cannot be built."""
    run = new_run_id("build")
    backend = open_backend(kind, run=run, state=sandboxes_folder())  # type: ignore[arg-type]
    try:
        async with open_builder(
            backend,
            run,
            tell,
            repos=asked.repos,
            recipe=asked.recipe,
            rootfs=asked.rootfs,
            network=asked.network,
            at_once=asked.at_once,
        ) as builder:
            work = (_build_one(builder, backend, one, asked.recipes_to, console) for one in instances)
            return (await asyncio.gather(*work)).count(False)
    finally:
        await backend.close()


async def _build_one(
    builder: Builder, backend: Backend, instance: Instance, recipes_to: Path | None, console: Console
) -> bool:
    try:
        task = await builder.task(instance)
        # A sandbox of it, as an attempt gets one: the repository is at its commit, imports find it.
        sandbox = await backend.start(task.world(), name=f"check-{instance.id}", limits=Limits())
        try:
            notes = await check(sandbox, task)
        finally:
            await sandbox.close()
        if recipes_to is not None and not instance.image:
            text = await builder.recipe(instance)
            (recipes_to / f"{folder_name(instance.id)}.toml").write_text(text, encoding="utf-8")
    except WORLD_FAULTS as error:
        console.print(_line("failed", "red", instance.id, str(error)), soft_wrap=True)
        return False
    said = "; ".join((*task.recipe.why, *notes))
    console.print(_line("built", "green", instance.id, said), soft_wrap=True)
    return True


def _line(word: str, style: str, name: str, said: str) -> Text:
    line = indented(f"{word:<8}{visible_line(name)}: {said}")
    line.stylize(style, 0, len(word))
    return line

"""Rows that bring an image: where it has the repository, how it is activated, and the sealed history in its place."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sandbox import Backend, Image, Images, Limits, Sandbox, World

from ..detection import format_of
from ..instance import Instance
from ..sources import languages_of
from ..task import Recipe, Snapshot, Task
from .capture import link_tree
from .failures import BuildFailed
from .image_places import PLACES
from .layers import layer, name_of
from .network import reach_told
from .plan import Plan, with_given
from .repository_reading import read_repository
from .services import start_script
from .test_ways import test_ways

_SECONDS = 300.0
_ACTIVATE = """
for conda in /opt/miniconda3 /opt/conda /root/miniconda3 /root/anaconda3; do
  if [ -d "$conda/envs/testbed" ]; then . "$conda/bin/activate" testbed && break; fi
done
if [ -z "$CONDA_PREFIX" ] || [ "$CONDA_DEFAULT_ENV" = base ]; then
  for folder in .venv venv /opt/venv /venv; do
    if [ -x "$folder/bin/python" ]; then . "$folder/bin/activate" && break; fi
  done
fi
"""
_KEPT = re.compile(
    r"PATH|VIRTUAL_ENV|CONDA_\w+|PYTHON\w*|LD_LIBRARY_PATH|JAVA_HOME|GO\w+|CARGO_HOME|RUSTUP_HOME|NODE_PATH"
)
_GIT = "git -c safe.directory='*' -c core.hooksPath=/dev/null -c core.fsmonitor=false"
_NEVER = ("CONDA_PROMPT_MODIFIER",)


async def image_task(
    backend: Backend,
    folder: Path,
    instance: Instance,
    snapshot: Snapshot,
    given: Mapping[str, Any],
    images: Images | None,
    tell: Callable[[str], None],
    build_network: str = "index",
) -> Task:
    """The task of a row with an image. The image's own repository is covered by the frozen one, so that its history
    is sealed; what the image built there and git ignores stays.

    Raises BuildFailed where the repository is not to be found in the image, CannotStart.
    """

    async def make(into: Path) -> None:
        tell(f"{instance.id}: looking into {instance.image}")
        about = await _look(backend, instance, snapshot)
        await asyncio.to_thread(link_tree, snapshot.tree, into / "tree")
        await asyncio.to_thread(_ignore, into / "tree", about.pop("extra"))
        (into / "about.json").write_text(json.dumps(about))

    said = (instance.image, instance.workdir, instance.activate, snapshot.head)
    made = await layer(folder / "images", name_of("image", said), make)
    about = json.loads((made / "about.json").read_text())
    reading = await asyncio.to_thread(read_repository, snapshot)
    ways = test_ways(reading.texts, reading.files, reading.sizes, reading.pytest)
    plan = with_given(
        Plan(
            setup=instance.setup,
            test_command=instance.test_command or (ways[0].command if ways else ""),
            test_format=instance.test_format or ("" if instance.test_command or not ways else ways[0].format),
            env=dict(instance.env),
            network=instance.network,
            why=tuple(about["why"]),
        ),
        given,
    )
    frozen = replace(snapshot, tree=made / "tree", at=about["at"])
    recipe = Recipe(
        root=Image(instance.image),
        setup=plan.setup,
        test_command=plan.test_command or None,
        test_format=plan.test_format or format_of(plan.test_command),
        test_timeout=plan.test_timeout,
        env={**about["env"], **plan.env},
        languages=languages_of(frozen),
        network=plan.network,
        hosts=plan.hosts,
        build_network=build_network,
        services=start_script(plan.services),
        why=(*plan.why, *(reach_told(build_network, plan.hosts) if plan.setup else ())),
    )
    return Task(instance.id, instance.issue, frozen, recipe)


async def _look(backend: Backend, instance: Instance, snapshot: Snapshot) -> dict[str, Any]:
    """Where the image has the repository, what activation changes, and files that would shine through as untracked."""
    world = World(root=Image(instance.image), network="none")
    sandbox = await backend.start(world, name=f"look-{instance.id}", limits=Limits(timeout=_SECONDS))
    try:
        at = await _place(sandbox, instance, snapshot)
        env, why = await _activated(sandbox, instance, at)
        # What git in the image says is there beyond the commit and is not ignored: it would look like a change.
        script = f"{_GIT} ls-files --others --exclude-standard 2>/dev/null"
        said = await sandbox.run(script, cwd=at, timeout=_SECONDS)
        extra = said.output.splitlines() if said.exit_code == 0 else []
    finally:
        await sandbox.close()
    return {
        "at": at,
        "env": env,
        "why": [f"{instance.image} has the repository at {at}", *why],
        "extra": extra,
    }


async def _place(sandbox: Sandbox, instance: Instance, snapshot: Snapshot) -> str:
    """The row's own word, else the first usual place with most of the repository's top level."""
    top = sorted({path.partition("/")[0] for path in snapshot.files()})[:20]
    starts = await sandbox.run("pwd", timeout=60)
    places = [instance.workdir, *PLACES, starts.output.strip()]
    name = instance.repo.rstrip("/").rpartition("/")[2].removesuffix(".git")
    places += [f"{place}/{name}" for place in PLACES]
    for place in dict.fromkeys(one for one in places if one.startswith("/") and one.strip("/")):
        words = " ".join(shlex.quote(one) for one in top)
        counting = f'n=0; for f in {words}; do [ -e "$f" ] && n=$((n+1)); done; echo $n'
        count = await sandbox.run(
            f"cd {shlex.quote(place)} 2>/dev/null || exit 0; {counting}", cwd="/", timeout=60
        )
        if count.output.strip().isdigit() and 2 * int(count.output) > len(top):
            return place
    raise BuildFailed(
        f"the image {instance.image} of {instance.id} has no checkout of {instance.repo} in "
        f"{instance.workdir or 'any usual place'}: name its folder in the row (workdir)"
    )


async def _activated(sandbox: Sandbox, instance: Instance, at: str) -> tuple[dict[str, str], list[str]]:
    """What the row's activation, or a conda environment or virtual environment that is there, does to variables."""
    before = await _variables(sandbox, "", at)
    after = await _variables(sandbox, instance.activate or _ACTIVATE, at)
    changed = {
        name: value
        for name, value in after.items()
        if before.get(name) != value and _KEPT.fullmatch(name) and name not in _NEVER
    }
    where = changed.get("CONDA_PREFIX") or changed.get("VIRTUAL_ENV")
    if instance.activate and not changed:
        return {}, [f"its activation ({instance.activate}) changes nothing in the image"]
    return changed, [f"{where} is activated in it"] if where else []


async def _variables(sandbox: Sandbox, activate: str, at: str) -> dict[str, str]:
    script = f"{activate}\n" if activate else ""
    mark = "winnow-variables"
    inner = f"{script}printf '\\n{mark}\\n'; env"
    shell = f"if command -v bash >/dev/null; then bash -c {shlex.quote(inner)}; else sh -c {shlex.quote(inner)}; fi"
    said = await sandbox.run(shell, cwd=at, timeout=_SECONDS)
    lines = said.output.rpartition(f"{mark}\n")[2].splitlines()
    return dict(line.partition("=")[::2] for line in lines if re.match(r"\w+=", line))


def _ignore(tree: Path, extra: list[str]) -> None:
    """Files of the image that are no part of the commit are ignored, not offered as a change."""
    exclude = tree / ".git/info/exclude"
    text = exclude.read_text(errors="surrogateescape") if exclude.is_file() else ""
    exclude.unlink(missing_ok=True)
    lines = [f"/{path}" for path in extra if path and not re.search(r"[*?\[\\#!\"]", path)]
    exclude.write_text(text + "\n".join(lines) + "\n", errors="surrogateescape")

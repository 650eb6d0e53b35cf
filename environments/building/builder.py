"""From a row of a dataset to a task whose world is made: the general builder, and rows that bring an image."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sandbox import Backend, Images

from ..datasets.names import folder_name
from ..instance import Instance
from ..repository import clone, freeze, repository_name
from ..safe_git import RepositoryError
from ..task import Snapshot, Task
from .bench import AT
from .failures import BuildFailed
from .image_repository import carry_repository
from .image_world import image_task
from .index import read_index
from .interpreters import Interpreter, download, installed
from .layers import layer, name_of
from .mirrors import commit_date, find_repository, has_commit, nearest_tag
from .network import BuildNetwork
from .plan import Plan, find_recipe, read_recipe, with_given
from .repository_reading import Reading, read_repository
from .sealing import check_stored
from .using import Using, places_of
from .version_choice import RELEASED, Choice, choose, declared_by, minor_of
from .wishes import wishes_of
from .world import Made, Order, make_world, task_of

_OTHERWISE = "; name a folder with clones (--repos DIR)"


class Builder:
    """Makes the worlds of a dataset's rows, each once: layers lie under `folder` and are shared by runs and processes.

    backend: builds run in its sandboxes. repos: a folder of mirrors,
    None: repositories are cloned from their public host. recipes: a recipe file, or a folder with
    INSTANCE.toml, OWNER__NAME-COMMIT.toml (12 digits) or OWNER__NAME.toml. tell: gets a sentence now and then.
    at_once: how many builds run at the same time. images: makes images ready for rows that name one.
    rootfs: a root file system to build on in place of this machine's own (docker/rootfs-debian.sh makes one).
    network: what builds reach: the user's package index and the hosts that recipes name, or all that the host does.
    """

    def __init__(
        self,
        backend: Backend,
        folder: Path,
        *,
        repos: Path | None = None,
        recipes: Path | None = None,
        tell: Callable[[str], None] = lambda sentence: None,
        at_once: int = 2,
        images: Images | None = None,
        rootfs: Path | None = None,
        network: BuildNetwork = "index",
    ) -> None:
        self._backend = backend
        self._folder = folder.absolute()
        self._repos, self._recipes, self._images = repos, recipes, images
        self._rootfs = rootfs.absolute() if rootfs else None
        self._tell, self._network = tell, network
        self._turns = asyncio.Semaphore(max(1, at_once))
        self._index = read_index()
        self._not_to_be_had: set[tuple[int, int]] = set()
        self._using = Using(self._folder)

    async def task(self, instance: Instance) -> Task:
        """The row's task, its world made where nobody made it before; minutes then, else milliseconds.

        Raises BuildFailed with the lines that matter, WrongRecipe, RepositoryError (no such repository or commit; a
        stored tree that is not sealed any more), sandbox.CannotStart.
        """
        task = await self._task(instance)
        await self.use(task)
        await asyncio.to_thread(check_stored, task.snapshot)
        return task

    async def use(self, task: Task) -> None:
        """Keep what a task's sandboxes show, as long as this builder is open, from being removed as unused."""
        await asyncio.to_thread(self._using.note, places_of(task))

    async def _task(self, instance: Instance) -> Task:
        async with self._turns:
            snapshot, about = await self._frozen(instance)
            file = find_recipe(self._recipes, _names(instance))
            given = read_recipe(file) if file else {}
            if instance.image:
                return await image_task(
                    self._backend,
                    self._folder,
                    instance,
                    snapshot,
                    given,
                    self._images,
                    self._tell,
                    self._network,
                )
            if instance.language not in ("", "python"):
                raise BuildFailed(
                    f"{instance.id} is written in {instance.language}: the builder makes Python worlds; name an image"
                )
            made = await self._made(instance, snapshot, about, given)
        return task_of(instance, snapshot, made, self._network)

    async def recipe(self, instance: Instance) -> str:
        """The text of the recipe that the row's world was made by. Raises as `task`."""
        snapshot, about = await self._frozen(instance)
        file = find_recipe(self._recipes, _names(instance))
        made = await self._made(instance, snapshot, about, read_recipe(file) if file else {})
        return made.recipe

    async def close(self) -> None:
        """Layers stay for others; from now on they may be removed, where nobody uses them for a while."""
        self._using.close()

    async def _frozen(self, instance: Instance) -> tuple[Snapshot, Mapping[str, str]]:
        """The repository's layer: frozen at the base commit, and what was read of its history before it was sealed."""
        source = await asyncio.to_thread(self._source, instance)
        alone = () if instance.history else ("alone",)
        name = name_of("repository", instance.base_commit or str(source), instance.repo, *alone)

        async def make(folder: Path) -> None:
            place = source
            if place is None:
                place = await self._carried(instance, folder / "carried")
            if not isinstance(place, Path):
                place = await self._cloned(place, instance.base_commit)
            self._tell(f"{instance.id}: freezing {instance.repo} at {instance.base_commit[:12]}")
            await asyncio.to_thread(_freeze, place, folder, instance.base_commit, instance.history)

        made = await layer(self._folder / "repositories", name, make)
        about = json.loads((made / "about.json").read_text())
        snapshot = Snapshot(
            tree=made / "tree",
            at=AT,
            base=about["base"],
            head=about["head"],
            digest=about["digest"],
            notes=tuple(about["notes"]),
        )
        return snapshot, about

    def _source(self, instance: Instance) -> str | Path | None:
        """Where the repository is to be had, None: in the row's own image."""
        try:
            source = find_repository(instance.repo, instance.base_commit, self._repos)
        except RepositoryError:
            if instance.image:
                return None
            raise
        return None if instance.image and not isinstance(source, Path) else source

    async def _carried(self, instance: Instance, into: Path) -> str | Path:
        """The image's own repository; where it has none, the public one, if nothing else was said."""
        try:
            await carry_repository(self._backend, instance, into)
            return into
        except BuildFailed:
            if self._repos is not None:
                raise
            return find_repository(instance.repo, instance.base_commit, None)

    async def _cloned(self, url: str, commit: str) -> Path:
        async def make(folder: Path) -> None:
            self._tell(f"cloning {repository_name(url)}")
            await asyncio.to_thread(clone, url, folder / "repo.git", otherwise=_OTHERWISE)

        name = name_of("clone", url)
        made = await layer(self._folder / "clones", name, make)
        if not has_commit(made / "repo.git", commit):  # it was cloned before that commit was made
            name = name_of("clone", url, commit)
            made = await layer(self._folder / "clones", name, make)
        return made / "repo.git"

    async def _made(
        self, instance: Instance, snapshot: Snapshot, about: Mapping[str, str], given: Mapping[str, Any]
    ) -> Made:
        reading = await asyncio.to_thread(read_repository, snapshot)
        day = _day(instance, about)
        if said := given.get("date"):
            day = date.fromisoformat(said)
        interpreters = {one.minor: one for one in installed(downloads=self._folder / "interpreters")}
        wanted = given.get("python") or instance.python
        choices = choose(wanted, declared_by(reading.texts), day, self._available(interpreters))
        if wanted and minor_of(wanted) not in interpreters:
            interpreters, choices = await self._downloaded(wanted, choices, interpreters)
        if not choices:
            raise BuildFailed(
                f"no Python for {instance.id} is on this machine and none can be downloaded"
                + (f": {wanted} is asked for" if wanted else "")
            )
        order = Order(
            instance=instance,
            snapshot=snapshot,
            reading=reading,
            plans={one.minor: _plan(instance, reading, one.minor, given) for one in choices},
            choices=choices,
            day=day,
            given=given,
            tag=(about.get("tag", ""), about.get("tagged", "")),
            interpreters=interpreters,
            rootfs=self._rootfs,
            index=self._index,
            network=self._network,
        )
        return await make_world(self._backend, self._folder, order, self._tell)

    def _available(self, interpreters: Mapping[tuple[int, int], Interpreter]) -> list[tuple[int, int]]:
        if self._rootfs is None:
            return list(interpreters)
        return [minor for minor, one in interpreters.items() if not one.in_system()]

    async def _downloaded(
        self, wanted: str, choices: tuple[Choice, ...], interpreters: dict[tuple[int, int], Interpreter]
    ) -> tuple[dict[tuple[int, int], Interpreter], tuple[Choice, ...]]:
        """The version that is asked for, from uv's downloads; what is nearest here where it cannot be had."""
        minor = minor_of(wanted)
        if minor is None or minor not in RELEASED or minor in self._not_to_be_had:
            return interpreters, choices
        self._tell(f"downloading Python {minor[0]}.{minor[1]}")
        got = await asyncio.to_thread(download, f"{minor[0]}.{minor[1]}", self._folder / "interpreters")
        if got is None:
            self._not_to_be_had.add(minor)
            return interpreters, choices
        return {**interpreters, got.minor: got}, (Choice(got.minor, f"Python {wanted} is asked for"),)


def _freeze(source: Path, folder: Path, commit: str, history: bool = True) -> None:
    snapshot = freeze(source, folder / "tree", at=AT, commit=commit or None, history=history)
    tag, tagged = nearest_tag(source, commit)
    about = {
        **{name: value for name, value in asdict(snapshot).items() if name not in ("tree", "checkout")},
        "date": commit_date(source, commit),
        "tag": tag,
        "tagged": tagged,
    }
    (folder / "about.json").write_text(json.dumps(about))


def _plan(instance: Instance, reading: Reading, minor: tuple[int, int], given: Mapping[str, Any]) -> Plan:
    wishes = wishes_of(reading.texts, reading.files, minor)
    local = tuple(
        path for one in wishes.loose if (path := one.partition("[")[0]) + "/setup.py" in reading.files
    )
    plan = Plan(
        project=wishes.project,
        extras=wishes.extras,
        groups=wishes.groups,
        files=wishes.files,
        requirements=tuple(one for one in wishes.loose if "/" not in one.partition("[")[0].partition("@")[0]),
        local=local,
        setup=instance.setup,
        env=dict(instance.env),
        test_command=instance.test_command,
        test_format=instance.test_format,
        network=instance.network,
        why=wishes.why,
    )
    if instance.setup:  # the row says how it is installed: nothing is guessed
        plan = replace(
            plan, project="", extras=(), groups=(), files=(), requirements=(), local=(), install="script"
        )
    return with_given(plan, given)


def _day(instance: Instance, about: Mapping[str, str]) -> date:
    """The row's day, or the commit's where that is later: a change may be proposed long before it is based anew."""
    days = []
    for said in (instance.created, about.get("date", "")):
        with contextlib.suppress(ValueError):
            days.append(datetime.fromisoformat(said.replace("Z", "+00:00")).date())
    return max(days, default=datetime.now(UTC).date())


def _names(instance: Instance) -> tuple[str, ...]:
    """Names of recipe files for a row, the narrowest first."""
    repo = instance.repo.removesuffix(".git").rstrip("/")
    parts = [part for part in repo.replace(":", "/").split("/") if part][-2:]
    full = "__".join(parts) if len(parts) == 2 and not Path(repo).is_dir() else repository_name(repo)
    return (folder_name(instance.id), f"{full}-{instance.base_commit[:12]}", full)

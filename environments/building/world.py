"""A world's layers: its dependencies, shared by all that ask for the same, and the project installed on them."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from sandbox import Backend, Place

from ..instance import Instance
from ..python_layout import import_names
from ..sources import languages_of
from ..task import Recipe, Snapshot, Task
from .bench import AT, ENV, Bench, Ground, ground_for, open_bench, world_env
from .capture import capture, link_tree
from .failures import BuildFailed, StepFailed
from .importing import check_imports, imports_well, put_on_path
from .index import Index
from .installing import (
    FIRST_STEP,
    compile_all,
    install_dependencies,
    install_project,
    make_environment,
    make_service,
    resolved,
)
from .interpreters import Interpreter
from .keeping import keep_environment, keep_repository, mark_start
from .layers import layer, name_of, remove
from .network import BuildNetwork, reach_told
from .plan import Plan, Service, version_of, write_recipe
from .repository_reading import Reading
from .services import HOME, start_script
from .test_ways import TestWay, test_ways
from .trying import GOOD, Trial, try_tests
from .version_choice import Choice, Minor
from .ways import Way, undated, ways_to_build
from .wishes import wishes_of

_MOST_WAYS = 8
_OF_INSTALLING = ("installing the project (", "importing")


@dataclass(frozen=True, slots=True)
class Order:
    """All that decides a world. plans: for each version of Python that may be tried. tag: the last release and its
    commit. given: what a recipe file says."""

    instance: Instance
    snapshot: Snapshot
    reading: Reading
    plans: Mapping[Minor, Plan]
    choices: tuple[Choice, ...]
    day: date
    given: Mapping[str, Any]
    tag: tuple[str, str]
    interpreters: Mapping[Minor, Interpreter]
    rootfs: Path | None
    index: Index
    network: BuildNetwork = "index"

    def name(self) -> str:
        """The world's name: what it is made from."""
        plans = [_without_nothing(asdict(replace(self.plans[one.minor], why=()))) for one in self.choices]
        pythons = [
            (str(self.interpreters[one.minor].executable), self.interpreters[one.minor].version)
            for one in self.choices
        ]
        given = {name: str(value) for name, value in self.given.items()}
        return name_of(
            "world",
            self.snapshot.head,
            plans,
            pythons,
            str(self.day),
            given,
            self.tag,
            str(self.rootfs),
            self.instance.version,
            *self.reach(()),
        )

    def reach(self, hosts: tuple[str, ...]) -> tuple[object, ...]:
        """What a layer's name says of the network: nothing where it is the package index alone."""
        return (*([self.network] if self.network != "index" else []), *([hosts] if hosts else []))


@dataclass(frozen=True, slots=True)
class Made:
    """A finished world. folder: its layer, with the trees that a sandbox shows. recipe: the text of its recipe file."""

    folder: Path
    plan: Plan
    ground: Ground
    recipe: str


async def make_world(backend: Backend, folder: Path, order: Order, tell: Callable[[str], None]) -> Made:
    """The world, made where it is not there yet: ways are tried until one is good. Raises BuildFailed."""

    async def make(into: Path) -> None:
        await _Making(backend, folder, order, tell).make(into)

    made = await layer(folder / "worlds", order.name(), make)
    plan = _plan_from(json.loads((made / "world.json").read_text()))
    ground = await ground_for(order.interpreters[version_of(plan)], order.rootfs, order.index, folder)
    return Made(made, plan, ground, (made / "recipe.toml").read_text(encoding="utf-8"))


def task_of(instance: Instance, snapshot: Snapshot, made: Made, build_network: BuildNetwork) -> Task:
    """The task: the repository as it was frozen, shown with what the installation made in it."""
    plan = made.plan
    frozen = replace(snapshot, tree=made.folder / "tree")
    places = [*made.ground.world_places, Place(made.folder / "env", ENV)]
    if (made.folder / "services").is_dir():
        places.append(Place(made.folder / "services", HOME))
    recipe = Recipe(
        root=made.ground.world_root,
        test_command=plan.test_command or None,
        test_format=plan.test_format or "exit",
        test_timeout=plan.test_timeout,
        env={**world_env(), **plan.env},
        places=tuple(places),
        languages=languages_of(frozen) or ("python",),
        network=plan.network,
        hosts=plan.hosts,
        build_network=build_network,
        services=start_script(plan.services),
        why=(*plan.why, *reach_told(build_network, plan.hosts)),
    )
    return Task(instance.id, instance.issue, frozen, recipe)


class _Making:
    """One world being made."""

    def __init__(self, backend: Backend, folder: Path, order: Order, tell: Callable[[str], None]) -> None:
        self._backend, self._folder, self._order, self._tell = backend, folder, order, tell

    async def make(self, into: Path) -> None:
        """Try the ways in their order; the first good one fills `into`, else the best of those that run tests."""
        order = self._order
        best: tuple[float, Plan] | None = None
        failures: list[tuple[Plan, StepFailed]] = []
        for way in self._ways():
            for install in way.installs:
                plan = replace(way.plan, install=install)
                self._tell(f"{order.instance.id}: {_in_short(plan)}")
                try:
                    share = await self._dated_or_not(plan, into)
                except StepFailed as failed:
                    failures.append((plan, failed))
                    last = f" ({failed.lines[-1].strip()})" if failed.lines else ""
                    self._tell(f"{order.instance.id}: {failed}{last}")
                    if failed.step.startswith(_OF_INSTALLING):
                        continue
                    break  # another installation would not change that
                if share >= GOOD:
                    return
                if best is None or share > best[0]:
                    best = share, plan
                break
        if best is None:
            raise self._failed(failures)
        self._tell(f"{order.instance.id}: the best way passes {best[0]:.0%} of a trial; it is taken")
        try:
            await self._build(best[1], into, at_least=0.0)
        except StepFailed as failed:
            raise self._failed([*failures, (best[1], failed)]) from failed

    async def _dated_or_not(self, plan: Plan, into: Path) -> float:
        try:
            return await self._build(plan, into, at_least=GOOD)
        except StepFailed as failed:
            # Where not even pip is to be had as of a date, the index tells no dates.
            if not plan.date or failed.step != FIRST_STEP or "exclude-newer" not in failed.output:
                raise
            return await self._build(undated(plan), into, at_least=GOOD)

    def _ways(self) -> list[Way]:
        """All ways of the best version, then the first ones of the others."""
        order = self._order
        fixed = {name for name in ("date", "install") if name in order.given}
        if order.instance.setup:
            fixed.add("install")
        found = [
            ways_to_build(order.plans[choice.minor], choice, order.day, fixed) for choice in order.choices
        ]
        return [*found[0], *(way for others in found[1:] for way in others[:2])][:_MOST_WAYS]

    async def _build(self, plan: Plan, into: Path, *, at_least: float) -> float:
        """Build by one plan. -> the share of a trial's tests that pass; `into` is filled where it is enough."""
        order = self._order
        ground = await ground_for(
            order.interpreters[version_of(plan)], order.rootfs, order.index, self._folder
        )
        base = await self._dependencies(plan, ground)
        left = json.loads((base / "left.json").read_text())
        out = (one for one in left["out"] if re.fullmatch(r"[A-Za-z0-9][\w.-]*", one))
        plan = replace(plan, leave_out=(*plan.leave_out, *out), why=(*plan.why, *left["why"]))
        places = (Place(order.snapshot.tree, AT), Place(base / "env", ENV))
        services = await self._services(plan, ground)
        if services is not None:
            places += (Place(services, HOME),)
        bench = await self._bench(ground, places, "build", plan)
        try:
            await self._tag(bench)
            await mark_start(bench)
            wishes = wishes_of(order.reading.texts, order.reading.files, version_of(plan))
            await install_project(bench, plan, wishes.name)
            if plan.install == "path" or (plan.install == "script" and not plan.setup):
                await put_on_path(bench, order.snapshot.tree)
            await check_imports(bench, order.snapshot.tree)
            trial = await self._tried(bench, plan)
            if trial.added and not await imports_well(bench, order.snapshot.tree):
                # What was added brought another version of the project itself.
                await install_project(bench, plan, wishes.name)
                await check_imports(bench, order.snapshot.tree)
                trial = replace(await self._tried(bench, plan), added=trial.added)
            if trial.share < at_least:
                return trial.share
            plan = replace(
                plan,
                requirements=(*plan.requirements, *trial.added),
                test_command=trial.way.command,
                test_format=trial.way.format,
                why=(
                    *plan.why,
                    trial.way.why,
                    trial.why,
                    *_added(trial),
                ),
            )
            await self._keep(bench, plan, base, services, into)
            return max(trial.share, at_least)
        finally:
            await bench.close()

    async def _tried(self, bench: Bench, plan: Plan) -> Trial:
        own = list(import_names(self._order.snapshot.tree))
        return await try_tests(bench, plan, self._test_ways(plan), own, start_script(plan.services))

    async def _dependencies(self, plan: Plan, ground: Ground) -> Path:
        """The layer with an environment in which everything but the project is installed."""
        order = self._order
        about = {
            name: getattr(plan, name)
            for name in "python date wheels unpinned project extras groups files requirements leave_out".split()
        }
        said = {
            path: text
            for path, text in order.reading.texts.items()
            if not path.startswith((".github", "tests/run"))
        }
        # The project's metadata may be computed from any file: the same commit, or no such computation.
        computed = (
            "" if "setup.py" not in said and not plan.project.endswith(".py") else order.snapshot.digest
        )
        python = (ground.python, order.interpreters[version_of(plan)].version)
        name = name_of(
            "dependencies",
            about,
            said,
            computed if plan.project else "",
            python,
            str(order.rootfs),
            *order.reach(plan.hosts),
        )

        async def make(into: Path) -> None:
            (into / "env").mkdir()
            (into / "empty").mkdir()
            places = (Place(order.snapshot.tree, AT), Place(into / "empty", ENV))
            bench = await self._bench(ground, places, "deps", plan)
            try:
                await self._tag(bench)
                await make_environment(bench, plan)
                left = await install_dependencies(bench, plan)
                await compile_all(bench)
                await capture(bench.sandbox, ENV, into / "env")
            finally:
                await bench.close()
            (into / "left.json").write_text(json.dumps({"out": left.out, "why": left.why}))
            (into / "empty").rmdir()

        return await layer(self._folder / "dependencies", name, make)

    async def _services(self, plan: Plan, ground: Ground) -> Path | None:
        """The layer with the environments of the services, None where none needs one."""
        order = self._order
        wanted = [service for service in plan.services if service.requirements]
        if not wanted:
            return None

        async def make(into: Path) -> None:
            places = (Place(order.snapshot.tree, AT), Place(into, HOME))
            bench = await self._bench(ground, places, "services", plan)
            try:
                for service in wanted:
                    await make_service(bench, service.name, service.requirements, HOME)
                await capture(bench.sandbox, HOME, into)
            finally:
                await bench.close()

        about = [(service.name, service.requirements) for service in wanted]
        name = name_of("services", about, ground.python, str(order.rootfs), *order.reach(plan.hosts))
        return await layer(self._folder / "services", name, make)

    async def _bench(self, ground: Ground, places: tuple[Place, ...], what: str, plan: Plan) -> Bench:
        order = self._order
        return await open_bench(
            self._backend,
            ground,
            order.index,
            places,
            f"{what}-{order.instance.id}",
            {},
            network=order.network,
            hosts=plan.hosts,
        )

    async def _tag(self, bench: Bench) -> None:
        """Give the build's private copy the name of the last release: tools read the version from it."""
        tag, commit = self._order.tag
        if not tag and self._order.instance.version:
            tag, commit = self._order.instance.version, "HEAD"
        if tag:
            await bench.tried(
                f"git update-ref {shlex.quote(f'refs/tags/{tag}')} {shlex.quote(commit)} 2>/dev/null", cwd=AT
            )

    def _test_ways(self, plan: Plan) -> tuple[TestWay, ...]:
        reading = self._order.reading
        ways = test_ways(reading.texts, reading.files, reading.sizes, reading.pytest)
        if not plan.test_command:
            return ways
        from ..detection import format_of

        kind = plan.test_format or format_of(plan.test_command)
        like = next((way for way in ways if way.format == kind), None)
        # A command that is more than its words (pipes, several lines) cannot be told to run a piece.
        pieces = like.pieces if like is not None and "\n" not in plan.test_command else ("",)
        return (TestWay(plan.test_command, kind, "the test command was given", pieces or ("",)),)

    async def _keep(self, bench: Bench, plan: Plan, base: Path, services: Path | None, into: Path) -> None:
        """Fill the world's layer."""
        order = self._order
        pins = await resolved(bench)
        await compile_all(bench)
        await keep_environment(bench, base / "env", into / "env")
        await keep_repository(bench, order.snapshot.tree, into / "tree")
        if services is not None:
            await asyncio.to_thread(remove, into / "services")
            await asyncio.to_thread(link_tree, services, into / "services")
        repository = order.instance.repo
        told = replace(plan, why=(*plan.why, *reach_told(order.network, plan.hosts)))
        text = write_recipe(told, repository=repository, commit=order.snapshot.base, resolved=pins)
        (into / "recipe.toml").write_text(text, encoding="utf-8")
        (into / "world.json").write_text(json.dumps(asdict(plan)))

    def _failed(self, failures: list[tuple[Plan, StepFailed]]) -> BuildFailed:
        """The sentence names what was tried; the lines are of the way that came furthest."""
        if not failures:
            return BuildFailed(f"{self._order.instance.id}: there is no way to build it")
        furthest = max(failures, key=lambda one: _far(one[1]))
        plan, failed = furthest
        sentence = (
            f"the world of {self._order.instance.id} cannot be built ({len(failures)} ways tried): with "
            f"{_in_short(plan)}, {failed}"
        )
        return BuildFailed(sentence, failed.lines)


def _far(failed: StepFailed) -> int:
    order = (
        "making",
        "installing pip",
        "installing the dep",
        "installing the project",
        "installing",
        "import",
        "collecting",
        "running",
    )
    return next(
        (number for number, word in reversed(list(enumerate(order))) if failed.step.startswith(word)), 0
    )


def _in_short(plan: Plan) -> str:
    words = [f"Python {plan.python}", plan.install, f"as of {plan.date or 'today'}"]
    words += ["built packages only"] if plan.wheels else []
    words += ["no pinned versions"] if plan.unpinned else []
    return ", ".join(words)


def _added(trial: Trial) -> tuple[str, ...]:
    return (f"added, since its tests want them: {', '.join(trial.added)}",) if trial.added else ()


def _without_nothing(said: dict[str, Any]) -> dict[str, Any]:
    """Without what was added to plans later and says nothing: layers keep their names."""
    return {name: value for name, value in said.items() if name != "hosts" or value}


def _plan_from(said: Mapping[str, Any]) -> Plan:
    words = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
    words["services"] = tuple(
        Service(**{**one, "requirements": tuple(one["requirements"])}) for one in said["services"]
    )
    return Plan(**words)

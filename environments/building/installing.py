"""The steps of a build: an environment, the dependencies as of a date, the project itself."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..foreign_text import LARGEST_SETTINGS
from .bench import AT, ENV, Bench
from .failures import StepFailed
from .plan import Plan, version_of

EDITABLE_SINCE = "2023-06-01"
"""Build back-ends, and they alone, may be as young as this: setuptools learned editable installations (PEP 660) in
August 2022, poetry-core, flit-core and hatchling in the year before; by then their first faults were mended."""
FIRST_STEP = "installing pip and setuptools"
_BACKENDS = ("setuptools", "poetry-core", "flit-core", "hatchling", "pdm-backend", "pdm-pep517")
_CONVERTING = "setuptools<58"  # the last that converts Python 2 sources while it builds (use_2to3)
_PYTHON = f"{ENV}/bin/python"
_OLD_PYTHON = (3, 6)  # uv knows none before this
_VIRTUALENV = "virtualenv<20.22"  # the last that makes environments of Python 2.7
_SECONDS = 1800.0
_MOST_LEFT_OUT = 6  # packages that cannot be built, before everything is tried one by one


@dataclass(slots=True)
class Left:
    """What could not be installed and was left out, with a sentence each."""

    out: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)

    def note(self, what: str, failed: StepFailed) -> None:
        self.out.append(what)
        last = failed.lines[-1].strip() if failed.lines else failed.step
        self.why.append(f"left out, since it cannot be installed: {what} ({last[:160]})")


async def make_environment(bench: Bench, plan: Plan) -> None:
    """An empty environment with pip, and setuptools and wheel where old code expects them. Raises StepFailed."""
    if _is_old(plan):
        await bench.uv(
            "tool", "run", "--python", "3", "--from", _VIRTUALENV, "virtualenv", "-q", "-p", bench.ground.python, ENV,
            step="making the environment",
        )  # fmt: skip
        return
    # --clear: its folder is there already, a mount point.
    await bench.uv(
        "venv", "-q", "--clear", "--python", bench.ground.python, ENV, step="making the environment"
    )
    await _uv_install(bench, plan, "pip", "setuptools", "wheel", step=FIRST_STEP)


async def install_dependencies(bench: Bench, plan: Plan) -> Left:
    """Everything but the project. What the project itself needs must be had; what its tests want is left out where it
    cannot be. Raises StepFailed.
    """
    left = Left()
    if plan.unpinned:
        plan = await _without_pins(bench, plan)
    if plan.project:
        await _install_core(bench, plan)
    if _all_words(plan) == _core(plan):
        return left
    whole = _all_words(plan)
    if plan.wheels and plan.project == "setup.py" and not plan.extras:
        whole = whole[2:]
    for _ in range(_MOST_LEFT_OUT):
        try:
            await _install(bench, plan, *whole, step="installing the dependencies")
            return left
        except StepFailed as failed:
            if plan.wheels:
                raise  # what is not built already may be half of it: another way has it
            broken = re.search(
                r"Failed to (?:build|download)[^`\n]*`([A-Za-z0-9][\w.-]*?)(?:\[|==|@| |`)", failed.output
            )
            if broken is None or broken[1] in plan.leave_out:
                break
            left.note(broken[1], failed)
            plan = replace(plan, leave_out=(*plan.leave_out, broken[1]))
    await _install_in_parts(bench, plan, left)
    return left


async def install_project(bench: Bench, plan: Plan, name: str) -> None:
    """The project itself, so that its source in the repository is what is imported. name: of its distribution, ""
    where that is not known. Raises StepFailed.
    """
    step = f"installing the project ({plan.install})"
    if plan.install in ("develop", "path") and re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        # A copy that a test tool depends on would be found before the source.
        await bench.tried(f"{_PYTHON} -m pip uninstall -q -y {name}", timeout=_SECONDS)
    if plan.install == "editable":
        words = ["--no-deps", "--config-setting", "editable_mode=compat", "-e", "."]
        await _install(bench, plan, *words, step=step)
    elif plan.install == "develop":
        await bench.run(f"{_PYTHON} setup.py -q develop --no-deps", step=step, timeout=_SECONDS, index=True)
    for path in plan.local:
        words = ["--no-deps", "-e", f"./{path}"]
        await _install(bench, plan, *words, step=f"installing {path}")
    if plan.setup:
        await bench.run(plan.setup, step="the set-up script", timeout=_SECONDS, index=True)


async def _without_pins(bench: Bench, plan: Plan) -> Plan:
    """The plan with copies of its requirements files that name no exact versions, beside them in the private tree."""
    files = []
    for file in plan.files:
        text = (await bench.sandbox.read(f"{AT}/{file}", LARGEST_SETTINGS)).decode("utf-8", "replace")
        folder, _, name = file.rpartition("/")
        copied = f"{folder}/.unpinned-{name}" if folder else f".unpinned-{name}"
        await bench.sandbox.write(f"{AT}/{copied}", "\n".join(map(unpinned, text.splitlines())).encode())
        files.append(copied)
    return replace(plan, files=tuple(files), requirements=tuple(map(unpinned, plan.requirements)))


def unpinned(line: str) -> str:
    """A requirement without its exact version: "a[b]==1.2; python_version > '3'" -> "a[b]; python_version > '3'"."""
    return re.sub(
        r"(?<![\w.])([A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?)\s*={2,3}\s*[\w.*+!-]+(?=\s*(?:[;#]|$))", r"\1", line
    )


async def add(bench: Bench, plan: Plan, requirement: str) -> StepFailed | None:
    """Install one more requirement; what went wrong, None where all is well."""
    try:
        await _install(bench, plan, requirement, step=f"installing {requirement}")
    except StepFailed as failed:
        return failed
    return None


async def resolved(bench: Bench) -> tuple[str, ...]:
    """What is installed, as `pip freeze` names it, the project left out."""
    code, said = await bench.tried(
        f"{_PYTHON} -m pip list --format=freeze --exclude-editable 2>/dev/null", timeout=120
    )
    lines = (line.strip() for line in said.splitlines())
    return tuple(line for line in lines if re.fullmatch(r"[\w.-]+==\S+", line)) if code == 0 else ()


async def make_service(bench: Bench, name: str, requirements: Sequence[str], at: str) -> None:
    """An environment of its own for a service, with today's packages. Raises StepFailed."""
    where, step = f"{at}/{name}", f"installing the service {name}"
    await bench.uv("venv", "-q", "--clear", "--python", bench.ground.python, where, step=step)
    await bench.uv("pip", "install", "-q", "--python", f"{where}/bin/python", *requirements, step=step)


async def _install_core(bench: Bench, plan: Plan) -> None:
    """What the project itself needs. Raises StepFailed."""
    step = "installing the project's dependencies"
    try:
        await _install(bench, plan, *_core(plan), step=step)
    except StepFailed as failed:
        # Also where only built packages are taken: uv would have to build the project itself to ask it.
        own = await _declared(bench, plan)
        if own is None:
            raise
        try:
            if own:
                await _install(bench, plan, *own, step=step)
        except StepFailed:
            raise failed from None


async def _install_in_parts(bench: Bench, plan: Plan, left: Left) -> None:
    """One thing after another, so that one that cannot be had here does not stop the others."""
    for extra in plan.extras:
        await _try(bench, plan, left, f"{plan.project}[{extra}]", *_core(plan), "--extra", extra)
    for group in plan.groups:
        await _try(bench, plan, left, f"the group {group}", "--group", group)
    for file in plan.files:
        await _install_file(bench, plan, left, file)
    for requirement in plan.requirements:
        await _try(bench, plan, left, requirement, requirement)


async def _install_file(bench: Bench, plan: Plan, left: Left, file: str) -> None:
    try:
        await _install(bench, plan, "-r", file, step=f"installing {file}")
        return
    except StepFailed:
        pass
    text = (await bench.sandbox.read(f"{AT}/{file}", LARGEST_SETTINGS)).decode("utf-8", "replace")
    folder = file.rpartition("/")[0]
    for line in text.replace("\\\n", " ").splitlines():
        line = re.sub(r"(?:^|\s)#.*$", "", line).strip()
        if not line or line.startswith(("--index", "--extra-index", "-i ", "--find-links", "-f ")):
            continue
        # In the file's own folder: a line may name others relative to it.
        single = f"{folder}/.winnow-line.txt" if folder else ".winnow-line.txt"
        await bench.sandbox.write(f"{AT}/{single}", line.encode())
        await _try(bench, plan, left, f"{line} (of {file})", "-r", single)
        await bench.sandbox.run(f"rm -f {shlex.quote(single)}", cwd=AT)


async def _try(bench: Bench, plan: Plan, left: Left, what: str, *words: str) -> None:
    try:
        await _install(bench, plan, *words, step=f"installing {what}")
    except StepFailed as failed:
        left.note(what, failed)


async def _declared(bench: Bench, plan: Plan) -> tuple[str, ...] | None:
    """The project's own dependencies without its metadata: as setup.py says when it is run, where it can be."""
    if plan.project != "setup.py":
        return None
    script = (
        f"{_PYTHON} setup.py -q egg_info --egg-base /tmp >/dev/null 2>&1 && cat /tmp/*.egg-info/requires.txt"
    )
    code, said = await bench.tried(f"rm -rf /tmp/*.egg-info; {script}", timeout=300, index=True)
    if code:
        return None
    own = said.partition("\n[")[0]
    return tuple(line.strip() for line in own.splitlines() if re.match(r"[A-Za-z][\w.-]*", line.strip()))


def _core(plan: Plan) -> list[str]:
    return ["-r", plan.project] if plan.project else []


def _all_words(plan: Plan) -> list[str]:
    words = _core(plan)
    for extra in plan.extras:
        words += ["--extra", extra]
    for group in plan.groups:
        words += ["--group", group]
    for file in plan.files:
        words += ["-r", file]
    return [*words, *plan.requirements]


async def _install(bench: Bench, plan: Plan, *words: str, step: str) -> None:
    if _is_old(plan):
        await _pip_install(bench, plan, words, step)
    else:
        await _uv_install(bench, plan, *words, step=step)


async def _uv_install(bench: Bench, plan: Plan, *words: str, step: str) -> None:
    options = ["--python", _PYTHON, "--no-sources"]
    if plan.date:
        options += ["--exclude-newer", f"{plan.date}T00:00:00Z"]
        if plan.date < EDITABLE_SINCE and step != FIRST_STEP:
            for name in _BACKENDS:
                options += ["--exclude-newer-package", f"{name}={EDITABLE_SINCE}T00:00:00Z"]
        for name in bench.late:
            options += ["--exclude-newer-package", f"{name}=false"]
    if plan.wheels and "-e" not in words:
        options += ["--only-binary", ":all:"]
    if bench.converts:
        await bench.sandbox.write("/tmp/winnow-build-constraints.txt", _CONVERTING.encode())
        options += ["--build-constraints", "/tmp/winnow-build-constraints.txt"]
    if plan.leave_out:
        await bench.sandbox.write("/tmp/winnow-excludes.txt", "\n".join(plan.leave_out).encode())
        options += ["--excludes", "/tmp/winnow-excludes.txt"]
    try:
        await bench.uv("pip", "install", *options, *words, step=step, timeout=_SECONDS)
    except StepFailed as failed:
        if "use_2to3" in failed.output and not bench.converts:
            bench.converts = True
            await _uv_install(bench, plan, *words, step=step)
            return
        # All of a package's versions may have come to the index anew, later than they were made (taken back and put
        # there again): then its date says nothing.
        late = re.search(r"there (?:are|is) no versions? of ([\w.-]+?)(?:\[\w+\])? and", failed.output)
        if (
            late is None
            or late[1] in bench.late
            or f"`{late[1]}` was filtered by `exclude-newer`" not in failed.output
        ):
            raise
        bench.late.append(late[1])
        await _uv_install(bench, plan, *words, step=step)


async def _pip_install(bench: Bench, plan: Plan, words: Sequence[str], step: str) -> None:
    """Python 2.7 has pip only, which knows no dates: what still supports it bounds the versions by itself."""
    asked = list(words)
    for option in ("--extra", "--group", "--config-setting"):
        while option in asked:
            place = asked.index(option)
            del asked[place : place + 2]
    if plan.project and plan.project in asked:
        place = asked.index(plan.project)
        asked[place - 1 : place + 1] = list(await _declared(bench, plan) or ())
    asked = [word for word in asked if word not in plan.leave_out]
    if asked:
        command = shlex.join([_PYTHON, "-m", "pip", "install", "-q", *asked])
        await bench.run(command, step=step, timeout=_SECONDS, index=True)


async def compile_all(bench: Bench) -> None:
    """Compile what is not compiled yet, once for all sandboxes: what they compile is lost with them. pip is not for
    tests.
    """
    command = f"{_PYTHON} -m compileall -q -x '/site-packages/(pip|wheel)/'"
    await bench.tried(f"{command} -j 2 {ENV}/lib >/dev/null 2>&1 || {command} {ENV}/lib", timeout=_SECONDS)


def _is_old(plan: Plan) -> bool:
    return version_of(plan) < _OLD_PYTHON

"""How a Python repository is run: its interpreter, its virtual environment, its test command."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox import Place

from .interpreter_homes import NAMED, installation
from .plain_files import read_plain
from .python_layout import compiled_copy, has, import_names, installed_from
from .toolchains import python_needs, tracked_python_needs

_MARKS = ("pyproject.toml", "setup.py", "setup.cfg", "tox.ini", "pytest.ini", "Pipfile", "manage.py")
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_MAKES_ENVIRONMENT = r"(?:-m venv|\bvirtualenv|\buv venv)\b(?:[ \t]+-\S+)*(?:[ \t]+([\w.][\w./-]*))?"


@dataclass(frozen=True, slots=True)
class Python:
    """The interpreter that runs the repository's code, as a sandbox sees it.

    folder: with the executable, None where it is the image's own. beside: folder that is searched after it, "" for
    none. environment: the virtual environment's path there, None without one. sites: the host's site-packages folders
    that it reads. places, needs: what a sandbox must show.
    """

    folder: str | None
    environment: str | None = None
    sites: tuple[Path, ...] = ()
    places: tuple[Place, ...] = ()
    needs: tuple[str, ...] = ()
    name: str = "python"
    why: str = ""
    beside: str = ""


def is_python(tree: Path) -> bool:
    """Whether the repository is built or tested as a Python project."""
    return any((tree / mark).is_file() for mark in _MARKS) or any(tree.glob("requirements*.txt"))


def find_python(tree: Path, at: str, environ: Mapping[str, str], setup: str = "") -> Python:
    """The virtual environment that the set-up script makes in the repository, else the one that is there, else the
    activated one, else the interpreter that runs Winnow.
    """
    if setup and (made := re.search(_MAKES_ENVIRONMENT, setup)):
        name = os.path.normpath(made[1] or ".venv")
        own = Path(sys.base_prefix) / "bin"
        return Python(
            folder=f"{at}/{name}/bin",
            environment=f"{at}/{name}",
            needs=python_needs(own / "python3"),
            why=f"{name} in the repository is the Python environment: the set-up script makes it",
            beside=str(own),
        )
    unknown = ""
    for name in dict.fromkeys((".venv", "venv", "env", ".env", *_environments(tree))):
        folder = tree / name
        if folder.is_symlink() or not (
            (folder / "pyvenv.cfg").is_file() and (folder / "bin/python").exists()
        ):
            continue
        prefix = installation(folder / "bin/python", environ)
        if prefix is not None:
            return _own_environment(folder, at, prefix)
        leads_to = os.path.realpath(folder / "bin/python")
        unknown = unknown or (
            f"{name} in the repository is not used: {leads_to} is in no folder that is known to hold interpreters "
            f"(name it in {NAMED} if it does)"
        )
    found = _other_python(environ)
    return replace(found, why=f"{unknown}; {found.why}") if unknown else found


def _other_python(environ: Mapping[str, str]) -> Python:
    """The interpreter of the user, or ours, where the repository has no environment."""
    activated = environ.get("VIRTUAL_ENV", "")
    ours = Path(sys.prefix)
    if (
        activated
        and (Path(activated) / "bin/python").exists()
        and Path(activated).resolve() != ours.resolve()
    ):
        folder = Path(activated)
        why = f"{activated} is the Python environment: it is activated (VIRTUAL_ENV)"
        return _environment(folder, activated, (Place(folder, activated),), why)
    if sys.prefix != sys.base_prefix:
        # Winnow's own is shown as it is, read-only: nobody changes it for a task, and it takes seconds to copy.
        why = f"{ours} is the Python environment: it runs Winnow, and the repository has none of its own"
        found = _environment(ours, str(ours), (), why)
        return replace(found, needs=(str(ours), *found.needs))
    executable = Path(sys.executable)
    return Python(
        folder=str(executable.parent),
        sites=_sites(Path(sys.prefix)),
        needs=python_needs(executable),
        name="python" if (executable.parent / "python").exists() else "python3",
        why=f"{executable} runs the repository: it runs Winnow, and there is no virtual environment",
    )


def python_env(python: Python, tree: Path, at: str) -> tuple[dict[str, str], list[str]]:
    """The environment variables that Python code runs with, and a sentence for each that needs one."""
    env = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    why = []
    if python.folder is not None:
        env["PATH"] = _path(python)
    if python.environment:
        env["VIRTUAL_ENV"] = python.environment
    names = import_names(tree)
    copies = [
        name
        for name, root in names.items()
        if python.sites and compiled_copy(name, python.sites, tree / root)
    ]
    if copies:
        why.append(
            f"{copies[0]} is installed with compiled parts that the source lacks, so the source cannot be imported: "
            "install it editable, or give a set-up script"
        )
    elif names and not installed_from(python.sites, at):
        roots = dict.fromkeys(f"{at}/{root}" if root else at for root in names.values())
        env["PYTHONPATH"] = ":".join(roots)
        why.append(
            f"PYTHONPATH names {env['PYTHONPATH']}: the packages there are not installed from the source"
        )
    return env, why


def python_tests(
    python: Python, tree: Path, files: Sequence[str], has_tests: bool
) -> tuple[str | None, str, str]:
    """The test command, its format, and why."""
    if (tree / "tests/runtests.py").is_file() and "tests/test_sqlite.py" in files:
        command = f"{python.name} tests/runtests.py --verbosity 2 --settings=test_sqlite --parallel 1"
        return command, "unittest", "tests/runtests.py is Django's own test runner"
    if not has_tests:
        return None, "exit", "no test command: there is no test file in the repository"
    used = _uses_pytest(tree, files)
    installed = has(python.sites, "pytest")
    if used or installed:
        why = f"pytest runs the tests: {used or 'it is installed'}"
        if python.sites and not installed:
            why += f", but it is not installed in {python.environment or python.folder}: the tests cannot run"
        return f"{python.name} -m pytest -rA", "pytest", why
    if (tree / "manage.py").is_file():
        return f"{python.name} manage.py test --verbosity 2 --noinput", "unittest", "manage.py runs the tests"
    return (
        f"{python.name} -m unittest discover -v",
        "unittest",
        "unittest runs the tests: nothing asks for pytest",
    )


def _own_environment(folder: Path, at: str, prefix: Path) -> Python:
    """An environment that is in the repository: its files may be tracked ones, and decide nothing but which of the
    known interpreters it is."""
    shown_at = f"{at}/{folder.name}"
    config = _config(folder)
    sites = _sites(folder)
    if config.get("include-system-site-packages", "").lower() == "true":
        sites += _sites(prefix)
    needs = tracked_python_needs(folder / "bin/python", prefix)
    needs = tuple(need for need in needs if folder.parent not in Path(need).parents)
    why = f"{folder.name} in the repository is the Python environment"
    return Python(f"{shown_at}/bin", shown_at, sites, (), needs, "python", why)


def _environment(folder: Path, shown_at: str, places: tuple[Place, ...], why: str) -> Python:
    """An environment of the user's, outside the repository."""
    config = _config(folder)
    sites = _sites(folder)
    home = config.get("home", "")
    if config.get("include-system-site-packages", "").lower() == "true" and home:
        sites += _sites(Path(home).parent)
    executable = folder / "bin/python"
    needs = [*python_needs(executable)]
    if home and (Path(home) / "python3").exists():
        needs += python_needs(Path(home) / "python3")
    # The copy in the frozen tree is shown at its own path: it is no path of the host that a sandbox needs.
    needs = [need for need in needs if Path(need) != folder and folder not in Path(need).parents]
    return Python(f"{shown_at}/bin", shown_at, sites, places, tuple(dict.fromkeys(needs)), "python", why)


def _environments(tree: Path) -> list[str]:
    return sorted(file.parent.name for file in tree.glob("*/pyvenv.cfg"))


def _config(folder: Path) -> dict[str, str]:
    lines = (read_plain(folder / "pyvenv.cfg", 1 << 16) or b"").decode("utf-8", "replace").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def _sites(prefix: Path) -> tuple[Path, ...]:
    found = [*prefix.glob("lib*/python[23]*/site-packages"), *prefix.glob("lib/python3/dist-packages")]
    return tuple(dict.fromkeys(path.resolve() for path in sorted(found)))


def _path(python: Python) -> str:
    folders = [python.folder or "", python.beside, *_SYSTEM_PATH.split(":")]
    return ":".join(dict.fromkeys(folder for folder in folders if folder))


def _uses_pytest(tree: Path, files: Sequence[str]) -> str:
    """Why pytest is taken to be what the project tests with, "" where nothing says so."""
    if (tree / "pytest.ini").is_file() or (tree / ".pytest.ini").is_file():
        return "there is a pytest.ini"
    for name in files:
        if name == "conftest.py" or name.endswith("/conftest.py"):
            return f"there is a {name}"
    named = ["pyproject.toml", "setup.cfg", "tox.ini", "setup.py", "Pipfile", "noxfile.py"]
    named += [
        name for name in files if re.fullmatch(r"(?:[\w-]+/)?[\w.-]*requirements[\w.-]*\.(?:txt|in)", name)
    ]
    for name in named:
        file = tree / name
        if file.is_file() and not file.is_symlink():
            if re.search(r"\bpytest\b|\bpy\.test\b", file.read_text(errors="replace")):
                return f"{name} names it"
    return ""

"""A plan: all that is decided of one world, which is what a recipe file says."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..shown_text import visible_line
from .hosts import is_host
from .version_choice import minor_of


class WrongRecipe(Exception):
    """A recipe file that cannot be followed. The message is one sentence with its path."""


@dataclass(frozen=True, slots=True)
class Service:
    """What must run beside the tests. start: a shell line that runs it, in the foreground. ready: one that ends with 0
    once it answers. seconds: how long it may take. requirements: installed for it, in an environment of its own, whose
    programs are first on the PATH of `start`; python: the version there, "" for the tests' own.
    """

    name: str
    start: str
    ready: str = "true"
    seconds: int = 60
    requirements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """How one world is made and its tests are run.

    python: version, "3.9". date: dependencies are resolved as of then (YYYY-MM-DD), "" for today.
    wheels: only built packages are taken. unpinned: versions that requirements files pin (==) are not.
    project, extras, groups, files, requirements: what is installed, as in
    `Wishes`; leave_out: lines of those that are not. local: further projects inside the repository.
    install: "editable" (PEP 660), "develop" (setup.py develop), "path" (only put on Python's path), "script" (setup
    alone does it). setup: shell lines run after that, as part of the build. hosts: what the build's steps reach besides
    the package index, by http and https. env: variables of tests and attempts. why: a sentence each.
    """

    python: str = ""
    date: str = ""
    wheels: bool = False
    unpinned: bool = False
    project: str = ""
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    install: str = "editable"
    setup: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    test_command: str = ""
    test_format: str = ""
    test_timeout: float = 1800.0
    network: str = "none"
    hosts: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    why: tuple[str, ...] = ()


_KINDS = ("editable", "develop", "path", "script")
_ABOUT = {
    "python": "version of the interpreter",
    "date": 'dependencies are resolved as of this day; "" for the newest ones',
    "wheels": "take only packages that are built already",
    "unpinned": "ignore the versions that requirements files and settings pin (==)",
    "project": "the file with the project's own dependencies",
    "extras": "of the project, installed too",
    "groups": "dependency groups of pyproject.toml",
    "files": "requirements files",
    "requirements": "single requirements",
    "leave_out": "of all these, by name: not installed",
    "local": "further projects in the repository, installed editable",
    "install": "editable, develop, path or script (setup alone does it)",
    "setup": "shell lines run last, as part of the build",
    "hosts": "what the build reaches besides the package index; every report repeats it",
    "test_command": "run at the repository's root",
    "test_format": "pytest, unittest or exit",
    "test_timeout": "seconds",
    "network": "of attempts and tests: none or host",
}


def read_recipe(file: Path) -> dict[str, Any]:
    """What a recipe file says, checked: fields of `Plan`. Raises WrongRecipe."""
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WrongRecipe(f"{file} is no recipe that can be read: {error}") from error
    known = {one.name: one for one in fields(Plan)}
    given: dict[str, Any] = {}
    for name, value in said.items():
        if name in ("repository", "commit", "resolved"):
            continue  # for people
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise WrongRecipe(
                f"{file} has an unknown word {name!r}" + (f": is {near[0]!r} meant?" if near else "")
            )
        given[name] = _checked(file, name, value)
    return given


def write_recipe(plan: Plan, *, repository: str, commit: str, resolved: tuple[str, ...] = ()) -> str:
    """The text of a recipe file: what was done, for a person to edit and give back."""
    lines = [
        "# How this world was made. Edit it and give it back with --recipe FILE (or a folder of such files).",
        "",
    ]
    lines += [f"# {visible_line(sentence)}" for why in plan.why for sentence in why.splitlines()]
    lines += ["", f"repository = {_said(repository)}", f"commit = {_said(commit)}", ""]
    for name, about in _ABOUT.items():
        lines.append(f"{name} = {_said(getattr(plan, name))}  # {about}")
    lines += ["# what was installed", f"resolved = {_said(resolved)}"]
    if plan.env:
        lines += [
            "",
            "[env]",
            *(f"{_key(name)} = {_said(value)}" for name, value in sorted(plan.env.items())),
        ]
    for service in plan.services:
        lines += ["", "[[services]]"]
        lines += [f"{one.name} = {_said(getattr(service, one.name))}" for one in fields(Service)]
    return "\n".join(lines) + "\n"


def with_given(plan: Plan, given: Mapping[str, Any]) -> Plan:
    """The plan with what a recipe says instead."""
    return replace(plan, **given) if given else plan


def version_of(plan: Plan) -> tuple[int, int]:
    """The plan's version of Python as two numbers."""
    return minor_of(plan.python) or (3, 0)


def find_recipe(where: Path | None, names: tuple[str, ...]) -> Path | None:
    """The recipe file: `where` itself, or the first NAME.toml in the folder `where`. Raises WrongRecipe."""
    if where is None:
        return None
    if where.is_file():
        return where
    if not where.is_dir():
        raise WrongRecipe(f"{where} is neither a recipe file nor a folder of them")
    return next((where / f"{name}.toml" for name in names if (where / f"{name}.toml").is_file()), None)


def _checked(file: Path, name: str, value: Any) -> Any:
    default = getattr(Plan(), name)
    if name == "services":
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise WrongRecipe(f"{file}: services are tables, [[services]]")
        return tuple(_service(file, one) for one in value)
    if isinstance(default, tuple):
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise WrongRecipe(f"{file}: {name} is a list of texts")
        if name == "hosts" and (wrong := [one for one in value if not is_host(one)]):
            raise WrongRecipe(f"{file}: {wrong[0]!r} is no host's whole name, such as github.com")
        return tuple(value)
    if name == "env":
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            raise WrongRecipe(f"{file}: env is a table of texts")
        return dict(value)
    if name == "test_timeout":
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise WrongRecipe(f"{file}: test_timeout is a number of seconds")
        return float(value)
    if type(value) is not type(default):
        raise WrongRecipe(f"{file}: {name} is {'true or false' if isinstance(default, bool) else 'a text'}")
    if name == "install" and value not in _KINDS:
        raise WrongRecipe(f"{file}: install is one of {', '.join(_KINDS)}")
    if name == "network" and value not in ("none", "host"):
        raise WrongRecipe(f"{file}: network is none or host")
    if name == "date" and value and not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        raise WrongRecipe(f"{file}: date is written 2021-03-31")
    return value


def _service(file: Path, said: Mapping[str, Any]) -> Service:
    known = {one.name for one in fields(Service)}
    if unknown := [name for name in said if name not in known]:
        raise WrongRecipe(f"{file}: a service has no {unknown[0]!r}; it has {', '.join(sorted(known))}")
    if not isinstance(said.get("name"), str) or not isinstance(said.get("start"), str):
        raise WrongRecipe(f"{file}: a service has a name and a line that starts it")
    if not re.fullmatch(r"[\w.-]{1,40}", said["name"]):
        raise WrongRecipe(f"{file}: a service's name is a word, not {said['name']!r}")
    words = {**said, "requirements": tuple(said.get("requirements", ()))}
    return Service(**words)


def _said(value: Any) -> str:
    if isinstance(value, tuple | list):
        inside = ", ".join(_said(one) for one in value)
        return (
            f"[{inside}]"
            if len(inside) < 90
            else "[\n" + "".join(f"    {_said(one)},\n" for one in value) + "]"
        )
    if isinstance(value, str) and "\n" in value and "'''" not in value and value.isprintable() is False:
        if all(char in "\n\t" or char.isprintable() for char in value):
            return f"'''\n{value}'''"
    # JSON's texts are TOML's, but for the one control character that JSON leaves as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name) else _said(name)

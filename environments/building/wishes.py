"""What a repository asks for to be installed and tested: extras, groups, requirements files, tox, tools' tables."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ..foreign_text import parse_ini, parse_toml
from .setup_py import read_setup, strings

_TEST = frozenset("test tests testing tests-require unittest unittests unit pytest ci".split())
_DEV = frozenset("dev devel develop development dev-dependencies all-dev".split())
_FILES = re.compile(
    r"(?:(?:requirements?|reqs?|ci|tests?|testing|dev)/){0,3}"
    r"(?:requirements?|reqs?|py3|base|common|core|main|unit|ci|(?:[\w.]*[-_.])?(?:tests?|testing|dev|devel|develop|development|"
    r"requirements?)(?:[-_.](?:requirements?|reqs?|tests?|testing|dev|min|ci|py3))?)\.(?:txt|pip|in)"
)
_OTHER = re.compile(
    r"doc|lint|typing|mypy|style|bench|deploy|release|freeze|publish|perf|pre_?commit|flake|rtd|gpu"
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to be installed besides the interpreter.

    project: the file that uv reads the project's own dependencies from ("" where there is no project to install).
    name: of the distribution, "" where it cannot be read. extras, groups: names for the tests. files: requirements
    files. loose: single requirements. why: a sentence each.
    """

    project: str = ""
    name: str = ""
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    why: tuple[str, ...] = ()


def wishes_of(read: Mapping[str, str], files: tuple[str, ...], minor: tuple[int, int]) -> Wishes:
    """read: the repository's texts by path. files: all of its paths. minor: the version of Python."""
    pyproject = _toml(read.get("pyproject.toml", ""))
    setup = read_setup(read.get("setup.py", ""))
    config = _ini(read.get("setup.cfg", ""))
    table = _table(pyproject, "project")
    packaged = bool(table) or bool(_table(pyproject, "build-system"))
    project = next((name for name in ("setup.py", "setup.cfg") if name in read), "")
    if "pyproject.toml" in read and (packaged or not project) and _is_project(pyproject):
        project = "pyproject.toml"
    if project == "setup.cfg" and not config.has_section("metadata") and not config.has_section("options"):
        project = ""
    known = {
        **dict.fromkeys(_keys(table.get("optional-dependencies"))),
        **dict.fromkeys(
            config.options("options.extras_require") if config.has_section("options.extras_require") else ()
        ),
        **dict.fromkeys(_keys(setup.get("extras_require"))),
        **dict.fromkeys(_keys(_table(pyproject, "tool", "poetry").get("extras"))),
    }
    tox = Tox(read.get("tox.ini", "") or _legacy_tox(pyproject), minor)
    extras = [name for name in known if _is_test(name)] or [name for name in known if _is_dev(name)]
    extras += [name for name in tox.extras if name in known and name not in extras]
    groups = _groups(_table(pyproject, "dependency-groups"))
    named = [name for name in tox.files if name in files]
    found = list(dict.fromkeys([*named, *_requirement_files(files, bool(extras or groups or named))]))
    loose = [*tox.loose, *strings(setup.get("tests_require")), *_lines(config, "options", "tests_require")]
    loose += _of_tools(pyproject)
    why = []
    if extras:
        why.append(f"extras for its tests: {', '.join(extras)}")
    if groups:
        why.append(f"dependency groups for its tests: {', '.join(groups)}")
    if found:
        why.append(f"requirements files: {', '.join(found)}")
    if loose:
        why.append(f"required for its tests by its settings: {', '.join(dict.fromkeys(loose))}")
    name = table.get("name") or config.get("metadata", "name", fallback="") or setup.get("name") or ""
    name = name or _table(pyproject, "tool", "poetry").get("name") or ""
    return Wishes(
        project,
        str(name),
        tuple(extras),
        tuple(groups),
        tuple(found),
        tuple(dict.fromkeys(loose)),
        tuple(why),
    )


class Tox:
    """The plain test environment of a tox.ini: its requirements, requirements files and extras."""

    def __init__(self, text: str, minor: tuple[int, int]) -> None:
        factors = {"py", f"py{minor[0]}", f"py{minor[0]}{minor[1]}"}
        config = _ini(text)
        lines = [*self._lines(config, "testenv", "deps", factors)]
        self.extras = [
            word
            for line in self._lines(config, "testenv", "extras", factors)
            for word in re.split(r"[,\s]+", line)
            if word
        ]
        for name in (
            f"testenv:py{minor[0]}{minor[1]}",
            f"testenv:py{minor[0]}",
            "testenv:test",
            "testenv:tests",
        ):
            lines += self._lines(config, name, "deps", factors)
        self.files: list[str] = []
        self.loose: list[str] = []
        for line in lines:
            line = line.replace("{toxinidir}/", "").replace("{tox_root}/", "").replace("{posargs}", "")
            if match := re.match(r"(?:-r|--requirement)[ =]?(\S+)", line):
                self.files.append(str(PurePosixPath(match[1])))
            elif not line.startswith("-") and "{" not in line and not line.startswith((".", "/")):
                self.loose.append(line)

    @staticmethod
    def _lines(
        config: configparser.RawConfigParser, section: str, key: str, factors: set[str]
    ) -> Iterator[str]:
        for line in _lines(config, section, key):
            # "py{3,36}: -rx.txt" holds for environments whose name has all of a condition's factors.
            condition = re.match(r"([\w{},.!\- ]+):(?!//)\s*(.*)$", line)
            if condition is None:
                yield line
            elif any(
                factor and set(factor.split("-")) <= factors
                for factor in _expanded(condition[1].replace(" ", ""))
            ):
                yield condition[2]


def _expanded(condition: str) -> list[str]:
    """py{3,36},pypy -> py3 py36 pypy. Negations are never met."""
    match = re.search(r"\{([^{}]*)\}", condition)
    if match:
        return [
            one
            for word in match[1].split(",")
            for one in _expanded(condition[: match.start()] + word + condition[match.end() :])
        ]
    return [word for word in condition.split(",") if not word.startswith("!")]


def _requirement_files(files: tuple[str, ...], has_tests: bool) -> list[str]:
    """The general ones, then those for tests. has_tests: the project itself says what its tests need."""
    found = [path for path in files if _FILES.fullmatch(path.lower()) and not _OTHER.search(path.lower())]
    # Of a pinned file and what it was compiled from, the first.
    found = [
        path for path in found if not (path.endswith(".in") and path.removesuffix(".in") + ".txt" in found)
    ]
    for_tests = [
        path for path in found if re.search(r"test|(?:^|[^a-z])(?:ci|unit)(?:[^a-z]|$)", path.lower())
    ]
    for_tests = [path for path in for_tests if "/requirements/" not in path or _plain_test(path)]
    for_dev = [path for path in found if re.search(r"dev", path.lower()) and path not in for_tests]
    general = [
        path
        for path in found
        if re.fullmatch(
            r"(?:requirements|reqs)\.(?:txt|in)|requirements/(?:base|main|requirements|common|core)\.(?:txt|in)",
            path.lower(),
        )
    ]
    chosen = [] if has_tests and not for_tests else for_tests or for_dev
    return [*general, *(path for path in chosen if path not in general)]


def _plain_test(path: str) -> bool:
    """Of tests/requirements/{py3,mysql,oracle}.txt the one that is not for a server."""
    stem = PurePosixPath(path).stem.lower()
    return (
        stem in ("py3", "base", "common", "requirements", "test", "tests", "testing", "ci", "unit")
        or "test" in stem
    )


def _groups(table: Mapping[str, Any]) -> list[str]:
    tests = [name for name in table if _is_test(name)]
    return tests or [name for name in table if _is_dev(name)]


def _of_tools(pyproject: Mapping[str, Any]) -> list[str]:
    """Test requirements in the tables of poetry, pdm, hatch, uv, flit."""
    found: list[str] = []
    poetry = _table(pyproject, "tool", "poetry")
    dev = {**_table(poetry, "dev-dependencies")}
    for name, group in _table(poetry, "group").items():
        if (_is_test(name) or _is_dev(name)) and isinstance(group, dict):
            dev |= _table(group, "dependencies")
    found += [requirement for name, wanted in dev.items() if (requirement := _from_poetry(name, wanted))]
    for name, wanted in _table(pyproject, "tool", "pdm", "dev-dependencies").items():
        found += _strings(wanted) if _is_test(name) or _is_dev(name) else []
    found += _strings(_table(pyproject, "tool", "uv").get("dev-dependencies"))
    for name, environment in _table(pyproject, "tool", "hatch", "envs").items():
        if name == "default" or _is_test(name):
            for key in ("dependencies", "extra-dependencies"):
                found += _strings(environment.get(key)) if isinstance(environment, dict) else []
    flit = _table(pyproject, "tool", "flit", "metadata", "requires-extra")
    for name, wanted in flit.items():
        found += _strings(wanted) if _is_test(name) else []
    return [one for one in found if not one.startswith((".", "-"))]


def _from_poetry(name: str, wanted: Any) -> str:
    """poetry's own way of saying versions, as PEP 508 has it; "" for what comes from elsewhere than the index."""
    from .version_choice import _specifiers

    if name == "python":
        return ""
    extras = marker = ""
    if isinstance(wanted, list):
        wanted = wanted[-1] if wanted else "*"
    if isinstance(wanted, dict):
        if "version" not in wanted:
            return ""
        extras = f"[{','.join(wanted['extras'])}]" if wanted.get("extras") else ""
        marker = f"; {wanted['markers']}" if wanted.get("markers") else ""
        if not marker and wanted.get("python"):
            marker = "; " + " and ".join(
                f"python_version {match[1]} '{match[2]}'"
                for part in _specifiers(str(wanted["python"])).split(",")
                if (match := re.match(r"([<>=!~]+)\s*(\S+)", part))
            )
        wanted = wanted["version"]
    return f"{name}{extras}{_poetry_version(str(wanted))}{marker}"


def _poetry_version(text: str) -> str:
    """^1.2.3 -> >=1.2.3,<2; ^0.3 -> >=0.3,<0.4; ~1.2 -> >=1.2,<1.3; 1.2 -> ==1.2; * -> anything."""
    words = []
    for word in (part.strip() for part in text.split(",")):
        match = re.fullmatch(r"([\^~]?)=?\s*(\d+)(?:\.(\d+|\*))?(?:\.(\d+|\*))?(\S*)", word)
        if not match or word.startswith("~="):
            words += [word] if word and word != "*" and "||" not in word else []
            continue
        sign, major, minor, _, _ = match.groups()
        bare = word.lstrip("^~= ")
        if sign == "^":
            top = f"{int(major) + 1}" if int(major) or minor in (None, "*") else f"0.{int(minor) + 1}"
            words.append(f">={bare},<{top}")
        elif sign == "~":
            top = f"{major}.{int(minor) + 1}" if minor and minor != "*" else f"{int(major) + 1}"
            words.append(f">={bare},<{top}")
        else:
            words.append(f"=={bare}")
    return ",".join(words)


def _is_project(pyproject: Mapping[str, Any]) -> bool:
    return bool(
        _table(pyproject, "project").get("name")
        or _table(pyproject, "tool", "poetry").get("name")
        or _table(pyproject, "tool", "flit", "metadata").get("module")
    )


def _legacy_tox(pyproject: Mapping[str, Any]) -> str:
    return str(_table(pyproject, "tool", "tox").get("legacy_tox_ini", ""))


def _is_test(name: str) -> bool:
    return name.lower().replace("_", "-") in _TEST


def _is_dev(name: str) -> bool:
    return name.lower().replace("_", "-") in _DEV


def _toml(text: str) -> dict[str, Any]:
    return parse_toml(text) or {}


def _ini(text: str) -> configparser.RawConfigParser:
    return parse_ini(text, allow_no_value=True) or configparser.RawConfigParser()


def _lines(config: configparser.RawConfigParser, section: str, key: str) -> list[str]:
    said = config.get(section, key, fallback="") or ""
    lines = (re.sub(r"(?:^|\s)#.*$", "", line).strip() for line in said.splitlines())
    return [line for line in lines if line]


def _table(said: Mapping[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        said = said.get(name, {}) if isinstance(said, dict) else {}
    return said if isinstance(said, dict) else {}


def _keys(said: Any) -> list[str]:
    return list(said) if isinstance(said, dict) else []


def _strings(said: Any) -> list[str]:
    return [one for one in said if isinstance(one, str)] if isinstance(said, list) else []

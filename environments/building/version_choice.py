"""Which version of Python a repository is run with: as it declares, or as was usual at the commit's date."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from ..foreign_text import parse_ini, parse_toml

Minor = tuple[int, int]

RELEASED: Mapping[Minor, date] = {
    (2, 6): date(2008, 10, 1),
    (2, 7): date(2010, 7, 3),
    (3, 2): date(2011, 2, 20),
    (3, 3): date(2012, 9, 29),
    (3, 4): date(2014, 3, 16),
    (3, 5): date(2015, 9, 13),
    (3, 6): date(2016, 12, 23),
    (3, 7): date(2018, 6, 27),
    (3, 8): date(2019, 10, 14),
    (3, 9): date(2020, 10, 5),
    (3, 10): date(2021, 10, 4),
    (3, 11): date(2022, 10, 24),
    (3, 12): date(2023, 10, 2),
    (3, 13): date(2024, 10, 7),
    (3, 14): date(2025, 10, 7),
}
"""First final releases, from the release schedules (PEPs 361, 373, 392, 398, 429, 478, 494, 537, 569, 596, 619, 664,
693, 719, 745)."""

SETTLED = timedelta(days=183)
"""How long after its release a version is taken to have been in use: wheels of compiled packages and projects'
own support followed each release by some months."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What a repository says of its Python. pinned: one version, with `pinned_by`, the file that says so.

    requires: PEP 440 specifiers. listed: versions in classifiers, tox environments and CI files.
    """

    pinned: Minor | None = None
    pinned_by: str = ""
    requires: str = ""
    listed: frozenset[Minor] = frozenset()


@dataclass(frozen=True, slots=True)
class Choice:
    """The version to run with, and a sentence that says why."""

    minor: Minor
    why: str


def choose(wanted: str, declared: Declared, day: date, available: Collection[Minor]) -> tuple[Choice, ...]:
    """Versions to try, the best first; at most three.

    wanted: by the row or the recipe ("3.9", "" for none): only the nearest ones follow it. day: the commit's or row's.
    available: what the machine has or can get.
    """
    named = minor_of(wanted)
    if named:
        order = _nearest(named, available)
        said = [Choice(one, f"Python {_text(named)} is asked for") for one in order if one == named]
        rest = [
            Choice(
                one, f"Python {_text(one)}: the nearest to {_text(named)}, which is asked for and not here"
            )
            for one in order
            if one != named
        ]
        return tuple(said or rest[:2])
    if declared.pinned:
        order = [one for one in _nearest(declared.pinned, available) if _admits(declared.requires, one)]
        if order and order[0] == declared.pinned:
            pinned = Choice(declared.pinned, f"{declared.pinned_by} names Python {_text(declared.pinned)}")
            rest_of = choose("", replace(declared, pinned=None), day, set(available) - {declared.pinned})
            return (pinned, *rest_of[:1])
    return _by_date(declared, day, available)


def declared_by(read: Mapping[str, str]) -> Declared:
    """What a repository declares. read: its texts by path (missing ones left out)."""
    pinned, by = _pin(read)
    requires, listed = "", set[Minor]()
    for name in ("pyproject.toml", "setup.cfg", "setup.py"):
        text = read.get(name, "")
        requires = requires or _requires(name, text)
        for match in re.finditer(r"Programming Language :: Python :: (\d)\.(\d+)\b", text):
            listed.add((int(match[1]), int(match[2])))
    if not listed:
        listed = _tested(read)
    return Declared(pinned, by, requires, frozenset(listed))


def minor_of(text: str) -> Minor | None:
    """(3, 9) of "3.9", "3.9.18", "python3.9", "cpython-3.9"; None for anything else."""
    match = re.fullmatch(r"\D*?(\d)\.(\d{1,2})(?:\.\S+)?", text.strip())
    return (int(match[1]), int(match[2])) if match else None


def usual_at(day: date) -> Minor:
    """The newest version that was out for some months then."""
    settled = [minor for minor, released in RELEASED.items() if released + SETTLED <= day and minor >= (3, 2)]
    return max(settled, default=(2, 7))


def _by_date(declared: Declared, day: date, available: Collection[Minor]) -> tuple[Choice, ...]:
    usual = usual_at(day)
    top = min(usual, max(declared.listed)) if declared.listed else usual
    admitted = [one for one in sorted(available) if _admits(declared.requires, one)]
    if not declared.requires and any(one >= (3, 0) for one in declared.listed or {(3, 0)}):
        # Listed versions are what it supports; a Python 2 among them is the last that is tried.
        lowest = min((one for one in declared.listed if one >= (3, 0)), default=(3, 0))
        admitted = [one for one in admitted if one >= lowest or one < (3, 0)]
    elif declared.listed and max(declared.listed) < (3, 0):
        admitted = [one for one in admitted if one < (3, 0)]
    three = [one for one in admitted if one >= (3, 0)]
    below = sorted((one for one in three if one <= top), reverse=True)
    above = [one for one in three if one > top]
    two = [one for one in admitted if one < (3, 0) and (one in declared.listed or not declared.listed)]
    order = [*below[:1], *above[:1], *below[1:2], *two, *above[1:]]
    because = f"the newest that was usual on {day.isoformat()}"
    if declared.listed and max(declared.listed) < usual:
        because = "the newest that its metadata lists"
    if declared.requires:
        because += f" and {declared.requires!r} admits"
    chosen = []
    for one in dict.fromkeys(order):
        near = "" if one == top else f" (nearest here to {_text(top)})"
        chosen.append(Choice(one, f"Python {_text(one)}: {because}{near}"))
    return tuple(chosen[:3])


def _nearest(wanted: Minor, available: Collection[Minor]) -> list[Minor]:
    """Of the same major version: the wanted one, then newer ones, then older ones."""
    same = [one for one in sorted(available) if one[0] == wanted[0]]
    return [*(one for one in same if one >= wanted), *reversed([one for one in same if one < wanted])]


def _admits(requires: str, minor: Minor) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        specifiers = SpecifierSet(_specifiers(requires))
    except InvalidSpecifier:
        return True
    # Any patch release of it will do: ">=3.6.1" admits 3.6, "<3.10" does not admit 3.10.
    return any(specifiers.contains(f"{_text(minor)}.{patch}") for patch in (0, 1, 2, 5, 9, 20))


def _specifiers(requires: str) -> str:
    """poetry's carets and tildes, and bare versions, as PEP 440 has them."""
    words = []
    for word in re.split(r"\s*,\s*|\s+(?=[<>=!~^])", requires.strip()):
        if (
            match := re.fullmatch(r"[\^~]\s*(\d+)(?:\.(\d+))?\S*", word)
            if not word.startswith("~=")
            else None
        ):
            words.append(f">={word.lstrip('^~ ')},<{int(match[1]) + 1}")
        elif re.fullmatch(r"\d+(\.\d+)*(\.\*)?", word):
            words.append(f"=={word.removesuffix('.*')}.*")
        elif word and word != "*":
            words.append(word)
    return ",".join(words)


def _pin(read: Mapping[str, str]) -> tuple[Minor | None, str]:
    for name in (".python-version", "runtime.txt", ".tool-versions"):
        for line in read.get(name, "").splitlines():
            words = line.split()
            if not words or words[0].startswith("#") or (name == ".tool-versions" and words[0] != "python"):
                continue
            if minor := minor_of(words[-1] if name != ".tool-versions" else words[1]):
                return minor, name
    return None, ""


def _requires(name: str, text: str) -> str:
    if name == "pyproject.toml":
        said = parse_toml(text)
        if said is None:
            return ""
        places = (("project", "requires-python"), ("tool", "poetry", "dependencies", "python"))
        places += (("tool", "flit", "metadata", "requires-python"),)
        return next((found for place in places if (found := _at(said, place))), "")
    if name == "setup.cfg":
        parser = parse_ini(text)
        if parser is None:
            return ""
        return parser.get("options", "python_requires", fallback="").strip()
    match = re.search(r"python_requires\s*=\s*['\"]([^'\"]+)['\"]", text)
    return match[1] if match else ""


def _at(said: Any, place: Sequence[str]) -> str:
    for name in place:
        said = said.get(name) if isinstance(said, dict) else None
    return said if isinstance(said, str) else ""


def _tested(read: Mapping[str, str]) -> set[Minor]:
    """Versions that tox and CI files name, where the metadata lists none."""
    found = set[Minor]()
    for match in re.finditer(r"\bpy\{?((?:[23]\d{1,2}[,\s]*)+)\}?", read.get("tox.ini", "")):
        for word in re.findall(r"[23]\d{1,2}", match[1]):
            found.add((int(word[0]), int(word[1:])))
    for name, text in read.items():
        if name == ".travis.yml" or name.startswith(".github/workflows/"):
            for block in re.findall(r"python(?:-version)?s?:[^\n]*(?:\n\s*-[^\n]*)*", text):
                found |= {(int(a), int(b)) for a, b in re.findall(r"\b([23])\.(\d{1,2})\b", block)}
    return {one for one in found if one in RELEASED}


def _text(minor: Sequence[int]) -> str:
    return ".".join(map(str, minor))

"""Places in files as a model names them ("src/a.py: Cart.total", "src/a.py: 40-60"), and the text that stands there."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models import estimate_tokens

from .outline import Outline, lines_of

_LINES = re.compile(r"(?:lines?\s*)?(\d+)(?:\s*(?:-|\N{EN DASH}|to)\s*(\d+))?", re.IGNORECASE)
_KIND = re.compile(r"^(?:function|method|class|variable|def|line|lines)s?\s*:?\s+", re.IGNORECASE)
_BULLET = re.compile(r"^(?:\d+[.)]\s+|[-*]\s+)")
_WHOLE = 400
"""Lines of a file that may be named as a whole."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Lines of a file, from 1, both inclusive."""

    path: str
    start: int
    stop: int


def read_places(lines: Sequence[str], outlines: Mapping[str, Outline]) -> tuple[list[Place], list[str]]:
    """(the places that the lines name, in their order and each once; a sentence for each line that names none)."""
    places: list[Place] = []
    problems: list[str] = []
    for line in lines:
        plain = _BULLET.sub("", line.strip()).strip("` ")
        if not plain:
            continue
        path, what = _divided(plain, outlines)
        if path is None:
            problems.append(f"`{plain[:200]}` names none of the files that were shown.")
            continue
        for part in what.split(",") if what else [""]:
            found, problem = _places(path, part, outlines[path])
            places += found
            problems += [problem] if problem else []
    return list(dict.fromkeys(places)), problems


def merged(places: Sequence[Place], outlines: Mapping[str, Outline], around: int) -> list[Place]:
    """The places with `around` lines on both sides, those that overlap or touch made one; files as they first come."""
    by_path: dict[str, list[Place]] = {}
    for place in places:
        last = outlines[place.path].lines
        wider = Place(place.path, max(1, place.start - around), min(last, place.stop + around))
        by_path.setdefault(place.path, []).append(wider)
    joined: list[Place] = []
    for path, wider_ones in by_path.items():
        for place in sorted(wider_ones):
            if joined and joined[-1].path == path and place.start <= joined[-1].stop + 1:
                joined[-1] = Place(path, joined[-1].start, max(joined[-1].stop, place.stop))
            else:
                joined.append(place)
    return joined


def fitting(places: Sequence[Place], texts: Mapping[str, str], limit: int) -> list[Place]:
    """The first of the places that fit into `limit` tokens together; one that does not fit is cut at its end."""
    fit = []
    for place in places:
        lines = lines_of(texts[place.path])[place.start - 1 : place.stop]
        for count, line in enumerate(lines):
            limit -= estimate_tokens(line) + 2
            if limit < 0:
                return [*fit, Place(place.path, place.start, place.start + count - 1)] if count else fit
        fit.append(place)
    return fit


def shown_place(place: Place, texts: Mapping[str, str], numbered: bool = False) -> tuple[str, str]:
    """(a heading, the lines with the file's line ends as plain ones); numbered: each line behind its number."""
    every = lines_of(texts[place.path])
    lines = every[place.start - 1 : place.stop]
    if numbered:
        lines = [f"{number:>6}  {line}" for number, line in enumerate(lines, place.start)]
    heading = f"{place.path} (lines {place.start}-{place.stop} of {len(every)})"
    return heading, "".join(line + "\n" for line in lines)


def nearest_path(said: str, known: Sequence[str]) -> str | None:
    """The path that is meant: as it stands, or the only one that ends so ("cart.py" for "src/shop/cart.py")."""
    plain = _BULLET.sub("", said.strip()).strip("`'\" ").removeprefix("./")
    if plain in known:
        return plain
    ending = [path for path in known if path.endswith(f"/{plain}")] if plain else []
    return ending[0] if len(ending) == 1 else None


def _divided(line: str, outlines: Mapping[str, Outline]) -> tuple[str | None, str]:
    """(the file that a line names, what it says of it)."""
    path, _, what = line.partition(":")
    return nearest_path(path, list(outlines)), what.strip("` ")


def _places(path: str, what: str, found: Outline) -> tuple[list[Place], str]:
    what = what.strip("` ")
    if not what:
        if found.lines <= _WHOLE:
            return [Place(path, 1, max(1, found.lines))], ""
        return [], f"{path} has {found.lines} lines: say which of them, or name a definition in it."
    if match := _LINES.fullmatch(what):
        start, stop = sorted((int(match[1]), int(match[2] or match[1])))
        if 1 <= start <= found.lines:
            return [Place(path, start, min(stop, found.lines))], ""
        return [], f"{path} has {found.lines} lines, so there is no line {start}."
    name = _KIND.sub("", what).strip("` ")
    if entries := found.find(name):
        return [Place(path, entry.start, entry.stop) for entry in entries], ""
    names = [entry.name for entry in found.entries if entry.name]
    near = difflib.get_close_matches(name, names, 3)
    hint = f" Did you mean {' or '.join(near)}?" if near else " Say lines instead: `path: 40-60`."
    return [], f"{path} defines no `{name[:100]}`.{hint}"

"""One row as a dataset has it, and its columns read with their types: what is wrong with one is a sentence."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

_SURROGATES = re.compile("[\ud800-\udfff]")
_KINDS = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


class WrongRow(Exception):
    """A row that cannot be used. The message says why; the reader adds where."""


@dataclass(frozen=True, slots=True)
class Row:
    """place: "FILE, line 7" or "FILE, row 7". values: by column. Null and a column that is not there are the same.

    A method's `names` are the column's names in the datasets that have it; the first that says something counts. Each
    raises WrongRow for a value of another type.
    """

    place: str
    values: Mapping[str, Any]

    def has(self, *names: str) -> bool:
        """Whether one of the columns says something."""
        return self._find(names) is not None

    def text(self, *names: str) -> str:
        """ "" where none says anything. Half a surrogate pair, which UTF-8 cannot hold, is replaced."""
        found = self._find(names)
        if found is None:
            return ""
        name, value = found
        if not isinstance(value, str):
            hint = " (put it in quotes)" if isinstance(value, int | float) else ""
            raise WrongRow(f"{name} is {_kind(value)}, not text{hint}")
        return _clean(value)

    def label(self, *names: str) -> str:
        """A text such as a version that some datasets have as a number."""
        found = self._find(names)
        if found and isinstance(found[1], int | float) and not isinstance(found[1], bool):
            return str(found[1])
        return self.text(*names).strip()

    def needed(self, *names: str) -> str:
        """A text that must be there and say something."""
        text = self.text(*names)
        if not text.strip():
            missing = not any(name in self.values for name in names)
            known = " or ".join(names)
            have = ", ".join(sorted(self.values)[:20]) or "none"
            raise WrongRow(
                f"column {known} is missing (it has {have})" if missing else f"{names[0]} is empty"
            )
        return text

    def word(self, *names: str) -> str:
        """A text that ends up in a command line or a path: no blanks, no control characters, no "-" at its start."""
        text = self.text(*names).strip()
        if re.search(r"[\s\x00-\x1f\x7f]", text) or text.startswith("-"):
            raise WrongRow(f"{self._name(names)} is {_short(text)}, which has blanks or starts with a dash")
        return text

    def needed_word(self, *names: str) -> str:
        """As `word`, and it must be there."""
        self.needed(*names)
        return self.word(*names)

    def list(self, *names: str) -> tuple[str, ...]:
        """Texts, each once, given as a list, as JSON of a list in a text, or as Python writes a list."""
        found = self._find(names)
        if found is None:
            return ()
        name, value = found
        if isinstance(value, str):
            value = _parsed(value) if value.strip() else []
        if isinstance(value, tuple):
            value = list(value)
        if not isinstance(value, list):
            raise WrongRow(f"{name} is {_kind(value)}, not a list of texts")
        if strange := [each for each in value if not isinstance(each, str)]:
            raise WrongRow(f"{name} has {_kind(strange[0])} in it, not only texts")
        if not is_text("".join(value)):
            value = map(_clean, value)
        # Interned: the rows of a project name the same tests by the thousand.
        return tuple(dict.fromkeys(map(sys.intern, value)))

    def mapping(self, *names: str) -> dict[str, Any]:
        """An object, given as one or as JSON of one in a text; {} where none says anything."""
        found = self._find(names)
        if found is None:
            return {}
        name, value = found
        if isinstance(value, str):
            value = _parsed(value) if value.strip() else {}
        if not isinstance(value, dict):
            raise WrongRow(f"{name} is {_kind(value)}, not an object")
        return value

    def lines(self, *names: str) -> str:
        """Shell lines, given as one text or as a list of them."""
        found = self._find(names)
        if found and isinstance(found[1], str):
            return self.text(*names).strip()
        return "\n".join(each.strip() for each in self.list(*names) if each.strip())

    def files(self, *names: str) -> dict[str, str]:
        """Texts by path, given as an object; every path is relative and stays inside."""
        return {inside(path): self.within(*names).text(path) for path in self.mapping(*names)}

    def moment(self, *names: str) -> str:
        """A date as ISO 8601, given so, as a timestamp, or in seconds or milliseconds since 1970; "" for none."""
        found = self._find(names)
        if found is None:
            return ""
        name, value = found
        if isinstance(value, date):
            return _iso(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                # Seconds reach 10^11 in the year 5138, milliseconds did in 1973.
                return _iso(datetime.fromtimestamp(value / 1000 if abs(value) > 1e11 else value, UTC))
            except (OverflowError, OSError, ValueError):
                raise WrongRow(f"{name} is {_short(str(value))}, which is no date") from None
        text = self.text(name).strip()
        if not text:
            return ""
        try:
            return _iso(datetime.fromisoformat(text))
        except (ValueError, OverflowError):
            hint = "which is no date (such as 2021-05-13T21:32:41Z)"
            raise WrongRow(f"{name} is {_short(text)}, {hint}") from None

    def within(self, *names: str) -> Row:
        """The object in a column as a row of its own, empty where there is none."""
        return Row(self.place, self.mapping(*names))

    def _find(self, names: tuple[str, ...]) -> tuple[str, Any] | None:
        return next(((name, self.values[name]) for name in names if self.values.get(name) is not None), None)

    def _name(self, names: tuple[str, ...]) -> str:
        found = self._find(names)
        return found[0] if found else names[0]


def inside(path: str) -> str:
    """The path, if it is relative and leads to a file below where it starts."""
    parts = path.split("/")
    if "\0" in path or ".." in parts or parts[0] in ("", "~") or parts[-1] in ("", ".") or ".git" in parts:
        raise WrongRow(f"the file {_short(path)} is not inside the repository")
    return path


def is_text(text: str) -> bool:
    """Whether UTF-8 can hold it: no halves of surrogate pairs. Encoding finds those much faster than a pattern."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _clean(text: str) -> str:
    """The text with halves of surrogate pairs replaced."""
    return text if is_text(text) else _SURROGATES.sub("\ufffd", text)


def _parsed(text: str) -> Any:
    """What JSON or a Python literal says, the text itself where it is neither."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "text" if isinstance(value, str) else f"a {type(value).__name__}")


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _iso(moment: date) -> str:
    """In UTC and with a Z where the zone is known, so that a moment is written in one way only."""
    if isinstance(moment, datetime) and moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
        return f"{moment.isoformat()}Z"
    return moment.isoformat()

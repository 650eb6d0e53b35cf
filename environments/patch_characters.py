"""What a patch holds that its reader would not see: the patch stays byte for byte, and a sentence warns of it.

A carriage return before a line's end is not warned of: files with such ends have one in every line.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from .shown_text import unfit_characters, visible_line

_NAMED = 20
"""Characters that the sentence names before it says how many more there are."""
_CONTROLS = {
    "\b": "BACKSPACE",
    "\f": "FORM FEED",
    "\r": "CARRIAGE RETURN",
    "\x1b": "ESCAPE",
    "\x7f": "DELETE",
}
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


def patch_warning(patch: str) -> str:
    """A sentence that names the unfit characters of a patch and their files; "" where there is none."""
    text = patch.replace("\r\n", "\n")
    if not unfit_characters(text):
        return ""
    found = list(
        dict.fromkeys(
            f"{_name(character)} in {path or 'its header'}"
            for path, line in _lines(text)
            for character in unfit_characters(line)
        )
    )
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"the patch holds characters that a reader does not see as they are: {', '.join(found[:_NAMED])}{more}"


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Each line with the path of its file. Inside a hunk nothing is a header, whatever it begins with."""
    path, old, new = "", 0, 0
    for line in text.split("\n"):
        hunk = _HUNK.match(line)
        if old > 0 or new > 0:
            old -= not line.startswith(("+", "\\"))
            new -= not line.startswith(("-", "\\"))
        elif hunk:
            old, new = (int(count) if count is not None else 1 for count in hunk.groups())
        elif line.startswith("diff --git "):
            path = _path(re.sub(r'^.* "?b/', "", line))
        elif line.startswith(("--- ", "+++ ")) and not line.startswith("/dev/null", 4):
            path = _path(re.sub(r'^"?[ab]/', "", line[4:].split("\t")[0]))
        yield path, line


def _path(text: str) -> str:
    return visible_line(text.strip().rstrip('"'))


def _name(character: str) -> str:
    name = _CONTROLS.get(character) or unicodedata.name(character, "")
    return f"U+{ord(character):04X}" + (f" {name}" if name else "")

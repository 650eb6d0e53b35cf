"""Paths that a model names: brought into the repository's own form, refused where they lead out of it."""

from __future__ import annotations

import posixpath
import shlex
from dataclasses import dataclass
from typing import Literal

from .workplace import ToolError, Workplace

_LOOK = """\
p={path}
d=$p
while [ ! -e "$d" ] && [ ! -L "$d" ]; do d=$(dirname -- "$d"); done
if [ -f "$p" ]; then k=file; elif [ -d "$p" ]; then k=folder; elif [ "$d" = "$p" ]; then k=other
elif [ -d "$d" ]; then k=missing; else k=blocked; fi
printf '%s/%s/\\n' "$k" "$(stat -c %a -- "$p" 2>/dev/null)"
readlink -f -- .
readlink -f -- "$d"
"""


@dataclass(frozen=True, slots=True)
class Place:
    """What stands at a path. path: relative to the repository's root. mode: of a file, 0o755 or 0o644."""

    path: str
    kind: Literal["file", "folder", "missing"]
    mode: int = 0o644


def relative(path: str, root: str) -> str:
    """The path from the repository's root ("." for the root itself), by its words alone. Raises ToolError."""
    if not path.strip() or "\0" in path or "\n" in path or len(path) > 4_000:
        raise ToolError("Say a path: it is empty, or no path at all.")
    words = path.strip()
    if words == root or words.startswith(root.rstrip("/") + "/"):
        words = words[len(root) :].lstrip("/") or "."
    if words.startswith(("/", "~")):
        raise ToolError(
            f"{words} is outside of the repository. Paths are relative to its root, such as src/a.py; "
            "what lies elsewhere can be read with bash."
        )
    plain = posixpath.normpath(words)
    if plain == ".." or plain.startswith("../"):
        raise ToolError(f"{words} leads out of the repository.")
    if any(part.lower() == ".git" for part in plain.split("/")):
        raise ToolError(f"{words} is git's own: it is no part of a change.")
    return plain


async def look(work: Workplace, path: str) -> Place:
    """What stands at a path the model named. Raises ToolError: it leads out of the repository, also by a link."""
    plain = relative(path, work.root)
    result = await work.run(_LOOK.format(path=shlex.quote("./" + plain)))
    lines = result.output.split("\n")
    if lines[0].startswith("other/") and result.exit_code:
        raise ToolError(f"{plain} is a broken link.")
    if result.exit_code or len(lines) < 3:
        raise ToolError(f"{plain} cannot be looked at: {result.output.strip()[-200:]}")
    kind, mode, _ = lines[0].split("/")
    root, real = lines[1], lines[2]
    if real != root and not real.startswith(root.rstrip("/") + "/"):
        raise ToolError(f"{plain} is a link that leads out of the repository.")
    if ".git" in real[len(root) :].lower().split("/"):
        raise ToolError(f"{plain} is a link to what is git's own.")
    if kind == "blocked":
        raise ToolError(f"{plain}: a part of the path is a file, not a folder.")
    if kind == "other":
        raise ToolError(f"{plain} is no file and no folder (a broken link, or a device).")
    return Place(plain, kind, 0o755 if mode and int(mode, 8) & 0o100 else 0o644)  # type: ignore[arg-type]

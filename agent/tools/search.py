"""Search: lines that match a regular expression in the repository's unignored files."""

from __future__ import annotations

import shlex

from ..normalising import cut_middle
from .places import look
from .workplace import ToolError, Workplace

MOST = 100
"""Matching lines shown."""

_SEARCH = """\
if git rev-parse --git-dir >/dev/null 2>&1; then
  out=$(git grep --no-color --untracked -nIP -e {pattern} -- {paths} 2>&1); code=$?
  if [ $code -gt 1 ]; then out=$(git grep --no-color --untracked -nIE -e {pattern} -- {paths} 2>&1); code=$?; fi
else
  out=$(grep -rnIE --exclude-dir=.git {include} -e {pattern} -- {path} 2>&1); code=$?
  out=$(printf '%s\\n' "$out" | LC_ALL=C sort -s -t: -k1,1)
fi
printf '%s\\n' "$out" | head -n {most} | cut -c1-300
exit $code
"""


async def search(work: Workplace, pattern: str, path: str = ".", files: str = "") -> str:
    """Lines that match the regular expression as path:line:text, below `path`, in files whose names match `files`."""
    if not pattern or "\0" in pattern + files or "\n" in pattern + files:
        raise ToolError("The pattern must be one line: a regular expression.")
    place = await look(work, path)
    if place.kind == "missing":
        raise ToolError(f"{place.path} does not exist: search without a path, or view the folder above.")
    at = place.path
    if files and place.kind == "folder":
        folder = "" if at == "." else at + "/"
        spec = f":(glob){folder}**/{files}"
    else:
        spec = f":(literal){at}" if at != "." else "."
    result = await work.run(
        _SEARCH.format(
            pattern=shlex.quote(pattern),
            paths=shlex.quote(spec),
            path=shlex.quote("./" + at),
            include=shlex.quote(f"--include={files}") if files else "",
            most=MOST + 1,
        )
    )
    if result.ended != "exited":
        raise ToolError("The search took too long: name a folder to search in.")
    lines = [line.removeprefix("./") for line in work.normalise(result.output).splitlines() if line]
    if result.exit_code > 1:
        raise ToolError(f"The pattern cannot be searched for: {' '.join(lines)[:300]}")
    if result.exit_code == 1 or not lines:
        return "No line matches."
    more = f"\n[more than {MOST} lines match: narrow the pattern or the path]" if len(lines) > MOST else ""
    return cut_middle("\n".join(lines[:MOST]), work.chars) + more

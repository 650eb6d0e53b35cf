"""A diff that takes back what another does."""

from __future__ import annotations

import re

_HUNK = re.compile(r"@@ -(\d+(?:,\d+)?) \+(\d+(?:,\d+)?) @@(.*)", re.DOTALL)
_SWAPPED = {
    "--- ": "+++ ",
    "+++ ": "--- ",
    "new file mode ": "deleted file mode ",
    "deleted file mode ": "new file mode ",
    "old mode ": "new mode ",
    "new mode ": "old mode ",
    "rename from ": "rename to ",
    "rename to ": "rename from ",
}


def reversed_patch(patch: str) -> str:
    """The reverse of a unified diff of texts, as git writes them. Raises ValueError for binary files and copies."""
    if re.search(r"^(GIT binary patch|Binary files .* differ|copy (from|to) )", patch, re.MULTILINE):
        raise ValueError("it has a binary file or a copy")
    sections = re.split(r"(?m)^(?=diff --git )", patch)
    return "".join(_reversed_section(section) for section in sections)


def _reversed_section(section: str) -> str:
    head: list[str] = []
    body: list[str] = []
    left = [0, 0]
    for line in section.splitlines(keepends=True):
        if sum(left) > 0 or line.startswith("\\"):
            body.append(_reversed_line(line, left))
        elif match := _HUNK.match(line):
            left = [_length(match[1]), _length(match[2])]
            body.append(f"@@ -{match[2]} +{match[1]} @@{match[3]}")
        else:
            head.append(line)
    return "".join(_reversed_head(head) + body)


def _reversed_line(line: str, left: list[int]) -> str:
    sign = line[:1]
    if sign == "\\":
        return line
    left[0] -= sign != "+"
    left[1] -= sign != "-"
    return {"+": "-", "-": "+"}.get(sign, sign) + line[1:]


def _reversed_head(lines: list[str]) -> list[str]:
    """The head with its lines changed for their opposites, in the order that git wants: old before new."""
    swapped = [_swapped(line) for line in lines]
    for first, second in (("--- ", "+++ "), ("old mode ", "new mode "), ("rename from ", "rename to ")):
        at = {
            each: number
            for number, line in enumerate(swapped)
            for each in (first, second)
            if line.startswith(each)
        }
        if len(at) == 2 and at[second] < at[first]:
            swapped[at[first]], swapped[at[second]] = swapped[at[second]], swapped[at[first]]
    return swapped


def _swapped(line: str) -> str:
    if match := re.match(r"index (\w+)\.\.(\w+)(.*)", line, re.DOTALL):
        return f"index {match[2]}..{match[1]}{match[3]}"
    if match := re.match(r"diff --git a/(.*) b/(.*)", line, re.DOTALL):
        end = match[2][len(match[2].rstrip("\r\n")) :]
        return f"diff --git a/{match[2].rstrip()} b/{match[1]}{end}"
    for start, opposite in _SWAPPED.items():
        if line.startswith(start):
            rest = line[len(start) :]
            if start in ("--- ", "+++ ") and rest[:2] in ("a/", "b/"):
                rest = ("b/" if rest[0] == "a" else "a/") + rest[2:]
            return opposite + rest
    return line


def _length(part: str) -> int:
    _, comma, length = part.partition(",")
    return int(length) if comma else 1

"""What a sandbox's working tree has become, compared with the frozen repository that it started from.

git inside the sandbox only says which unignored files differ; their bytes are read and the patch is made outside, so
that commits, hooks and settings made in the sandbox have no say in it.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import os
import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sandbox import NotThere, Sandbox

from .patches import Change, diff_changes, diffable
from .repository import head_entries
from .task import Snapshot

LARGEST = 4 << 20
"""Bytes of a changed file that is taken into a patch; a larger one is named and left out."""
MOST_FILES = 2_000
"""New files at most: more are what a build or an installation left, not a change that somebody wrote."""
LARGEST_PATCH = 32 << 20
"""Bytes of all changed files together, for the same reason; what comes after them, by name, is left out."""
_SECONDS = 300.0

_LIST = """\
cd {at} || exit 1
i=$(mktemp -d) || exit 1
trap 'rm -rf "$i"' EXIT
export GIT_INDEX_FILE="$i/index" GIT_OPTIONAL_LOCKS=0
git -c safe.directory='*' read-tree {head} || exit 1
git -c safe.directory='*' -c core.fileMode=true -c core.safecrlf=false add --ignore-errors {which} . >/dev/null 2>&1
git -c safe.directory='*' diff-index --cached --raw --abbrev=4 -z --no-renames --no-ext-diff {head} | base64
"""
"""The base commit by its id: HEAD may be another by now."""
_RAW = re.compile(rb":\d{6} (\d{6}) [0-9a-f]+\.* [0-9a-f]+\.* [A-Z]\d*")
"""What git prints of a path in its raw format: the modes before and after, the ids, the kind of change."""


@dataclass(frozen=True, slots=True)
class WorkingTree:
    """changes: by path, of unignored regular files. notes: what differs and was left out, a sentence each."""

    changes: Mapping[str, Change]
    notes: tuple[str, ...] = ()

    def patch(self, snapshot: Snapshot) -> str:
        """The changes as a git-style patch against the snapshot, "" where nothing differs. Blocks."""
        return diff_changes(snapshot.tree, self.changes)


async def working_tree(
    sandbox: Sandbox, snapshot: Snapshot, *, without: Collection[str] = (), known: Collection[str] = ()
) -> WorkingTree:
    """How the repository in `sandbox` differs from the snapshot.

    without: patterns (fnmatch) of new files that are no part of it; a folder's name stands for what is in it. known:
    paths that were written, all that is looked at where git does not work there (no git, no .git any more). Raises
    what the sandbox raises.
    """
    entries = head_entries(snapshot.tree)
    listed = await _listed(sandbox, snapshot, "--all")
    new = sum(path not in entries for path in listed or ())
    notes: list[str] = []
    if listed is None or new > MOST_FILES:
        listed = await _listed(sandbox, snapshot, "--update")
        if listed is None:
            notes.append("git does not work in the sandbox: only files that the editor wrote are looked at")
        else:
            notes.append(
                f"there are more than {MOST_FILES} new files: only those that the editor wrote are taken"
            )
        written = {path: entries[path][0] if path in entries else "100644" for path in known}
        listed = written | (listed or {})
    changes: dict[str, Change] = {}
    size = 0
    for path, mode in sorted(listed.items()):
        if path not in entries and _matches(path, without):
            continue
        if not _is_utf8(path):
            notes.append(f"{ascii(path)} is left out: its name is no UTF-8")
            continue
        try:
            change = await _change(sandbox, snapshot, path, mode)
        except NotThere:
            change = Change(None)
        if isinstance(change, str):
            notes.append(f"{path}: {change}")
        elif change.content is None and path not in entries:
            continue  # gone again, or never a file
        elif why := diffable(snapshot.tree, path, change):
            notes.append(f"left out: {why}")
        elif (more := len(change.content or b"")) + size > LARGEST_PATCH:
            notes.append(f"left out: {path} and what comes before it are more than {LARGEST_PATCH >> 20} MiB")
        else:
            changes[path] = change
            size += more
    return WorkingTree(changes, tuple(notes))


async def _listed(sandbox: Sandbox, snapshot: Snapshot, which: str) -> dict[str, str] | None:
    """The mode of each path that differs ("000000": deleted); None where git cannot tell or has too much to say."""
    command = _LIST.format(at=shlex.quote(snapshot.at), head=snapshot.head, which=which)
    result = await sandbox.run(command, timeout=_SECONDS)
    if result.exit_code or result.ended != "exited" or result.cut:
        return None
    try:
        fields = base64.b64decode("".join(result.output.split()), validate=True).split(b"\0")
    except (binascii.Error, ValueError):
        return None
    listed = {}
    for about, path in zip(fields[::2], fields[1::2], strict=False):
        line = _RAW.fullmatch(about)
        if line is None:
            return None  # whatever printed this is not git
        listed[os.fsdecode(path)] = line[1].decode()
    return listed


async def _change(sandbox: Sandbox, snapshot: Snapshot, path: str, mode: str) -> Change | str:
    """The change of one path; a sentence where there is none that a patch may have."""
    if mode == "000000":
        return Change(None)
    if not mode.startswith("100"):
        return "a link or a repository in the repository is left out"
    content = await sandbox.read(f"{snapshot.at}/{path}", LARGEST + 1)
    if len(content) > LARGEST:
        return f"is larger than {LARGEST >> 20} MiB and left out"
    return Change(content, 0o755 if mode == "100755" else 0o644)


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _matches(path: str, patterns: Collection[str]) -> bool:
    parts = path.split("/")
    upward = ["/".join(parts[: i + 1]) for i in range(len(parts))]
    return any(fnmatch.fnmatchcase(place, pattern) for pattern in patterns for place in upward)

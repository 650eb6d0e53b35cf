"""The order in which tests start: what runs for minutes on one worker first, so that all workers end together."""

import pytest

LONGEST_GROUPS = ("kill", "demo", "clean", "batch", "solve")
"""Names of `xdist_group`s, the longest first, as `--durations=0` showed them. Others follow, then single tests."""

SLOWEST_FOLDERS = ("winnow", "sandbox")
"""Folders of `tests/` whose single tests take longest: whole runs and sandboxes."""


def start_order(item: pytest.Item) -> tuple[int, int]:
    """What items are sorted by; the order of those that are equal stays."""
    mark = item.get_closest_marker("xdist_group")
    name = (mark.kwargs.get("name") or mark.args[0]) if mark else None
    return _rank(name, LONGEST_GROUPS) + (name is None), _rank(_folder(item), SLOWEST_FOLDERS)


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(item.config.rootpath).parts[1]


def _rank(name: str | None, first: tuple[str, ...]) -> int:
    return first.index(name) if name in first else len(first)

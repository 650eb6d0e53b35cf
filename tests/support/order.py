"""The order in which tests start: groups that run for minutes on one worker first, so that all workers end together."""

import pytest

LONGEST_GROUPS = ("kill", "demo", "clean", "batch", "solve")
"""Names of `xdist_group`s, the longest first, as `--durations=0` showed them. Others follow, then single tests."""


def start_order(item: pytest.Item) -> int:
    """What items are sorted by; the order of those that are equal stays."""
    mark = item.get_closest_marker("xdist_group")
    if mark is None:
        return len(LONGEST_GROUPS) + 1
    name = mark.kwargs.get("name", mark.args[0] if mark.args else "")
    return LONGEST_GROUPS.index(name) if name in LONGEST_GROUPS else len(LONGEST_GROUPS)

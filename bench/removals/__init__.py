"""The removals, by the line of work that they take something from. See bench/removal.py."""

from . import builds, containers, git, grading, overlay, processes, viewer

REMOVALS = (
    *overlay.REMOVALS,
    *processes.REMOVALS,
    *containers.REMOVALS,
    *git.REMOVALS,
    *builds.REMOVALS,
    *grading.REMOVALS,
    *viewer.REMOVALS,
)

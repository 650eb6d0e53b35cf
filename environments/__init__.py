"""environments: what a task is and how its world is made.

It freezes a repository with a sealed history, finds how it is built and tested, checks the world inside a sandbox,
runs tests and reads what they say, makes and applies patches, and grades. It may import sandbox and models. It hands
on `Task` with its `Snapshot` and `Recipe`, and the functions below, each imported when it is first asked for. Only
grading sees hidden tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .datasets import BadRow, Dataset, DatasetError, Pick, dataset_schemas, folder_name, read_dataset
    from .detection import Overrides, detect
    from .grading import (
        Findings,
        Gold,
        Grade,
        Verdict,
        empty_patch,
        grade,
        grade_instance,
        grade_twice,
        not_graded,
        patch_digest,
        test_machinery,
    )
    from .groundwork import Anew, Groundwork
    from .groundwork_files import GroundworkFiles
    from .history import NotSealed, verify_sealed
    from .instance import Instance, Reference
    from .issue_text import IssueError, read_issue
    from .patch_characters import patch_warning
    from .patches import (
        Change,
        PatchFails,
        apply_patch,
        changes_from,
        changes_of,
        diff,
        diff_changes,
        write_changes,
        write_patch,
    )
    from .prepare import SetupFailed, prepare_task, run_setup, task_id
    from .reporter import is_plain_pytest
    from .repository import freeze, repository_name
    from .safe_git import GitFailed, RepositoryError
    from .shown_text import json_text, unfit_characters, visible, visible_line
    from .sources import is_test, languages_of, source_files, test_libraries
    from .task import Recipe, Snapshot, Task
    from .test_logs import Outcome, read_log
    from .test_run import TestReport, command_for, run_tests
    from .tree_changes import WorkingTree, working_tree
    from .world_check import WorldWrong, check
    from .world_identity import world_digest

_LATER = {
    "datasets": (
        "BadRow",
        "Dataset",
        "DatasetError",
        "Pick",
        "dataset_schemas",
        "folder_name",
        "read_dataset",
    ),
    "detection": ("Overrides", "detect"),
    "grading": (
        "Findings",
        "Gold",
        "Grade",
        "Verdict",
        "empty_patch",
        "grade",
        "grade_instance",
        "grade_twice",
        "not_graded",
        "patch_digest",
        "test_machinery",
    ),
    "groundwork": ("Anew", "Groundwork"),
    "groundwork_files": ("GroundworkFiles",),
    "history": ("NotSealed", "verify_sealed"),
    "instance": ("Instance", "Reference"),
    "issue_text": ("IssueError", "read_issue"),
    "patch_characters": ("patch_warning",),
    "patches": (
        "Change",
        "PatchFails",
        "apply_patch",
        "changes_from",
        "changes_of",
        "diff",
        "diff_changes",
        "write_changes",
        "write_patch",
    ),
    "prepare": ("SetupFailed", "prepare_task", "run_setup", "task_id"),
    "reporter": ("is_plain_pytest",),
    "repository": ("freeze", "repository_name"),
    "safe_git": ("GitFailed", "RepositoryError"),
    "shown_text": ("json_text", "unfit_characters", "visible", "visible_line"),
    "sources": ("is_test", "languages_of", "source_files", "test_libraries"),
    "task": ("Recipe", "Snapshot", "Task"),
    "test_logs": ("Outcome", "read_log"),
    "test_run": ("TestReport", "command_for", "run_tests"),
    "tree_changes": ("WorkingTree", "working_tree"),
    "world_check": ("WorldWrong", "check"),
    "world_identity": ("world_digest",),
}
_ROOM_OF = {name: file for file, names in _LATER.items() for name in names}

__all__ = [
    "Anew",
    "BadRow",
    "Change",
    "Dataset",
    "DatasetError",
    "Findings",
    "GitFailed",
    "Gold",
    "Grade",
    "Groundwork",
    "GroundworkFiles",
    "Instance",
    "IssueError",
    "NotSealed",
    "Outcome",
    "Overrides",
    "PatchFails",
    "Pick",
    "Recipe",
    "Reference",
    "RepositoryError",
    "SetupFailed",
    "Snapshot",
    "Task",
    "TestReport",
    "Verdict",
    "WorkingTree",
    "WorldWrong",
    "apply_patch",
    "changes_from",
    "changes_of",
    "check",
    "command_for",
    "dataset_schemas",
    "detect",
    "diff",
    "diff_changes",
    "empty_patch",
    "folder_name",
    "freeze",
    "grade",
    "grade_instance",
    "grade_twice",
    "is_plain_pytest",
    "is_test",
    "json_text",
    "languages_of",
    "not_graded",
    "patch_digest",
    "patch_warning",
    "prepare_task",
    "read_dataset",
    "read_issue",
    "read_log",
    "repository_name",
    "run_setup",
    "run_tests",
    "source_files",
    "task_id",
    "test_libraries",
    "test_machinery",
    "unfit_characters",
    "verify_sealed",
    "visible",
    "visible_line",
    "working_tree",
    "world_digest",
    "write_changes",
    "write_patch",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    # Kept, so that the next look-up is a plain one.
    found = getattr(import_module(f".{_ROOM_OF[name]}", __name__), name)
    globals()[name] = found
    return found

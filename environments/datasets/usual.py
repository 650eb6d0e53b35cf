"""Rows with the columns that SWE-bench began, and those that others added: what a file is read as by default.

Source of the columns: the dataset card of SWE-bench/SWE-bench_Verified (instance_id, repo, base_commit, patch,
test_patch, problem_statement, hints_text, created_at, version, environment_setup_commit, FAIL_TO_PASS, PASS_TO_PASS).
The others are named where they are read. A column that is not named here is let be.
"""

from __future__ import annotations

import re

from ..instance import Instance, Reference
from ..issue_text import issue_from
from .row import Row, WrongRow, shell_lines

_ID = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_ID = 500


def usual(row: Row) -> tuple[Instance, Reference]:
    """A row of SWE-bench's columns, with image, set-up and test command where it says them.

    Needed: instance_id, problem_statement, repo, base_commit. Hints are left out: they were written after the issue.
    Raises WrongRow.
    """
    instance = Instance(
        id=instance_id(row),
        issue=issue(row),
        repo=row.needed_word("repo"),
        base_commit=row.needed_word("base_commit"),
        created=row.moment("created_at"),
        version=row.text("version").strip(),
        language=language(row),
        image=row.word("image", "image_name", "docker_image"),
        workdir=row.word("workdir"),
        activate=row.text("activate"),
        python=row.word("python", "python_version"),
        setup=lines(row, "install"),
        test_command=lines(row, "test_command", "test_cmd"),
        test_format=row.word("test_format"),
        network=network(row),
        place=row.place,
    )
    return instance, reference(row)


def reference(row: Row) -> Reference:
    """The usual columns of a row's answer; lists are read whether they are lists or JSON in a text."""
    return Reference(
        id=instance_id(row),
        patch=row.text("patch"),
        test_patch=row.text("test_patch"),
        files={path: row.within("files").text(path) for path in row.mapping("files")},
        fail_to_pass=row.list("FAIL_TO_PASS", "fail_to_pass"),
        pass_to_pass=row.list("PASS_TO_PASS", "pass_to_pass"),
        unreliable=row.list("unreliable_tests"),
        eval_script=row.text("eval_script"),
        log_parser=row.word("log_parser"),
        repo=row.word("repo"),
        version=row.text("version").strip(),
    )


def instance_id(row: Row) -> str:
    """The row's id: any text without control characters, slashes too (`folder_name` makes names of ids)."""
    found = row.needed("instance_id").strip()
    if _ID.search(found) or len(found) > _LONGEST_ID:
        raise WrongRow(f"instance_id has control characters or more than {_LONGEST_ID} characters")
    return found


def issue(row: Row, *names: str) -> str:
    """The issue as text: control characters replaced, cut beyond 1 MB, never interpreted."""
    text = issue_from(row.needed(*(names or ("problem_statement",))).encode())
    if not text:
        raise WrongRow("problem_statement is empty")
    return text


def language(row: Row) -> str:
    """The row's language in lower case, "python" where it does not say."""
    return row.word("language", "repo_language").lower() or "python"


def lines(row: Row, *names: str) -> str:
    """Shell lines, given as one text or as a list of them."""
    found = next((row.values[name] for name in names if row.values.get(name) is not None), None)
    if isinstance(found, str):
        return row.text(*names).strip()
    return shell_lines(row.list(*names))


def network(row: Row) -> str:
    """ "host" only where the row has a column network that says so."""
    said = row.word("network") or "none"
    if said not in ("none", "host"):
        raise WrongRow(f"network is {said!r}: it may be none or host")
    return said

"""Rows with the columns that SWE-bench began, and those that others added: what a file is read as by default.

Source of the columns: the dataset card of SWE-bench/SWE-bench_Verified (instance_id, repo, base_commit, patch,
test_patch, problem_statement, hints_text, created_at, version, environment_setup_commit, FAIL_TO_PASS, PASS_TO_PASS);
what version 5 of the official harness reads of a row besides (github.com/SWE-bench/SWE-bench,
swebench/harness/utils.py: image, eval_script, log_parser, eval_type); `install_config` as in `install_config` below.
A column that is not named here is let be.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

from ..instance import Instance, Reference
from ..issue_text import issue_from
from .row import Row, WrongRow

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_ID = 500


def usual(row: Row) -> tuple[Instance, Reference]:
    """A row of SWE-bench's columns, with image, set-up and test command where it says them.

    Needed: instance_id, problem_statement, repo, base_commit. Hints are left out: they were written after the issue.
    Raises WrongRow.
    """
    instance = Instance(
        id=instance_id(row),
        issue=issue(row.needed("problem_statement")),
        repo=row.needed_word("repo"),
        base_commit=row.needed_word("base_commit"),
        created=row.moment("created_at"),
        version=row.label("version"),
        language=row.word("language", "repo_language").lower() or "python",
        image=row.word("image", "image_name", "docker_image"),
        workdir=row.word("workdir"),
        activate=row.text("activate"),
        python=row.label("python", "python_version"),
        setup=row.lines("install", "setup"),
        test_command=row.lines("test_command", "test_cmd"),
        test_format=row.word("test_format"),
        network=_network(row),
        place=row.place,
        notes=_notes(row),
    )
    if row.has("install_config"):
        instance = install_config(instance, row.within("install_config"))
    return instance, reference(row)


def reference(row: Row) -> Reference:
    """The usual columns of a row's answer; lists are read whether they are lists or JSON in a text."""
    return Reference(
        id=instance_id(row),
        patch=row.text("patch"),
        test_patch=row.text("test_patch"),
        files=row.files("files"),
        fail_to_pass=row.list("FAIL_TO_PASS", "fail_to_pass"),
        pass_to_pass=row.list("PASS_TO_PASS", "pass_to_pass"),
        unreliable=row.list("unreliable_tests"),
        eval_script=row.text("eval_script"),
        log_parser=row.word("log_parser") or row.within("install_config").word("log_parser"),
        repo=row.word("repo"),
        version=row.label("version"),
    )


def install_config(instance: Instance, config: Row) -> Instance:
    """The instance with what its `install_config` says of the interpreter, the installation and the tests.

    Source: github.com/SWE-rebench/SWE-bench-fork, swebench/harness/utils.py and test_spec/python.py: keys python,
    pre_install, reqs_path, pip_packages, install, test_cmd, log_parser; commands run with LANG and LC_ALL C.UTF-8.
    `packages` and `env_yml_path` are conda's and are left out, which a note says.
    """
    setup = ["set -e", config.lines("pre_install")]
    setup += [f"python -m pip install -r {shlex.quote(path)}" for path in config.list("reqs_path")]
    if packages := config.list("pip_packages"):
        setup.append("python -m pip install " + " ".join(map(shlex.quote, packages)))
    setup.append(config.lines("install"))
    notes = instance.notes
    if config.word("packages").endswith((".yml", ".yaml")) or config.has("env_yml_path"):
        notes += ("its conda environment file was left out",)
    return replace(
        instance,
        python=instance.python or config.label("python"),
        setup=instance.setup or ("\n".join(filter(None, setup)) if any(setup[1:]) else ""),
        test_command=instance.test_command or config.lines("test_cmd"),
        env={"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **instance.env},
        notes=notes,
    )


def instance_id(row: Row) -> str:
    """The row's id: any text without control characters, slashes too (`folder_name` makes names of ids)."""
    found = row.needed("instance_id").strip()
    if _CONTROL.search(found) or len(found) > _LONGEST_ID:
        raise WrongRow(f"instance_id has control characters or more than {_LONGEST_ID} characters")
    return found


def issue(text: str) -> str:
    """The issue as text: control characters replaced, cut beyond 1 MB, never interpreted."""
    found = issue_from(text.encode())
    if not found:
        raise WrongRow("problem_statement is empty")
    return found


def _network(row: Row) -> str:
    said = row.word("network") or "none"
    if said not in ("none", "host"):
        raise WrongRow(f"network is {said!r}: it may be none or host")
    return said


def _notes(row: Row) -> tuple[str, ...]:
    if row.word("eval_type") == "fail_only":
        return ("the official harness judges it by failing tests alone (eval_type fail_only)",)
    return ()

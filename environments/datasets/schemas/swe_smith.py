"""SWE-smith: bugs put into working projects. Source: github.com/SWE-bench/SWE-smith: docs/guides/harnesses.md (columns:
`patch` makes the bug; a branch named by the instance id has it applied), swesmith/harness (the reference is the patch
reversed; /testbed, conda's testbed; pytest with the files of FAIL_TO_PASS), swesmith/constants.py (its options).
"""

from __future__ import annotations

import shlex
from dataclasses import replace

from ...instance import Instance, Reference
from ..row import Row, WrongRow
from ..usual import usual
from .reversing import reversed_patch
from .swe_bench import CONDA, WORKDIR

_PYTEST = "pytest --disable-warnings --color=no --tb=no --verbose"


def recognises(row: Row) -> bool:
    """Whether a row is one of this dataset: its repository is one of SWE-smith's copies."""
    repo, image = row.values.get("repo"), row.values.get("image_name")
    return str(repo).startswith("swesmith/") or "swesmith." in str(image)


def swe_smith_row(row: Row) -> tuple[Instance, Reference]:
    """A row of SWE-smith. The base is the branch with the bug; the reference takes the bug out again."""
    row.needed("image_name")
    branch = (
        row.values
        if row.has("base_commit")
        else {**row.values, "base_commit": row.needed_word("instance_id")}
    )
    instance, reference = usual(Row(row.place, branch))
    files = dict.fromkeys(
        name.partition("::")[0] for name in (*reference.fail_to_pass, *reference.pass_to_pass)
    )
    try:
        fix = reversed_patch(reference.patch)
    except ValueError as error:
        raise WrongRow(f"patch cannot be reversed: {error}") from None
    return (
        replace(
            instance,
            workdir=WORKDIR,
            activate=CONDA,
            test_command=_PYTEST,
            test_format="pytest",
            history=False,  # the commit before the one with the bug is the answer
        ),
        replace(
            reference,
            patch=fix,
            # The official harness runs the files of FAIL_TO_PASS and takes a test that has no result for passed.
            # Here a missing result is a failure, so the files of both lists are run.
            test_command=" ".join([_PYTEST, *map(shlex.quote, files)]) if files else "",
            test_format="pytest",
        ),
    )

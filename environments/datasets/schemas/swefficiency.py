"""SWE-fficiency: make a workload faster and break nothing. Source: github.com/swefficiency/swefficiency: README.md (the
task, its Hugging Face id), scripts/annotate/curate/upload_to_huggingface.py (columns),
swefficiency/harness/test_spec.py (/testbed, conda's testbed, the test command followed by covering_tests).

Winnow grades that nothing breaks. The speed-up, which is the dataset's own measure, it does not measure.
"""

from __future__ import annotations

import shlex
from dataclasses import replace

from ...instance import Instance, Reference
from ..row import Row
from ..usual import issue, usual
from .swe_bench import CONDA, WORKDIR

_TASK = """\
Make this workload run faster, without changing what the code does: the existing tests must still pass. Change the
library, not the workload.

{workload}
"""


def recognises(row: Row) -> bool:
    """Whether a row has columns that only this dataset has."""
    return row.has("workload") and row.has("covering_tests")


def swefficiency_row(row: Row) -> tuple[Instance, Reference]:
    """A row of SWE-fficiency: the issue is its workload; the statement of the pull request would tell the answer."""
    workload = row.needed("workload")
    instance, reference = usual(Row(row.place, {**row.values, "problem_statement": workload}))
    rebuild, command = row.lines("rebuild_cmd"), row.lines("test_cmd")
    tests = " ".join(map(shlex.quote, row.list("covering_tests")))
    # What is compiled must be built again with the patch; as in the harness, tests run even where that fails.
    graded = "\n".join(filter(None, (rebuild, f"{command} {tests}")))
    return (
        replace(
            instance,
            issue=issue(_TASK.format(workload=workload)),
            workdir=WORKDIR,
            activate=CONDA,
            setup=rebuild,
            notes=(*instance.notes, "its speed-up is not measured"),
        ),
        replace(reference, test_command=graded if command and tests else ""),
    )

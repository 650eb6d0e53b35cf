"""SWE-bench Pro. Source: github.com/scaleapi/SWE-bench_Pro-os: README.md (dockerhub_tag; the images are
jefzda/sweap-images:TAG), helper_code/create_problem_statement.py (the issue has three columns),
swe_bench_pro_eval.py (/app, before_repo_set_cmd, selected_test_files_to_run).

The scripts by which its tests are run and read lie in that repository, by instance, and are not in the rows.
"""

from __future__ import annotations

from dataclasses import replace

from ...instance import Instance, Reference
from ..row import Row, WrongRow
from ..usual import issue, usual

_IMAGES = "jefzda/sweap-images"


def recognises(row: Row) -> bool:
    """Whether a row has columns that only this dataset has."""
    return row.has("dockerhub_tag") and row.has("before_repo_set_cmd")


def pro_row(row: Row) -> tuple[Instance, Reference]:
    """A row of SWE-bench Pro: the issue is the statement with its requirements and new interfaces."""
    instance, reference = usual(row)
    parts = [instance.issue]
    if row.text("requirements").strip():
        parts.append(f"Requirements:\n{row.text('requirements').strip()}")
    if row.text("interface").strip():
        parts.append(f"New interfaces introduced:\n{row.text('interface').strip()}")
    tag = row.word("dockerhub_tag")
    if not tag and not instance.image:
        raise WrongRow("column dockerhub_tag is missing or empty")
    return (
        replace(
            instance,
            issue=issue("\n\n".join(parts)),
            image=instance.image or f"{_IMAGES}:{tag}",
            workdir="/app",
            notes=(*instance.notes, "how its tests are run is not in the row"),
        ),
        reference,
    )

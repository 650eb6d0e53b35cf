"""What a dataset says of an issue, in two halves: what attempts may know, and the reference that only grading reads.

Rows are split where they are read (SAFETY 3). `Reference` is behind a door of its own: agent/ and selection/ must not
import it, which a contract in pyproject.toml keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Instance:
    """One row of a dataset without its answer. Empty strings: the row does not say.

    id: the instance id, unique in its dataset. repo: as the row names it ("owner/name", a URL, a path).
    created: ISO 8601, when the issue's fix was proposed: dependencies are resolved as of then (or as of the commit's
    date where it is missing). version: of the project, as the official harness has it. language: lower case.
    image: the image that has its world, by the row or by the dataset's own naming. workdir: where that image has the
    repository. activate: a shell line run before any command there (a conda environment).
    python: wanted version of the interpreter ("3.9"). setup: shell lines that install the project, run once with
    network. test_command, test_format: as in `Recipe`, where the row says how existing tests are run.
    network: "host" only where the row says that its tests need it.
    history: False where the commits before the base hold the answer (a bug put into working code): they are left out.
    place: file and line that it was read from, for sentences about it. notes: what was assumed in reading it.
    """

    id: str
    issue: str
    repo: str
    base_commit: str
    created: str = ""
    version: str = ""
    language: str = "python"
    image: str = ""
    workdir: str = ""
    activate: str = ""
    python: str = ""
    setup: str = ""
    test_command: str = ""
    test_format: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    network: str = "none"
    history: bool = True
    place: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """A row's answer: what a right patch must achieve, and one that does.

    patch, test_patch: diffs. files: hidden test files that the row has whole, by path relative to the repository.
    fail_to_pass, pass_to_pass: tests that must pass. unreliable: names that are left out, since they fail with the
    reference patch too. test_command: a shell line that runs the hidden tests; empty: the files that the test patch
    touches are run as the recipe says. test_format: how to read what it prints, "" for the recipe's.
    eval_script: a whole shell script instead, as some datasets have it. log_parser: the dataset's own name for how its
    output is read. repo, version: for the official harness, which looks its commands up by them.
    """

    id: str
    patch: str = ""
    test_patch: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    fail_to_pass: tuple[str, ...] = ()
    pass_to_pass: tuple[str, ...] = ()
    unreliable: tuple[str, ...] = ()
    test_command: str = ""
    test_format: str = ""
    eval_script: str = ""
    log_parser: str = ""
    repo: str = ""
    version: str = ""

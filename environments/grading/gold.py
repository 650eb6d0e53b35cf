"""What a right patch must achieve, made from a dataset's row: hidden files, named tests, how they are run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..blobs import BlobsTooLarge, read_blobs
from ..instance import Reference
from ..patch_limits import LARGEST_RESULT
from ..patches import Change, PatchFails, changes_of
from ..repository import head_entries
from ..sources import is_test
from ..task import Task

_NO_TESTS = frozenset({"conftest.py", "__init__.py"})


class CannotGrade(Exception):
    """The row cannot be graded, whatever the patch is. The message is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Gold:
    """What a right patch must achieve. No task, prompt or attempt holds one.

    files: hidden test files by path relative to the repository, content None where one is to be deleted.
    fail_to_pass, pass_to_pass: names of tests that must pass. test_command, test_format: how to run them; None: the
    recipe's, on the files in `run`, or on all the hidden files where that is empty.
    script: a shell script instead; a row's own puts the hidden tests in place itself, `files` are as they were before.
    log_parser, repo, version: how the official harness reads what the script prints.
    """

    files: Mapping[str, Change]
    fail_to_pass: tuple[str, ...]
    pass_to_pass: tuple[str, ...] = ()
    test_command: str | None = None
    test_format: str | None = None
    run: tuple[str, ...] = ()
    script: str = ""
    log_parser: str = ""
    repo: str = ""
    version: str = ""

    def named(self) -> tuple[str, ...]:
        """Every test that must pass, those that fail on the unfixed code first."""
        return (*self.fail_to_pass, *self.pass_to_pass)

    def to_run(self) -> tuple[str, ...]:
        """The files whose tests are run where the command takes files."""
        there = tuple(path for path, change in self.files.items() if change.content is not None)
        return self.run or tuple(path for path in there if PurePosixPath(path).name not in _NO_TESTS)


def gold_of(task: Task, reference: Reference, official: str = "") -> Gold:
    """The row's reference as what is run against a candidate in this task's world; its own patch is not looked at.

    official: a script that runs its tests where the row says nothing of how they are run.
    Raises CannotGrade: the test patch does not apply, no test is named, nothing says how tests are run.
    """
    files = _hidden_files(task, reference)
    left_out = frozenset(reference.unreliable)
    wanted = tuple(name for name in reference.fail_to_pass if name not in left_out)
    kept = tuple(name for name in reference.pass_to_pass if name not in left_out)
    if not wanted and not kept:
        raise CannotGrade(f"{reference.id} names no test that is to pass: nothing can be proved")
    command = reference.test_command or None
    if reference.eval_script or (official and not command):
        return Gold(
            files={path: _before(task, path) for path in files} if reference.eval_script else files,
            fail_to_pass=wanted,
            pass_to_pass=kept,
            test_format=reference.test_format or None,
            script=reference.eval_script or official,
            log_parser=reference.log_parser,
            repo=reference.repo,
            version=reference.version,
        )
    if command is None and task.recipe.test_command is None:
        raise CannotGrade(
            f"nothing says how the tests of {reference.id} are run: give its recipe a test command"
        )
    run = () if command else _files_to_run(task, files, (*wanted, *kept))
    return Gold(files, wanted, kept, command, reference.test_format or None, run)


def _hidden_files(task: Task, reference: Reference) -> dict[str, Change]:
    try:
        files = changes_of(task.snapshot.tree, reference.test_patch)
    except PatchFails as error:
        raise CannotGrade(
            f"the test patch of {reference.id} does not apply to its base commit: {error}"
        ) from None
    whole = {path: Change(text.encode("utf-8", "surrogateescape")) for path, text in reference.files.items()}
    return {**files, **whole}


def _before(task: Task, path: str) -> Change:
    """A file as the base commit has it."""
    entry = head_entries(task.snapshot.tree).get(path)
    if entry is None:
        return Change(None)
    try:
        content = read_blobs([entry[1]], task.snapshot.tree / ".git", limit=LARGEST_RESULT)[entry[1]]
    except BlobsTooLarge:
        raise CannotGrade(f"{path} of the base commit has more than {LARGEST_RESULT >> 20} MB") from None
    return Change(
        content,
        0o755 if entry[0] == "100755" else 0o644,
    )


def _files_to_run(task: Task, files: Mapping[str, Change], names: tuple[str, ...]) -> tuple[str, ...]:
    """The hidden files that look like tests, then those that named tests are said to be in ("path::test")."""
    there = [path for path, change in files.items() if change.content is not None]
    code = [path for path in there if PurePosixPath(path).name not in _NO_TESTS and _is_code(path)]
    tests = [path for path in code if is_test(path)] or code
    known = {*there, *task.snapshot.files()}
    said = [path for name in names if (path := name.partition("::")[0]) != name and path in known]
    return tuple(dict.fromkeys((*tests, *said)))


def _is_code(path: str) -> bool:
    """Whether a runner could take the file: not a fixture or a text beside the tests."""
    return PurePosixPath(path).suffix.lower() not in _DATA


_DATA = frozenset(
    ".txt .md .rst .json .yml .yaml .toml .cfg .ini .csv .tsv .xml .html .htm .css .svg .png .jpg .jpeg .gif .pdf .pkl "
    ".npy .npz .fits .gz .zip .tar .po .pot .mo .snap .lock .sql .gpkg .dat .bin .ico .woff .ttf .pem .crt .key".split()
)

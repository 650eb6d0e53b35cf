"""A candidate's grade, from real test runs in real sandboxes: each verdict, each part of a row that decides it."""

import os
import signal
from dataclasses import replace

import pytest
from small_project import HIDDEN, MODULE, RIGHT, RUNNERS, SOURCE, TESTS
from waiting import PATIENCE

from environments import grade_instance, patch_digest

pytestmark = pytest.mark.overlay


@pytest.mark.parametrize("runner", RUNNERS)
async def test_the_reference_resolves_and_the_unfixed_code_does_not(projects, prepared, runner):
    project = projects[runner]
    async with prepared(project.task) as base:
        right = await grade_instance(
            base, project.task, project.reference, project.reference.patch, dataset="d"
        )
        unfixed = await grade_instance(base, project.task, project.reference, "")
    assert right.verdict == "resolved" and right.resolved and right.reason == "" and right.exit_code == 0
    assert set(right.fail_to_pass.values()) == set(right.pass_to_pass.values()) == {"passed"}
    assert list(right.fail_to_pass) == list(project.reference.fail_to_pass)
    assert right.patch == patch_digest(project.reference.patch) and right.dataset == "d"
    assert right.without_machinery.resolved and not right.differs and right.machinery == ()
    assert unfixed.verdict == "not resolved" and set(unfixed.fail_to_pass.values()) == {"failed"}
    assert (
        set(unfixed.pass_to_pass.values()) == {"passed"}
        and unfixed.exit_code == 1
        and "test_double" in unfixed.log
    )


@pytest.mark.parametrize(
    ("changed", "verdict", "reason"),
    [
        ({"pkg.py": SOURCE.replace("+ 1", "+ (x == 4) * 0 + (x == 0)")}, "partially", "1 named test"),
        ({"pkg.py": RIGHT.replace(".upper", ".lower")}, "broken", "do not pass"),
        ({"pkg.py": RIGHT + "\nraise SystemExit(0)\n"}, "broken", ""),
        ({"pkg.py": RIGHT.replace("x // 2", "exec('while True: pass')")}, "broken", "in time"),
        ({"pkg.py": None}, "broken", ""),
        ({MODULE: None, "pkg.py": RIGHT}, "resolved", ""),
        ({MODULE: "def test_double(): pass\n", "pkg.py": RIGHT}, "resolved", ""),
    ],
)
async def test_verdicts(project, prepared, changed, verdict, reason):
    timeout = 5 if reason == "in time" else PATIENCE
    async with prepared(project.task) as base:
        patch = project.diff(changed)
        grade = await grade_instance(base, project.task, project.reference, patch, timeout=timeout)
    assert grade.verdict == verdict and reason in grade.reason, grade
    assert grade.resolved == (verdict == "resolved")


async def test_names_that_do_not_count_and_names_that_are_missing(project, prepared):
    reference = project.reference
    first, second = reference.fail_to_pass
    async with prepared(project.task) as base:
        half = project.diff({"pkg.py": SOURCE.replace("+ 1", "+ (x == 0)")})
        assert not (await grade_instance(base, project.task, reference, half)).resolved
        left_out = replace(reference, unreliable=(second,))
        grade = await grade_instance(base, project.task, left_out, half)
        assert grade.resolved and list(grade.fail_to_pass) == [first]
        more = replace(reference, pass_to_pass=(*reference.pass_to_pass, f"{MODULE}::Numbers::test_gone"))
        grade = await grade_instance(base, project.task, more, reference.patch)
        assert grade.verdict == "broken" and grade.pass_to_pass[f"{MODULE}::Numbers::test_gone"] == "missing"


async def test_what_cannot_be_graded_is_nobodys_fault(project, prepared):
    wrong = project.reference.test_patch.replace("assertEqual(shout", "assertNotEqual(shout")
    reference = project.reference
    rows = {
        "does not apply": replace(reference, test_patch=wrong),
        "names no test": replace(reference, fail_to_pass=(), pass_to_pass=()),
        "names no test that": replace(
            reference, unreliable=(*reference.fail_to_pass, *reference.pass_to_pass)
        ),
    }
    async with prepared(project.task) as base:
        for words, row in rows.items():
            grade = await grade_instance(base, project.task, row, reference.patch)
            assert grade.verdict == "could not be graded" and words in grade.reason
        none = replace(project.task, recipe=replace(project.task.recipe, test_command=None))
        grade = await grade_instance(base, none, reference, reference.patch)
        assert grade.verdict == "could not be graded" and "how the tests" in grade.reason


LINK = "diff --git a/{0} b/{0}\nnew file mode 120000\n--- /dev/null\n+++ b/{0}\n@@ -0,0 +1 @@\n+/etc/passwd\n"


@pytest.mark.parametrize(
    "patch",
    [
        "not a diff at all",
        "--- a/none.py\n+++ b/none.py\n@@ -1 +1 @@\n-a\n+b\n",
        LINK.format("tests/link.py"),
        LINK.format(".git/hooks/post-checkout"),
        LINK.format("x")
        .replace("120000", "100644")
        .replace("b/x", "b/.git/config")
        .replace("a/x", "a/.git/config"),
        LINK.format("x").replace("120000", "100644").replace("b/x", "b/../x").replace("a/x", "a/../x"),
    ],
)
async def test_patches_that_do_not_apply(project, prepared, patch):
    async with prepared(project.task) as base:
        grade = await grade_instance(base, project.task, project.reference, patch)
    assert grade.verdict == "did not apply" and not grade.resolved and grade.fail_to_pass == {}


async def test_hidden_files_go_where_they_belong_whatever_is_in_their_way(project, prepared):
    """Folders in a file's place, a file in a folder's place, and a row that has its files whole."""
    hidden = {MODULE: HIDDEN, "tests/deep/er/data.txt": "data\n"}
    row = replace(project.reference, test_patch=project.diff(hidden), files={"tests/extra.txt": "more\n"})
    ways = [
        {f"{MODULE}/__init__.py": "def test_double(): pass\n", MODULE: None},
        {"tests/deep": "a file where a folder belongs\n"},
        {"tests/deep/er": "another\n"},
        {"tests/deep/er/data.txt/x": "a folder\n", "tests/extra.txt": "other\n"},
    ]
    async with prepared(project.task) as base:
        for changed in ways:
            patch = project.reference.patch + _made(changed)
            grade = await grade_instance(base, project.task, row, patch)
            assert grade.resolved, (changed, grade.reason)


def _made(changed):
    """New files as a patch (our own `diff` refuses the odd ones)."""
    parts = []
    for path, text in changed.items():
        if text is not None:
            body = "".join(f"+{line}\n" for line in text.splitlines())
            head = f"diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n"
            parts.append(head + f"@@ -0,0 +1,{len(text.splitlines())} @@\n{body}")
        else:
            parts.append(_deleted(path))
    return "".join(sorted(parts, key=lambda part: "deleted" not in part))


def _deleted(path):
    body = "".join(f"-{line}\n" for line in TESTS.splitlines())
    head = f"diff --git a/{path} b/{path}\ndeleted file mode 100644\n--- a/{path}\n+++ /dev/null\n"
    return head + f"@@ -1,{len(TESTS.splitlines())} +0,0 @@\n{body}"


class Counted:
    """Copies of a world that can tell how many there were before them, or that die."""

    def __init__(self, base, deaths=0):
        self.base, self.deaths, self.made = base, deaths, 0

    async def copy(self, name):
        sandbox = await self.base.copy(name)
        await sandbox.write("/tmp/copies-before", str(self.made).encode())
        self.made += 1
        if self.made <= self.deaths:
            os.kill(sandbox.pid, signal.SIGKILL)
        return sandbox


async def test_flaky_tests_are_named_and_the_first_run_decides(projects, prepared):
    project = projects["unittest"]
    moody = HIDDEN.replace("double(0), 0)", "open('/tmp/copies-before').read(), '0')")
    row = replace(project.reference, test_patch=project.diff({MODULE: moody}))
    async with prepared(project.task) as base:
        grade = await grade_instance(Counted(base), project.task, row, row.patch, repeats=3)
        steady = await grade_instance(base, project.task, project.reference, row.patch, repeats=2)
    assert grade.resolved and grade.flaky == (project.reference.fail_to_pass[1],) and grade.repeats == 3
    assert steady.resolved and steady.flaky == () and steady.repeats == 2


async def test_a_sandbox_that_dies_is_tried_once_more(projects, prepared):
    project = projects["unittest"]
    async with prepared(project.task) as base:
        once = await grade_instance(
            Counted(base, deaths=1), project.task, project.reference, project.reference.patch
        )
        twice = await grade_instance(
            Counted(base, deaths=2), project.task, project.reference, project.reference.patch
        )
    assert once.resolved
    assert twice.verdict == "broken" and "end the sandbox" in twice.reason
    assert set(twice.fail_to_pass.values()) == {"missing"}

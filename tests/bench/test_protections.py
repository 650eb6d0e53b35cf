"""`bench.protections` on a small checkout of its own: what it says of removals that are noticed, and of others."""

import subprocess
import sys
import textwrap

import pytest

from bench.protections import ROOT, main
from bench.removal import apply, removal
from bench.removal_trial import copied
from bench.removals import REMOVALS

TESTS = "tests/test_door.py"
FILES = {
    "door.py": """
        LOCKED = True
        class Door:
            def open(self):
                if LOCKED:
                    raise PermissionError
        def other():
            locked = True
            return "locked = True"
        """,
    "child.py": """
        import door
        try:
            door.Door().open()
            print("open")
        except PermissionError:
            print("locked")
        """,
    TESTS: """
        import subprocess, sys, pytest, door
        def test_it_is_locked():
            with pytest.raises(PermissionError):
                door.Door().open()
        @pytest.mark.skip(reason="not here")
        def test_elsewhere():
            pass
        """,
    "tests/test_child.py": """
        import subprocess, sys
        def test_it_is_locked_for_a_child_too():
            done = subprocess.run([sys.executable, "-m", "child"], capture_output=True, text=True)
            assert done.stdout == "locked\\n"
        """,
}
LOCK = ("door", "Door.open", "if LOCKED:", "if False:")
REAL = removal("lock", TESTS, LOCK)


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / "checkout"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(textwrap.dedent(text))
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


def run(capsys, checkout, *removals, words=()):
    """-> (exit code, the line of each removal)"""
    code = main(words, removals, checkout)
    lines = capsys.readouterr().out.splitlines()
    assert (checkout / "door.py").read_text() == textwrap.dedent(FILES["door.py"]), (
        "the checkout is never changed"
    )
    return code, lines


def test_a_removal_that_a_test_notices(capsys, checkout):
    code, lines = run(capsys, checkout, REAL)
    assert code == 0 and lines[0].startswith(f"lock: noticed by {TESTS}::test_it_is_locked")
    assert lines[-1] == "1 of 1 removals were noticed"


def test_one_that_only_a_child_process_can_notice(capsys, checkout):
    """Its code is the copy's too, whatever is installed."""
    code, lines = run(capsys, checkout, removal("child", "tests/test_child.py", LOCK))
    assert code == 0 and "test_it_is_locked_for_a_child_too" in lines[0]


def test_one_that_nothing_notices(capsys, checkout):
    unnoticed = removal("other", TESTS, ("door", "other", "locked = True\n", "locked = False\n"))
    code, lines = run(capsys, checkout, REAL, unnoticed)
    assert code == 1 and "noticed by" in lines[0] and lines[1].startswith("other: NOT NOTICED")
    assert lines[-1] == "1 of 2 removals were noticed, 1 were not"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("door", "Door.open", "if UNLOCKED:", "if False:"), "is 0 times in door.Door.open"),
        (("door", "other", "locked = True", ""), "is 2 times in door.other"),
        (("door", "Door.close", "if LOCKED:", "if False:"), "0 things called Door.close"),
        (("gate", "Gate", "x", "y"), "no module gate"),
        (("door", "Door.open", "if LOCKED:", "if :"), "is no Python"),
        (("door", "Door.open", "if LOCKED:", "if gone:"), "NameError"),
    ],
)
def test_one_that_does_not_apply_or_only_breaks_the_code_is_an_error(capsys, checkout, edit, words):
    code, lines = run(capsys, checkout, removal("wrong", TESTS, edit))
    assert code == 1 and lines[0].startswith("wrong: ERROR") and words in lines[0]


def test_tests_that_are_skipped_notice_nothing(capsys, checkout):
    code, lines = run(capsys, checkout, removal("skipped", f"{TESTS}::test_elsewhere", LOCK))
    assert code == 1 and lines[0].startswith("skipped: NOT TRIED")


def test_tests_that_fail_without_a_removal_prove_nothing(capsys, checkout):
    (checkout / "tests/test_wrong.py").write_text("def test_wrong():\n    assert False\n")
    code, lines = run(capsys, checkout, removal("lock", "tests/test_wrong.py", LOCK))
    assert code == 1 and lines[0].startswith("without any removal the tests do not pass")


def test_each_removal_of_winnows_own_applies_and_names_tests_that_are_there():
    """It takes seconds; whether each is noticed takes some forty minutes."""
    assert len({one.name for one in REMOVALS}) == len(REMOVALS)
    with copied(ROOT) as copy:
        for one in REMOVALS:
            for test in one.tests:
                file, _, name = test.partition("::")
                assert name.partition("[")[0] in (ROOT / file).read_text(), test
            files = {copy / f"{edit.module.replace('.', '/')}.py" for edit in one.edits}
            before = {file: file.read_text() for file in files}
            for edit in one.edits:
                apply(edit, copy)
            for file, text in before.items():
                file.write_text(text)


def test_the_command_lists_them():
    done = subprocess.run(
        [sys.executable, "-m", "bench.protections", "--list", "--only", "lazy fetch"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stdout.startswith("git: lazy fetch: tests/")

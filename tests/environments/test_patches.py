"""Patches: what diff writes git applies; what others write is applied or refused with a reason (SAFETY 9, 20)."""

import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments import Change, PatchFails, apply_patch, changes_from, changes_of, diff, freeze

FILES = {
    "a.py": "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n",
    "crlf.txt": "one\r\ntwo\r\nthree\r\nfour\r\n",
    "no_end.txt": "one\ntwo",
    "latin.txt": b"caf\xe9\nbar\n",
    "sub dir/ü\"'.txt": "x\n",
    "run.sh": "#!/bin/sh\n",
    "empty.txt": "",
}


@pytest.fixture(scope="module")
def tree(repo_at, tmp_path_factory):
    repo = repo_at(tmp_path_factory.mktemp("patches") / "project")
    repo.write(FILES)
    (repo.folder / "run.sh").chmod(0o755)
    (repo.folder / "link").symlink_to("a.py")
    (repo.folder / "folder").symlink_to("sub dir")
    repo.commit()
    return freeze(repo.folder, tmp_path_factory.mktemp("frozen") / "tree").tree


def applied_by_git(tree, patch, folder):
    """The patch applied in a clone, by git in its default ways, as a user would."""
    subprocess.run(["git", "clone", "-q", str(tree), str(folder)], check=True)
    command = ["git", "apply", "--whitespace=nowarn", "-"]
    subprocess.run(command, cwd=folder, input=patch.encode(), check=True)
    return folder


@pytest.mark.parametrize(
    "changed",
    [
        {"a.py": FILES["a.py"].replace("five", "FIVE")},
        {"a.py": None},
        {"new/deep/file.py": "x = 1\n"},
        {"no_end.txt": "one\ntwo\n"},
        {"no_end.txt": "one\nTWO"},
        {"a.py": "no newline"},
        {"crlf.txt": "one\r\nTWO\r\nthree\r\nfour\r\n"},
        {"crlf.txt": "one\ntwo\nthree\nfour\n"},
        {"latin.txt": None},
        {"latin.txt": "café\nbar\n"},
        {"latin.txt": None, "a.py": "a\0b\n"},
        {"sub dir/ü\"'.txt": "y\n", "with space.py": "1\n", "new\nline": "2\n", "tab\there": "3\n"},
        {os.fsdecode(b"caf\xe9.py"): "bytes in the name\n"},
        {"run.sh": "#!/bin/sh\necho\n"},
        {"empty.txt": "full\n", "a.py": ""},
        {"empty.txt": None},
        {"latin.txt": "ü\udcff\n"},
    ],
)
def test_git_applies_what_diff_writes(tree, tmp_path, changed):
    patch = diff(tree, changed)
    patch.encode("utf-8")  # always plain text
    clone = applied_by_git(tree, patch, tmp_path / "clone")
    wanted = changes_from(tree, changed)
    for path, change in wanted.items():
        there = clone / path
        assert (there.read_bytes() if there.exists() else None) == change.content
    assert os.access(clone / "run.sh", os.X_OK)
    assert changes_of(tree, patch) == wanted


LINES = ["a", "", " x", "\tx", "-- q", "++ q", "@@ -1 +1 @@", "diff --git a/x b/x", "\\ No", "é", "x\r"]
lines = st.lists(st.sampled_from(LINES))
texts = st.tuples(lines, st.booleans()).map(
    lambda made: "\n".join(made[0]) + ("\n" if made[1] and made[0] else "")
)


@settings(max_examples=20)
@given(
    st.dictionaries(
        st.sampled_from(["a.py", "crlf.txt", "no_end.txt", "new.txt", "d/new.txt"]), texts, min_size=1
    )
)
def test_whatever_the_texts_diff_and_apply_agree(tree, changed):
    wanted = {path: text.encode() for path, text in changed.items() if FILES.get(path) != text}
    assert apply_patch(tree, diff(tree, changed)) == wanted


def test_nothing_changed_is_an_empty_patch(tree):
    assert diff(tree, {"a.py": FILES["a.py"]}) == "" == diff(tree, {})
    assert apply_patch(tree, "") == {} == apply_patch(tree, " \n\n")


def test_the_tree_is_not_touched(tree):
    before = {path: path.stat().st_mtime_ns for path in tree.rglob("*")}
    changes_of(tree, diff(tree, {"a.py": "x", "b.py": "y", "run.sh": None}))
    assert {path: path.stat().st_mtime_ns for path in tree.rglob("*")} == before


@pytest.mark.parametrize(
    "path",
    ["../x", "/etc/passwd", ".git/config", "sub/.GIT/hooks/x", "a.py/x", "folder/x", "link", "", ".", "a//b", "a/./b",
     "x/../y", "sub dir", "nul\0"],
)  # fmt: skip
def test_paths_that_are_not_the_repositorys_are_refused(tree, path):
    with pytest.raises(PatchFails):
        diff(tree, {path: "x"})


def test_deleting_what_is_not_there_is_refused(tree):
    with pytest.raises(PatchFails, match="does not exist"):
        diff(tree, {"nothing.py": None})


def new_file(path, mode="100644", body="+x\n"):
    return f"diff --git a/{path} b/{path}\nnew file mode {mode}\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n{body}"


GOOD = "--- a/a.py\n+++ b/a.py\n@@ -4,3 +4,3 @@\n four\n-five\n+FIVE\n six\n"


@pytest.mark.parametrize(
    ("patch", "reason"),
    [
        ("hello, here is the fix", "no diff"),
        (new_file("../x"), "x"),
        (new_file(".git/hooks/post-checkout"), "hooks"),
        (new_file("sub/.git/config"), ".git"),
        (new_file("folder/x"), "symbolic link|no folder"),
        (new_file("l", "120000", "+/etc/passwd\n\\ No newline at end of file\n"), "makes a link"),
        (new_file("m", "160000", "+Subproject commit " + "1" * 40 + "\n"), "makes a submodule"),
        (new_file("a.py"), "already exists"),
        ("--- a/link\n+++ b/link\n@@ -1 +1 @@\n-a.py\n\\ No newline at end of file\n+/etc/passwd\n"
         "\\ No newline at end of file\n", "changes a link"),
        ("--- a/none.py\n+++ b/none.py\n@@ -1 +1 @@\n-a\n+b\n", "does not exist"),
        (GOOD.replace(" four", " vier"), "a.py:4"),
        (GOOD[:-10], "corrupt"),
        ("diff --git a/b.bin b/b.bin\nnew file mode 100644\nBinary files /dev/null and b/b.bin differ\n", "binary"),
        ("\0\1\2", "no diff"),
        ("--- a/a.py\n+++ b/a.py\n@@ -1,1 +1,99999999999999999999 @@\n-x\n", "a.py|corrupt"),
    ],
)  # fmt: skip
def test_patches_that_cannot_be_made_are_refused_with_a_reason(tree, patch, reason):
    with pytest.raises(PatchFails, match=reason) as told:
        apply_patch(tree, patch)
    assert str(told.value) and "\n" not in str(told.value)


WANTED = {"a.py": FILES["a.py"].replace("five", "FIVE").encode()}


@pytest.mark.parametrize(
    "patch",
    [
        GOOD,
        GOOD.rstrip("\n"),
        GOOD.replace("a/a.py", "a.py").replace("b/a.py", "a.py"),
        "diff --git a.py a.py\n" + GOOD.replace("a/a.py", "a.py").replace("b/a.py", "a.py"),
        GOOD.replace("a/a.py", "old/a.py").replace("b/a.py", "new/a.py"),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("-4,3 +4,3", "-4,9 +4,1"),
        GOOD.replace("-4,3 +4,3", "-1,3 +1,3"),
        "Here is my patch:\n\n" + GOOD,
        "From 123 Mon Sep 17\nSubject: x\n\n---\n a.py | 2 +-\n\n" + GOOD + "-- \n2.39.5\n",
        GOOD.replace("a.py", "a.py\t2024-01-01 00:00:00"),
    ],
)
def test_patches_from_elsewhere(tree, patch):
    assert apply_patch(tree, patch) == WANTED


def test_a_patch_with_plain_ends_changes_a_file_with_windows_ends(tree):
    patch = "--- a/crlf.txt\n+++ b/crlf.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n"
    assert apply_patch(tree, patch) == {"crlf.txt": b"one\r\nTWO\r\nthree\r\nfour\r\n"}
    both = GOOD + patch
    assert apply_patch(tree, both) == {**WANTED, "crlf.txt": b"one\r\nTWO\r\nthree\r\nfour\r\n"}


def test_renames_modes_and_binaries_come_through(tree):
    rename = "diff --git a/a.py b/b.py\nsimilarity index 100%\nrename from a.py\nrename to b.py\n"
    assert apply_patch(tree, rename) == {"a.py": None, "b.py": FILES["a.py"].encode()}
    mode = "diff --git a/a.py b/a.py\nold mode 100644\nnew mode 100755\n"
    assert changes_of(tree, mode) == {"a.py": Change(FILES["a.py"].encode(), 0o755)}
    assert changes_of(tree, new_file("x.sh", "100755")) == {"x.sh": Change(b"x\n", 0o755)}
    binary = diff(tree, {"image.bin": "\0\1\2" * 50})
    assert "GIT binary patch" in binary and apply_patch(tree, binary) == {"image.bin": b"\0\1\2" * 50}

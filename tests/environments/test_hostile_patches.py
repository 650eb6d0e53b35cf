"""Patches of some kilobytes that make gigabytes, or take hours: refused in a sentence, within a bound on memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile_patches import PATCHES, copied, repository, zeros
from peak import peak

from environments import PatchFails, apply_patch, diff
from environments.safe_git import git

OURS, GITS = 200, 560
"""MB that Winnow itself, and a git, take at most."""
TAKEN = {"many hunks", "hunks in the wrong order", "lines without an end"}
"""Those that apply: they are large, not hostile."""
REASONS = {
    "zeros": "makes files of more than 64 MB",
    "few zeros that are said to be many": "makes files of more than 64 MB",
    "zeros in many files": "makes files of more than 64 MB",
    "zeros in a few files": "makes files of more than 64 MB",
    "a delta": "makes files of more than 64 MB",
    "deltas in a row": "makes files of more than 64 MB",
    "copies of a large file": "makes files of more than 64 MB",
    "copies of a file": "changes more than 10,000 files",
    "empty files": "changes more than 10,000 files",
    "deep folders": "too long",
}

_SETUP = """
sys.path.insert(0, {folder!r})
from pathlib import Path
from hostile_patches import PATCHES
from environments import PatchFails, changes_of
patch = PATCHES[{name!r}]()
"""
_CODE = """
try:
    result = f"{{len(changes_of(Path({tree!r}), patch))}} files"
except PatchFails as error:
    result = f"refused: {{error}}"
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return repository(tmp_path_factory.mktemp("hostile"))


@pytest.mark.parametrize("name", PATCHES)
def test_memory_for_a_patch_is_bounded(tree, name):
    setup = _SETUP.format(folder=str(Path(__file__).parents[1] / "support"), name=name)
    said, ours, gits = peak(setup, _CODE.format(tree=str(tree)))
    assert ours < OURS and gits < GITS
    assert said.startswith("refused: ") == (name not in TAKEN), said
    assert REASONS.get(name, "") in said and len(said) < 400


def test_what_is_large_but_not_too_large_applies(tree):
    assert apply_patch(tree, zeros("z", 60 << 20)) == {"z": bytes(60 << 20)}
    assert len(apply_patch(tree, copied("small.txt", 3))) == 3


def test_a_patch_of_ours_for_a_large_file_applies_again(tree):
    """Twice in base85, which is no reason to refuse it."""
    import random

    content = random.Random(2).randbytes(12_000_000).decode("latin-1")
    patch = diff(tree, {"big.bin": content})
    assert apply_patch(tree, patch)["big.bin"] == content.encode()


def test_git_has_a_limit(tree):
    words = ("cat-file", "--batch-check", "--batch-all-objects")
    assert git(*words, git_dir=tree / ".git", memory=200 << 20) == git(*words, git_dir=tree / ".git")
    with pytest.raises(Exception, match="failed"):
        git(*words, git_dir=tree / ".git", memory=1 << 20)


def test_lines_that_look_like_names_cost_no_process_each(tree, monkeypatch):
    from environments import blobs

    started = []
    monkeypatch.setattr(blobs, "git", lambda *args, **given: started.append(args) or git(*args, **given))
    with pytest.raises(PatchFails):
        apply_patch(tree, "--- a/lines.txt\n--- a/small.txt\n" * 5_000)
    assert len(started) < 10

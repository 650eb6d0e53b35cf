"""A stored tree is looked at again whenever it is used, however carefully somebody changed it (SAFETY 1, 21)."""

import os

import pytest

from environments import NotSealed, freeze
from environments.building.capture import link_tree
from environments.building.sealing import check_stored


@pytest.fixture
def stored(new_repo, tmp_path):
    repo = new_repo({"a.py": "1", "b/c.py": "2"})
    snapshot = freeze(repo.folder, tmp_path / "layer/tree")
    check_stored(snapshot)
    return snapshot


def later_commit(tree):
    (tree / ".git/refs/tags/later").write_text("0" * 40)


def setting(tree):
    """In place, and with the times that the file had."""
    config = tree / ".git/config"
    before = config.stat()
    config.write_text(config.read_text().replace("filemode = true", "fsmonitor=true "))
    os.utime(config, ns=(before.st_atime_ns, before.st_mtime_ns))


def inner_repository(tree):
    (tree / "b/.git").mkdir()


@pytest.mark.parametrize("change", [later_commit, setting, inner_repository])
def test_a_change_is_seen(stored, change):
    change(stored.tree)
    for _ in range(2):
        with pytest.raises(NotSealed, match="remove"):
            check_stored(stored)


def test_what_is_shared_with_another_layer_is_still_sealed(stored, tmp_path):
    """A link more to a file is a change that a fingerprint sees, and no reason to refuse it."""
    link_tree(stored.tree, tmp_path / "other/tree")
    check_stored(stored)
    assert sorted(path.name for path in stored.tree.parent.iterdir()) == [".tree.sealed", "tree"]

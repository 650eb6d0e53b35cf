"""Where a row's repository is found: every usual layout of a folder of mirrors, and only one that has the commit."""

import shutil

import pytest

from environments import RepositoryError
from environments.building.mirrors import commit_date, find_repository, has_commit, nearest_tag


@pytest.fixture
def bare(new_repo, tmp_path):
    repo = new_repo({"a": "1"})
    repo.git("tag", "v1.2")
    commit = repo.commit({"a": "2"})
    repo.commit({"a": "3"})
    repo.git("tag", "v2.0")

    def put(name, shallow=False):
        words = ("--depth", "1") if shallow else ()
        repo.git("clone", "-q", "--bare", *words, f"file://{repo.folder}", str(tmp_path / "mirrors" / name))
        return tmp_path / "mirrors" / name

    return put, commit


@pytest.mark.parametrize(
    "name",
    [
        "own/name",
        "own__name",
        "own+name/repo",
        "name.git",
        "name",
        "own/name.git",
        "fork+name/repo",
        "fork/name",
    ],
)
def test_every_layout(bare, tmp_path, name):
    put, commit = bare
    where = put(name)
    assert find_repository("own/name", commit, tmp_path / "mirrors") == where


def test_one_without_the_commit_is_passed_over(bare, tmp_path):
    put, commit = bare
    put("own__name", shallow=True)
    where = put("fork__name")
    assert find_repository("own/name", commit, tmp_path / "mirrors") == where
    shutil.rmtree(where)
    with pytest.raises(RepositoryError, match="no repository in .* has commit"):
        find_repository("own/name", commit, tmp_path / "mirrors")


def test_paths_and_urls(new_repo, tmp_path):
    repo = new_repo({"a": "1"})
    assert find_repository(str(repo.folder), "", None) == repo.folder
    assert find_repository("https://example.org/x.git", "0" * 40, None) == "https://example.org/x.git"
    assert str(find_repository("own/name", "0" * 40, None)).endswith("/own/name.git")
    with pytest.raises(RepositoryError):
        find_repository("own/name", "0" * 40, tmp_path / "nowhere")


def test_the_last_release_before_a_commit_and_none_after(bare):
    put, commit = bare
    where = put("name")
    tag, tagged = nearest_tag(where, commit)
    assert tag == "v1.2" and tagged != commit and has_commit(where, tagged)
    assert commit_date(where, commit).endswith("Z")
    assert not has_commit(where, "f" * 40) and not has_commit(where.parent, commit)

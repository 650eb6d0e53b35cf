"""SAFETY 1: the history in a frozen repository ends at the base, however one looks for more."""

import os
import shutil
import subprocess

import pytest
from waiting import assert_ends

from environments import NotSealed, RepositoryError, freeze, verify_sealed
from environments.safe_git import GitFailed, git

SECRET = "the answer lies in later history"


@pytest.fixture(scope="module")
def made(repo_at, tmp_path_factory):
    """A repository with the fix everywhere a repository can hold it, checked out before the fix; and it frozen."""
    folder = tmp_path_factory.mktemp("exploited")
    repo = repo_at(folder / "project")
    repo.commit({"a.py": "bug\n", "b/c.py": "x\n"})
    base = repo.commit({"a.py": "bug\nmore\n"})
    fix = repo.commit({"a.py": f"{SECRET}\n"}, "the fix")
    repo.git("tag", "v2")
    repo.git("tag", "-a", "v2-annotated", "-m", SECRET)
    repo.git("branch", "later")
    repo.git("notes", "add", "-m", SECRET)
    repo.git("update-ref", "refs/remotes/origin/main", fix)
    repo.git("update-ref", "refs/pull/1/head", fix)
    repo.git("remote", "add", "origin", "https://example.org/x.git")
    repo.git("gc", "-q")  # the fix lies in one pack with the base
    repo.git("reset", "-q", "--hard", base)  # and in ORIG_HEAD and the reflog
    repo.write({"a.py": f"stashed: {SECRET}\n"})
    repo.git("stash")
    repo.git("replace", base, fix)
    repo.git("worktree", "add", "-q", str(folder / "beside"), "later")
    (repo.folder / ".git/FETCH_HEAD").write_text(f"{fix}\t\tbranch 'main' of example.org\n")
    (repo.folder / ".git/hooks").mkdir(exist_ok=True)
    (repo.folder / ".git/hooks/post-checkout").write_text("#!/bin/sh\ntouch ran\n")
    return repo, base, fix, freeze(repo.folder, folder / "frozen")


@pytest.fixture
def exploited(made):
    return made[:3]


def everything(tree):
    """The contents of every object in the store."""
    names = objects(tree)
    return [git("cat-file", "-p", name, git_dir=tree / ".git").decode(errors="replace") for name in names]


def objects(tree):
    said = (
        git("cat-file", "--batch-all-objects", "--batch-check", git_dir=tree / ".git").decode().splitlines()
    )
    return {line.split()[0]: line.split()[1] for line in said}


def test_no_way_leads_to_later_history(exploited, tmp_path):
    repo, base, fix = exploited
    shot = freeze(repo.folder, tmp_path / "frozen")
    tree = shot.tree
    assert shot.base == shot.head == base

    def ask(*args):
        done = subprocess.run(["git", *args], cwd=tree, capture_output=True)
        return (done.stdout + done.stderr).decode(errors="replace")

    logs = (
        ask("log", "--all", "--reflog", "--format=%H", "-p") + ask("reflog", "--all") + ask("stash", "list")
    )
    lost = ask("fsck", "--lost-found", "--unreachable", "--no-reflogs", "--full")
    refs = (
        ask("for-each-ref")
        + ask("tag")
        + ask("notes", "list")
        + ask("worktree", "list")
        + ask("remote", "-v")
    )
    for said in (logs, refs):
        assert fix not in said and SECRET not in said and "example.org" not in said
    assert "dangling" not in lost and "unreachable" not in lost
    assert "beside" not in ask("worktree", "list")
    assert fix not in objects(tree)
    commits = {sha for sha, kind in objects(tree).items() if kind == "commit"}
    assert commits == set(ask("rev-list", "HEAD").split())
    assert "tag" not in objects(tree).values()
    for sha, kind in objects(tree).items():
        assert SECRET not in ask("cat-file", kind, sha)
    found = sorted(
        os.path.relpath(os.path.join(at, name), tree / ".git")
        for at, _, names in os.walk(tree / ".git")
        for name in names
    )
    assert {"HEAD", "config", "index", "info/attributes", "info/exclude", "refs/heads/main"} == {
        name for name in found if not name.startswith("objects/pack/pack-")
    }
    assert ask("status", "--porcelain") == ""


def test_a_worktree_that_shares_its_objects_is_sealed_too(exploited, tmp_path):
    repo, base, fix = exploited
    shot = freeze(repo.folder.parent / "beside", tmp_path / "frozen")
    assert shot.base == fix and (shot.tree / ".git").is_dir()
    assert shot.at == str(repo.folder.parent / "beside")


def test_borrowed_objects_are_taken_over_and_not_borrowed(new_repo, tmp_path):
    repo = new_repo({"a": "1"})
    repo.git("branch", "later")
    fix = repo.git("rev-parse", "HEAD")
    repo.git("clone", "-q", "--shared", "--branch", "later", str(repo.folder), str(tmp_path / 'bor"row:ed'))
    shot = freeze(tmp_path / 'bor"row:ed', tmp_path / "frozen")
    shutil.rmtree(repo.folder)
    assert shot.base == fix
    verify_sealed(shot.tree, fix)
    assert not (shot.tree / ".git/objects/info/alternates").exists()


@pytest.mark.parametrize("depth", [1, 2])
def test_shallow_clones_keep_their_cut(new_repo, tmp_path, depth):
    repo = new_repo({"a": "1"})
    for number in range(3):
        repo.commit({"a": f"v{number}"})
    repo.git("clone", "-q", "--depth", str(depth), f"file://{repo.folder}", str(tmp_path / "shallow"))
    shot = freeze(tmp_path / "shallow", tmp_path / "frozen")
    assert len(git("rev-list", "HEAD", git_dir=shot.tree / ".git").split()) == depth
    assert any("shallow" in note for note in shot.notes)


def test_a_cut_of_later_history_is_not_named(new_repo, tmp_path):
    """A shallow clone names the commits at which its history was cut: those of other branches too."""
    repo = new_repo({"a": "1"})
    for name in ("x", "y"):
        repo.git("checkout", "-q", "--orphan", name)
        for number in range(3):
            repo.commit({"a": f"{name}{number}"})
    words = ("clone", "-q", "--depth", "2", "--no-single-branch", "--branch", "x")
    repo.git(*words, f"file://{repo.folder}", str(tmp_path / "shallow"))
    later = repo.git("rev-parse", "y^")
    assert later in (tmp_path / "shallow/.git/shallow").read_text()
    shot = freeze(tmp_path / "shallow", tmp_path / "frozen")
    assert (shot.tree / ".git/shallow").read_text() == repo.git("rev-parse", "x^") + "\n"


def test_a_history_that_holds_the_answer_is_left_out(repo_at, tmp_path):
    """A bug put into working code: the commits before it are the answer, on both sides of a merge."""
    repo = repo_at(tmp_path / "project")
    first = repo.commit({"a.py": f"{SECRET}\n"})
    repo.git("checkout", "-q", "-b", "side")
    side = repo.commit({"b.py": f"{SECRET} beside\n"})
    repo.git("checkout", "-q", "-b", "joined", first)
    repo.commit({"c.py": "x\n"})
    repo.git("merge", "-q", "--no-edit", "side")
    base = repo.commit({"a.py": "bug\n", "b.py": "bug\n"}, "amended")
    for name, commit in (("bare", "joined"), ("folder", None)):
        frozen = freeze(repo.folder, tmp_path / name, commit=commit, history=False)
        assert frozen.base == base and "left out" in frozen.notes[0]
        assert git("rev-list", "--count", "HEAD", git_dir=frozen.tree / ".git").strip() == b"1"
        verify_sealed(frozen.tree, frozen.base)
        assert not any(SECRET in each for each in everything(frozen.tree))
        for gone in (first, side, f"{base}^"):
            with pytest.raises(GitFailed):
                git("cat-file", "-e", gone, git_dir=frozen.tree / ".git")
    assert any(SECRET in each for each in everything(freeze(repo.folder, tmp_path / "whole").tree))


def test_a_partial_clone_falls_back_to_the_base_alone(new_repo, tmp_path):
    repo = new_repo({"a": "old content"})
    repo.git("config", "uploadpack.allowFilter", "true")
    repo.commit({"a": "new content"})
    repo.git("clone", "-q", "--filter=blob:none", f"file://{repo.folder}", str(tmp_path / "partial"))
    shutil.rmtree(repo.folder)
    shot = freeze(tmp_path / "partial", tmp_path / "frozen")
    assert shot.read("a") == "new content"
    assert any("left out" in note for note in shot.notes)


def test_the_synthetic_commit_is_the_only_one_and_always_the_same(new_repo, tmp_path):
    repo = new_repo({"a.py": "1\n"})
    base = repo.git("rev-parse", "HEAD")
    repo.write({"a.py": "2\n", "new.py": "3\n"})
    first, second = (freeze(repo.folder, tmp_path / name) for name in ("one", "two"))
    assert first.head == second.head != base and first.base == base and first.digest == second.digest
    assert git("rev-list", "HEAD", git_dir=first.tree / ".git").decode().split() == [first.head, base]


def test_a_head_that_names_nothing_is_a_sentence(new_repo, tmp_path):
    repo = new_repo({"a": "1"})
    (repo.folder / ".git/refs/heads/trunk").write_text("1" * 40 + "\n")
    with pytest.raises(RepositoryError, match="git fsck"):
        freeze(repo.folder, tmp_path / "frozen")


# Each way of breaking a sealed repository must be seen: the proof fails when its part is taken away.


@pytest.fixture
def sealed(made, tmp_path):
    repo, base, fix, shot = made
    shutil.copytree(shot.tree, tmp_path / "copy", symlinks=True)
    return tmp_path / "copy", repo, base, fix


def smuggle(name, content="x\n"):
    def do(tree, repo, base, fix):
        path = tree / ".git" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content.format(base=base, fix=fix, objects=repo.folder / ".git/objects"))

    return do


def fetch(*ref):
    def do(tree, repo, base, fix):
        subprocess.run(["git", "fetch", "-q", str(repo.folder), "later", *ref], cwd=tree, check=True)
        (tree / ".git/FETCH_HEAD").unlink(missing_ok=True)

    return do


def loose_blob(tree, repo, base, fix):
    git("hash-object", "-w", "--stdin", git_dir=tree / ".git", stdin=SECRET.encode())


def staged_blob(tree, repo, base, fix):
    (tree / "staged.py").write_text(SECRET)
    git("add", "staged.py", git_dir=tree / ".git", work_tree=tree)


def staged_name(tree, repo, base, fix):
    """No object is new: only the index says what there will be."""
    blob = git("rev-parse", "HEAD:a.py", git_dir=tree / ".git").strip()
    git("update-index", "--index-info", git_dir=tree / ".git", stdin=b"100644 " + blob + b"\tthe_fix.py\n")


def tag_object(tree, repo, base, fix):
    text = f"object {base}\ntype commit\ntag v9\ntagger A <a@example.org> 1 +0000\n\nhint\n"
    git("mktag", git_dir=tree / ".git", stdin=text.encode())


def later_commit(tree, repo, base, fix):
    fetch(":fetched")(tree, repo, base, fix)
    git("update-ref", "-d", "refs/heads/fetched", git_dir=tree / ".git")
    git("update-ref", "refs/heads/main", fix, git_dir=tree / ".git")


def detached(tree, repo, base, fix):
    (tree / ".git/HEAD").write_text(base + "\n")


def inner_repository(tree, repo, base, fix):
    shutil.copytree(repo.folder / ".git", tree / "b/.git")


def a_later_commits_name(tree, repo, base, fix):
    """Its id says what to look for elsewhere, and git takes it for a commit that is here."""
    (tree / ".git/shallow").write_text(f"{fix}\n")


def linked(tree, repo, base, fix):
    (tree / ".git").rename(tree.parent / "elsewhere")
    (tree / ".git").symlink_to(tree.parent / "elsewhere")


@pytest.mark.parametrize(
    "break_it",
    [
        fetch(),  # unreachable leftovers of a fetch
        fetch(":fetched"),
        fetch(":refs/tags/fetched"),
        smuggle("objects/info/alternates", "{objects}\n"),
        smuggle("refs/tags/v2", "{base}\n"),
        smuggle("refs/heads/other", "{base}\n"),
        smuggle("packed-refs", "{base} refs/remotes/origin/main\n"),
        smuggle("refs/stash", "{base}\n"),
        smuggle("logs/HEAD", "{base} {fix} A <a> 1 +0000\tcommit\n"),
        smuggle("FETCH_HEAD", "{fix}\n"),
        smuggle("ORIG_HEAD", "{fix}\n"),
        smuggle("hooks/post-checkout", "#!/bin/sh\n"),
        smuggle("modules/sub/HEAD", "{fix}\n"),
        smuggle("worktrees/x/HEAD", "{fix}\n"),
        smuggle("info/grafts", "{base} {fix}\n"),
        smuggle("objects/pack/pack-1.keep"),
        smuggle("config", "[core]\n\tbare = false\n[remote \"origin\"]\n\turl = https://example.org\n"),
        smuggle("config", "[include]\n\tpath = /somewhere\n"),
        smuggle("config", "[core]\n\tfsmonitor = /bin/true\n"),
        loose_blob,
        staged_blob,
        staged_name,
        tag_object,
        later_commit,
        detached,
        inner_repository,
        a_later_commits_name,
        linked,
    ],
)  # fmt: skip
def test_every_leftover_is_seen(sealed, break_it):
    tree, repo, base, fix = sealed
    verify_sealed(tree, base)
    break_it(tree, repo, base, fix)
    with pytest.raises(NotSealed):
        verify_sealed(tree, base)


def test_another_base_is_not_taken_for_this_one(sealed):
    tree, repo, base, fix = sealed
    for other in (fix, ""):
        with pytest.raises(NotSealed):
            verify_sealed(tree, other)


@pytest.mark.parametrize("name", ["HEAD", "config", "index", "shallow", "info/exclude", "refs/heads/main"])
def test_no_pipe_of_a_repository_from_elsewhere_is_waited_for(sealed, name):
    tree, _, base, _ = sealed
    path = tree / ".git" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    assert_ends(lambda: refused(tree, base))


def refused(tree, base):
    with pytest.raises(NotSealed):
        verify_sealed(tree, base)

"""A repository's own settings, links and pipes: nothing that they name runs, is read or is waited for (SAFETY 23)."""

import os
import shutil

import pytest
from waiting import assert_ends

from environments import RepositoryError, freeze
from environments.building.mirrors import commit_date, find_repository, has_commit, nearest_tag

SECRET = "the other repository's secret"


def program(folder, ran):
    """A program that notes that it ran, and does what a filter, a helper and a signer are expected to do."""
    path = folder / "spy"
    path.write_text(f"#!/bin/sh\ntouch {ran}\ncat 2>/dev/null\n")
    path.chmod(0o755)
    return path


SETTINGS = {
    "signatures": {"log.showSignature": "true", "gpg.program": "{spy}", "gpg.x509.program": "{spy}"},
    "ssh signatures": {"log.showSignature": "true", "gpg.format": "ssh", "gpg.ssh.program": "{spy}"},
    "monitor": {"core.fsmonitor": "{spy}"},
    "pack hook": {"uploadpack.packObjectsHook": "{spy}"},
    "external diff": {"diff.external": "{spy}", "core.pager": "{spy}", "pager.log": "{spy}", "pager.show": "{spy}"},
    "filter": {
        "filter.spy.clean": "{spy}",
        "filter.spy.smudge": "{spy}",
        "filter.spy.process": "{spy}",
        "filter.spy.required": "true",
    },
    "textconv": {"diff.spy.textconv": "{spy}", "diff.spy.command": "{spy}"},
    "borrowed references": {"core.alternateRefsCommand": "{spy}"},
    "lazy fetch over ssh": {
        "core.sshCommand": "{spy}",
        "remote.origin.url": "ssh://nobody@127.0.0.1/x",
        "remote.origin.promisor": "true",
        "extensions.partialClone": "origin",
        "core.repositoryFormatVersion": "1",
    },
    "lazy fetch by a program": {
        "protocol.ext.allow": "always",
        "protocol.allow": "always",
        "remote.origin.url": "ext::{spy} %S",
        "remote.origin.promisor": "true",
        "extensions.partialClone": "origin",
        "core.repositoryFormatVersion": "1",
    },
    "helpers": {"credential.helper": "!{spy}", "core.askPass": "{spy}", "core.gitProxy": "{spy}"},
    "hooks": {"core.hooksPath": "{folder}"},
    "aliases": {"alias.log": "!{spy}", "alias.rev-parse": "!{spy}", "alias.cat-file": "!{spy}"},
    "include": {"include.path": "{folder}/included"},
}  # fmt: skip
HOOKS = ("post-index-change", "post-checkout", "reference-transaction", "fsmonitor-watchman", "pre-auto-gc")


def set_up(repo, settings, spy, where):
    """Write settings into the repository after its last honest command."""
    config = repo.folder / where / "config"
    (spy.parent / "included").write_text(f"[core]\n\tfsmonitor = {spy}\n[diff]\n\texternal = {spy}\n")
    for hook in HOOKS:
        shutil.copy(spy, spy.parent / hook)
        (config.parent / "hooks").mkdir(exist_ok=True)
        shutil.copy(spy, config.parent / "hooks" / hook)
    for name, value in settings.items():
        section, _, key = name.rpartition(".")
        first, _, rest = section.partition(".")
        head = f'[{first} "{rest}"]' if rest else f"[{first}]"
        with open(config, "a") as file:
            file.write(f'{head}\n\t{key} = "{value.format(spy=spy, folder=spy.parent)}"\n')


def signed(repo):
    """A commit with a signature: git calls the program that verifies it where it shows the commit."""
    tree = repo.git("rev-parse", "HEAD^{tree}")
    text = (
        f"tree {tree}\nparent {repo.git('rev-parse', 'HEAD')}\n"
        "author A <a@example.org> 1700000000 +0000\ncommitter A <a@example.org> 1700000000 +0000\n"
        "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----\n\nsigned\n"
    )
    commit = repo.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode())
    repo.git("reset", "-q", "--hard", commit)
    return commit


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("bare", [False, True], ids=["checkout", "bare"])
def test_no_setting_of_a_source_runs_a_program(new_repo, tmp_path, kind, bare):
    repo = new_repo(
        {"a.txt": "1\n", ".gitattributes": "*.txt filter=spy diff=spy\n"}, name="mirrors/own__name"
    )
    repo.git("tag", "v1.0")
    commit = signed(repo)
    ran, folder = tmp_path / "ran", tmp_path / "spies"
    folder.mkdir()
    if bare:
        repo.git("config", "core.bare", "true")
    else:
        repo.write({"a.txt": "2\n", "b.txt": "3\n"})
    set_up(repo, SETTINGS[kind], program(folder, ran), ".git")
    source = repo.folder / ".git" if bare else repo.folder
    found = find_repository("own/name", commit, tmp_path / "mirrors")
    assert has_commit(found, commit) and nearest_tag(source, commit)[0] == "v1.0"
    assert commit_date(source, commit) == "2023-11-14T22:13:20Z"
    for number, (where, at) in enumerate(((source, None), (source, commit), (f"file://{source}", None))):
        shot = freeze(
            where, tmp_path / f"frozen-{number}", commit=at, clone_into=tmp_path / f"clone-{number}"
        )
        assert shot.base == commit
    assert not ran.exists()


def test_no_setting_of_a_submodule_runs_a_program(new_repo, tmp_path):
    inner = new_repo({"x": "1", ".gitattributes": "* filter=spy\n"}, name="inner")
    repo = new_repo({"a": "1"})
    repo.git("submodule", "add", "-q", str(inner.folder), "sub")
    repo.commit()
    ran, folder = tmp_path / "ran", tmp_path / "spies"
    folder.mkdir()
    for settings in SETTINGS.values():
        set_up(repo, settings, program(folder, ran), ".git/modules/sub")
    shot = freeze(repo.folder, tmp_path / "frozen")
    assert "sub/x" in shot.files() and not ran.exists()


@pytest.mark.parametrize("name", ["git", "sh", "tar"])
def test_no_program_of_a_sources_folder_runs(new_repo, tmp_path, monkeypatch, name):
    """A search path with an empty or a relative entry finds programs in the folder where git is started."""
    repo = new_repo({"a": "1"})
    ran = tmp_path / "ran"
    for folder in (repo.folder, repo.folder / ".git", repo.folder / "bin"):
        folder.mkdir(exist_ok=True)
        shutil.copy(program(tmp_path, ran), folder / name)
    monkeypatch.setenv("PATH", f":.:bin:{os.environ['PATH']}")
    monkeypatch.chdir(repo.folder)
    shot = freeze(repo.folder, tmp_path / "frozen")
    assert shot.read("a") == "1" and has_commit(repo.folder, shot.base) and not ran.exists()


@pytest.fixture
def other(new_repo):
    """A repository of the same user, which nobody named."""
    return new_repo({"secret.txt": SECRET}, name="other")


def link_all(repo, other):
    shutil.rmtree(repo.folder / ".git")
    (repo.folder / ".git").symlink_to(other.folder / ".git")


def name_another(repo, other):
    shutil.rmtree(repo.folder / ".git")
    (repo.folder / ".git").write_text(f"gitdir: {other.folder}/.git\n")


def name_a_worktree(repo, other):
    other.git("worktree", "add", "-q", "-b", "w", str(other.folder.parent / "worktree"))
    shutil.rmtree(repo.folder / ".git")
    (repo.folder / ".git").write_text(f"gitdir: {other.folder}/.git/worktrees/worktree\n")


def name_a_common_folder(repo, other):
    (repo.folder / ".git/commondir").write_text(f"{other.folder}/.git\n")


def pretend_a_worktree(repo, other):
    """A folder of its own that has all that a worktree's has, but for the main repository's knowing of it."""
    own = repo.folder / "own/worktrees/x"
    own.mkdir(parents=True)
    shutil.rmtree(repo.folder / ".git")
    (repo.folder / ".git").write_text("gitdir: own/worktrees/x\n")
    (own / "HEAD").write_text("ref: refs/heads/trunk\n")
    (own / "gitdir").write_text(f"{repo.folder}/.git\n")
    (own / "commondir").write_text(f"{other.folder}/.git\n")


def link_references_and_borrow(repo, other):
    git_dir = repo.folder / ".git"
    shutil.rmtree(git_dir / "refs")
    (git_dir / "refs").symlink_to(other.folder / ".git/refs")
    (git_dir / "objects/info/alternates").write_text(f"{other.folder}/.git/objects\n")


def link_a_branch_and_borrow(repo, other):
    branch = repo.folder / ".git/refs/heads/trunk"
    branch.unlink()
    branch.symlink_to(other.folder / ".git/refs/heads/trunk")
    (repo.folder / ".git/objects/info/alternates").write_text(f"{other.folder}/.git/objects\n")


def link_head_and_borrow(repo, other):
    other.git("checkout", "-q", "--detach")
    (repo.folder / ".git/HEAD").unlink()
    (repo.folder / ".git/HEAD").symlink_to(other.folder / ".git/HEAD")
    (repo.folder / ".git/objects/info/alternates").write_text(f"{other.folder}/.git/objects\n")


def link_packed_references_and_objects(repo, other):
    other.git("pack-refs", "--all")
    git_dir = repo.folder / ".git"
    (git_dir / "refs/heads/trunk").unlink()
    (git_dir / "packed-refs").symlink_to(other.folder / ".git/packed-refs")
    shutil.rmtree(git_dir / "objects")
    (git_dir / "objects").symlink_to(other.folder / ".git/objects")


def link_objects(repo, other):
    """The branch says whose commit it is: only its objects are elsewhere."""
    git_dir = repo.folder / ".git"
    (git_dir / "refs/heads/trunk").write_text(other.git("rev-parse", "HEAD") + "\n")
    shutil.rmtree(git_dir / "objects")
    (git_dir / "objects").symlink_to(other.folder / ".git/objects")


def link_packs(repo, other):
    other.git("gc", "-q")
    head = other.git("rev-parse", "HEAD")
    git_dir = repo.folder / ".git"
    shutil.rmtree(git_dir / "objects/pack")
    (git_dir / "objects/pack").symlink_to(other.folder / ".git/objects/pack")
    (git_dir / "refs/heads/trunk").write_text(head + "\n")


LEADS_ELSEWHERE = [
    link_all,
    name_another,
    name_a_worktree,
    name_a_common_folder,
    pretend_a_worktree,
    link_references_and_borrow,
    link_a_branch_and_borrow,
    link_head_and_borrow,
    link_packed_references_and_objects,
    link_objects,
    link_packs,
]


@pytest.mark.parametrize("lead", LEADS_ELSEWHERE)
def test_a_repository_leads_to_no_other(new_repo, other, tmp_path, lead):
    repo = new_repo({"a": "1"})
    lead(repo, other)
    try:
        freeze(repo.folder, tmp_path / "frozen", commit="HEAD")
    except RepositoryError as error:
        assert "\n" not in str(error)
    secret = other.git("rev-parse", "HEAD:secret.txt")
    for _folder, _, files in os.walk(tmp_path / "frozen"):
        assert "secret.txt" not in files
        assert secret[2:] not in files


def test_a_list_of_ignored_files_is_no_way_to_read_a_file(new_repo, tmp_path):
    (tmp_path / "key").write_text(SECRET)
    repo = new_repo({"a": "1"})
    for name in ("info/exclude", "shallow"):
        (repo.folder / ".git" / name).unlink(missing_ok=True)
        (repo.folder / ".git" / name).symlink_to(tmp_path / "key")
    shot = freeze(repo.folder, tmp_path / "frozen")
    assert SECRET not in (shot.tree / ".git/info/exclude").read_text()
    assert not (shot.tree / ".git/shallow").exists()


PIPES = ["HEAD", "config", "packed-refs", "index", "shallow", "info/exclude", "refs/heads/trunk", "commondir",
         "objects/info/alternates", "sharedindex.1"]  # fmt: skip


@pytest.mark.parametrize("name", PIPES)
def test_no_pipe_is_waited_for(new_repo, tmp_path, name):
    repo = new_repo({"a": "1"})
    path = repo.folder / ".git" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)

    def freeze_it():
        for at in (None, "HEAD"):
            try:
                freeze(repo.folder, tmp_path / f"frozen-{at}", commit=at)
            except RepositoryError as error:
                assert "\n" not in str(error)

    assert_ends(freeze_it)


def test_a_file_without_an_end_is_not_read_to_it(new_repo, tmp_path):
    """It takes no disk, and would take all the memory."""
    repo = new_repo({"a": "1"})
    with open(repo.folder / ".git/info/exclude", "wb") as file:
        file.truncate(1 << 24)
    with pytest.raises(RepositoryError, match="larger than"):
        freeze(repo.folder, tmp_path / "frozen")


def test_a_worktree_a_submodule_and_borrowed_objects_are_still_taken(new_repo, tmp_path):
    inner = new_repo({"x": "1"}, name="inner")
    repo = new_repo({"a": "1"})
    repo.git("submodule", "add", "-q", str(inner.folder), "sub")
    repo.commit()
    repo.git("worktree", "add", "-q", "-b", "w", str(tmp_path / "worktree"))
    assert freeze(tmp_path / "worktree", tmp_path / "one").base == repo.git("rev-parse", "HEAD")
    assert freeze(repo.folder / "sub", tmp_path / "two").base == inner.git("rev-parse", "HEAD")
    (repo.folder / ".git").rename(tmp_path / "kept")
    (repo.folder / ".git").write_text("gitdir: ../kept\n")
    with pytest.raises(RepositoryError, match="does not know of this folder"):
        freeze(repo.folder, tmp_path / "three")
    repo.git("config", "core.worktree", str(repo.folder))
    assert freeze(repo.folder, tmp_path / "four").read("a") == "1"

"""git as Winnow calls it, in repositories and homes that would have programs run: each deed is done by git itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import environments
from environments import freeze
from environments.repository import clone
from environments.safe_git import RepositoryError, git

SIGNATURE = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----\n"
WHO = "A <a@example.org> 1700000000 +0000"


class Spy:
    """Programs that note that they ran. program: gives back what it gets, as a filter does. speaker: says nothing."""

    def __init__(self, folder):
        self.ran, self.program, self.speaker = folder / "ran", folder / "spy", folder / "speaker"
        for path, rest in ((self.program, "cat 2>/dev/null"), (self.speaker, "exit 1")):
            path.write_text(f"#!/bin/sh\ntouch {self.ran}\n{rest}\n")
            path.chmod(0o755)

    def as_hook(self, repo, name):
        hook = repo.folder / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.symlink_to(self.program)


@pytest.fixture
def spy(tmp_path):
    return Spy(tmp_path)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The home of the user who runs Winnow."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return home


def ask(repo, *words, **more):
    return git(*words, git_dir=repo.folder / ".git", ok=(0, 1, 128), **more)


def set_all(repo, **settings):
    for name, value in settings.items():
        repo.git("config", name.replace("__", "."), str(value))


def filtered(repo, text=b"1\n", **more):
    """The id of a text that git takes for the content of a.txt; only filters and line ends can change it."""
    return ask(repo, "hash-object", "--stdin", "--path=a.txt", stdin=text, cwd=repo.folder, **more)


def unfiltered(repo, text=b"1\n"):
    return repo.git("hash-object", "--stdin", "--no-filters", stdin=text).encode() + b"\n"


@pytest.mark.parametrize("protocol", ["ext", "ssh"])
def test_no_protocol_is_spoken_whatever_the_repository_allows(new_repo, spy, protocol):
    repo = new_repo({"a.txt": "1\n"})
    set_all(repo, protocol__allow="always", protocol__ext__allow="always", protocol__ssh__allow="always")
    set_all(repo, core__sshCommand=spy.speaker)
    url = f"ext::{spy.speaker} %S" if protocol == "ext" else "ssh://nobody@127.0.0.1/x"
    ask(repo, "ls-remote", url)
    assert not spy.ran.exists()


@pytest.mark.parametrize("protocol", ["ext", "ssh"])
def test_no_missing_object_is_fetched(new_repo, spy, protocol):
    repo = new_repo({"a.txt": "1\n"})
    url = f"ext::{spy.speaker} %S" if protocol == "ext" else "ssh://nobody@127.0.0.1/x"
    set_all(repo, remote__origin__url=url, remote__origin__promisor="true", core__sshCommand=spy.speaker)
    set_all(repo, core__repositoryFormatVersion="1", extensions__partialClone="origin")
    set_all(repo, protocol__ext__allow="always", protocol__ssh__allow="always")
    assert ask(repo, "cat-file", "-p", "1" * 40) == b""
    assert not spy.ran.exists()


@pytest.mark.parametrize("hook", ["reference-transaction", "post-index-change"])
def test_no_hook_runs(new_repo, spy, hook):
    repo = new_repo({"a.txt": "1\n"})
    spy.as_hook(repo, hook)
    repo.write({"a.txt": "2\n"})
    ask(repo, "add", "--all", work_tree=repo.folder)
    ask(repo, "update-ref", "refs/heads/new", "HEAD")
    assert not spy.ran.exists()


def test_no_file_system_monitor_runs(new_repo, spy):
    repo = new_repo({"a.txt": "1\n"})
    set_all(repo, core__fsmonitor=spy.program)
    ask(repo, "status", work_tree=repo.folder)
    assert not spy.ran.exists()


def test_no_program_verifies_a_signature(new_repo, spy):
    repo = new_repo({"a.txt": "1\n"})
    tree = repo.git("rev-parse", "HEAD^{tree}")
    text = f"tree {tree}\nauthor {WHO}\ncommitter {WHO}\n{SIGNATURE}\nsigned\n"
    commit = repo.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode())
    set_all(repo, log__showSignature="true", gpg__program=spy.program)
    assert b"signed" in ask(repo, "log", "-1", "--format=%s", commit)
    assert not spy.ran.exists()


@pytest.mark.parametrize("file", [".gitconfig", ".config/git/config"])
def test_the_users_settings_run_nothing(new_repo, spy, home, file):
    """As git-lfs puts its filter there."""
    repo = new_repo({"a.txt": "1\n", ".gitattributes": "*.txt filter=spy\n"})
    (home / file).parent.mkdir(parents=True, exist_ok=True)
    (home / file).write_text(f'[filter "spy"]\n\tclean = {spy.program}\n')
    assert filtered(repo) == unfiltered(repo) and not spy.ran.exists()


def test_the_users_attributes_change_nothing(new_repo, home):
    repo = new_repo({"a.txt": "1\n"})
    (home / ".config/git").mkdir(parents=True)
    (home / ".config/git/attributes").write_text("* text\n")
    assert filtered(repo, b"1\r\n") == unfiltered(repo, b"1\r\n")


@pytest.fixture
def machine_settings(tmp_path):
    """(a file, the words before a command that sees it as /etc/gitconfig, in mounts of its own)"""
    place, file = Path("/etc/gitconfig"), tmp_path / "gitconfig"
    file.touch()
    script = f'mount --bind {file} {place} && exec "$@"'
    inside = ["unshare", "--mount", "--propagation=private", "sh", "-c", script, "sh"]
    made = not place.exists()
    try:
        if made:
            place.touch()
        if subprocess.run([*inside, "true"], capture_output=True).returncode:
            pytest.skip("nothing can be mounted here")
        yield file, inside
    except PermissionError:
        pytest.skip(f"{place} cannot be made here")
    finally:
        if made:
            place.unlink(missing_ok=True)


CALL = """import sys
from pathlib import Path
from environments.safe_git import git
git(sys.argv[1], git_dir=Path(sys.argv[2]), ok=(0, 1, 128))
"""


def test_the_machines_settings_run_nothing(new_repo, spy, machine_settings):
    repo = new_repo({"a.txt": "1\n"})
    file, inside = machine_settings
    file.write_text(f"[alias]\n\twinnow-test = !{spy.program}\n")
    words = [sys.executable, "-c", CALL, "winnow-test", f"{repo.folder}/.git"]
    root = Path(environments.__file__).parents[1]
    done = subprocess.run([*inside, *words], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not spy.ran.exists()


def test_the_callers_variables_run_nothing(new_repo, spy, monkeypatch):
    repo = new_repo({"a.txt": "1\n", ".gitattributes": "*.txt filter=spy\n"})
    repo.write({"a.txt": "2\n"})
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(spy.program))
    for name, value in (("COUNT", "1"), ("KEY_0", "filter.spy.clean"), ("VALUE_0", str(spy.program))):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    assert filtered(repo) == unfiltered(repo)
    ask(repo, "diff", work_tree=repo.folder)
    assert not spy.ran.exists()


def test_a_replaced_object_is_the_one_that_was_asked_for(new_repo):
    repo = new_repo({"a.txt": "the bug\n"})
    bug = repo.git("rev-parse", "HEAD:a.txt")
    fix = repo.git("hash-object", "-w", "--stdin", stdin=b"the fix\n")
    repo.git("replace", bug, fix)
    assert ask(repo, "cat-file", "blob", bug) == b"the bug\n"


def test_a_look_writes_nothing(new_repo):
    repo = new_repo({"a.txt": "1\n"})
    os.utime(repo.folder / "a.txt", (1, 1))  # the index would be brought up to date
    index = repo.folder / ".git/index"
    before = index.read_bytes()
    ask(repo, "status", work_tree=repo.folder)
    assert index.read_bytes() == before


def test_a_clone_speaks_no_protocol_that_is_a_program(spy, home, tmp_path):
    """With the user's own settings, which the address of a private repository may need."""
    (home / ".gitconfig").write_text("[protocol]\n\tallow = always\n")
    with pytest.raises(RepositoryError, match="cannot be cloned"):
        clone(f"ext::{spy.speaker} %S", tmp_path / "clone")
    assert not spy.ran.exists()


def test_no_filter_runs_in_the_frozen_copy(new_repo, spy, tmp_path):
    """Whoever works there has settings of their own; what the repository's attributes say is no filter there."""
    attributes = "*.txt filter=spy ident text\n"
    repo = new_repo({"a.txt": "$Id$\r\n"})
    repo.git("config", "filter.spy.clean", f"{spy.program}")
    repo.write({".gitattributes": attributes})
    shot = freeze(repo.folder, tmp_path / "frozen")
    assert git("cat-file", "blob", "HEAD:a.txt", git_dir=shot.tree / ".git") == b"$Id$\r\n"
    (shot.tree / "a.txt").write_text("changed\n")
    done = subprocess.run(
        ["git", "-c", f"filter.spy.clean={spy.program}", "diff", "--stat"], cwd=shot.tree, capture_output=True
    )
    assert b"a.txt" in done.stdout and not spy.ran.exists()

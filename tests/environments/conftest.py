"""Real repositories for the tests of environments, made by git in temporary folders."""

import os
import subprocess
from pathlib import Path

import pytest

_GIT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


class Repo:
    """A working tree with a few commands that a person would type."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def git(self, *args: str, stdin: bytes = b"") -> str:
        settings = ("-c", "protocol.file.allow=always")
        done = subprocess.run(
            ["git", *settings, *args],
            cwd=self.folder,
            env={**os.environ, **_GIT},
            input=stdin,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return os.fsdecode(done.stdout).strip()

    def write(self, files: dict) -> "Repo":
        """A path as content makes a link to it."""
        for name, content in files.items():
            path = Path(os.fsdecode(os.path.join(os.fsencode(self.folder), os.fsencode(name))))
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                path.symlink_to(content)
                continue
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self

    def commit(self, files: dict | None = None, message: str = "work") -> str:
        self.write(files or {})
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture(scope="session")
def repo_at():
    def make(folder: Path) -> Repo:
        repo = Repo(folder)
        repo.git("init", "-q", "-b", "trunk")
        return repo

    return make


@pytest.fixture
def new_repo(tmp_path, repo_at):
    def make(files: dict | None = None, name: str = "project") -> Repo:
        repo = repo_at(tmp_path / name)
        if files is not None:
            repo.commit(files)
        return repo

    return make


@pytest.fixture
def plain_folder(tmp_path):
    def make(files: dict, name: str = "plain") -> Repo:
        return Repo(tmp_path / name).write(files)

    return make

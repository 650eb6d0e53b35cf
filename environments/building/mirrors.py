"""Where a row's repository is to be had: a path, a URL, a folder of mirrors, or its public host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from models import Refused
from models.secrets.settings import hide_all, reveal

from ..repository import repository_name
from ..safe_git import GitFailed, RepositoryError, git

_HOST = "https://github.com"
"""Where a bare "owner/name" lives: SWE-bench and the datasets after it name GitHub's repositories so."""


def find_repository(repo: str, commit: str, mirrors: Path | None) -> str | Path:
    """A path or URL of a repository that has `commit`.

    repo: as a row names it. mirrors: folder of local repositories in any of the usual layouts (owner/name,
    owner__name, owner+name/repo, name.git, name); a fork of another owner does where it holds the commit.
    Raises RepositoryError where `mirrors` is given and none in it has the commit.
    """
    if repo and Path(repo).is_dir():
        return Path(repo)
    if mirrors is not None:
        found = next((path for path in _candidates(mirrors, repo) if has_commit(path, commit)), None)
        if found is not None:
            return found
        if not _is_url(repo):
            raise RepositoryError(
                f"no repository in {mirrors} has commit {commit[:12]} of {hide_all(repo)}: put a clone of it there, "
                f"such as {mirrors}/{hide_all(repo).replace('/', '__')}"
            )
    if not _is_url(repo):
        return f"{_HOST}/{repo.removesuffix('.git')}.git"
    try:
        return reveal(repo, "name a folder with clones (--repos DIR), or start the run anew from its dataset")
    except Refused as error:
        raise RepositoryError(str(error)) from error


def has_commit(path: Path, commit: str) -> bool:
    """Whether a folder is a repository that holds this commit."""
    git_dir = _git_dir(path)
    if git_dir is None or not commit:
        return git_dir is not None
    try:
        kind = git("cat-file", "-t", commit, git_dir=git_dir, cwd=path, ok=(0, 1, 128))
    except (GitFailed, OSError):
        return False
    return kind.strip() == b"commit"


def commit_date(path: Path, commit: str) -> str:
    """When a commit was made, ISO 8601 in UTC."""
    said = git(
        "show", "-s", "--format=%ct", f"{commit or 'HEAD'}^{{commit}}", git_dir=_git_dir(path), cwd=path
    )
    from datetime import UTC, datetime

    return datetime.fromtimestamp(int(said.split()[-1]), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def nearest_tag(path: Path, commit: str) -> tuple[str, str]:
    """(tag, its commit) of the last release before a commit: what tools that read versions from tags need.

    ("", "") without one. It names nothing later than the commit.
    """
    git_dir = _git_dir(path)
    words = ("describe", "--tags", "--abbrev=0", "--match", "*[0-9].[0-9]*", commit or "HEAD")
    try:
        tag = git(*words, git_dir=git_dir, cwd=path, ok=(0, 128)).decode("utf-8", "replace").strip()
        if not tag:
            return "", ""
        return tag, git(
            "rev-parse", f"refs/tags/{tag}^{{commit}}", git_dir=git_dir, cwd=path
        ).decode().strip()
    except GitFailed:
        return "", ""


def _candidates(mirrors: Path, repo: str) -> Iterator[Path]:
    """Folders of `mirrors` that may be it: by its full name first, then by its last part, then forks."""
    owner, _, name = re.sub(r"^.*[/:](?=[^/:]+/[^/:]+$)", "", repo).removesuffix(".git").rpartition("/")
    full = [f"{owner}/{name}", f"{owner}__{name}", f"{owner}+{name}", f"{owner}_{name}", f"{owner}-{name}"]
    names = [*(full if owner else ()), name, repository_name(name or repo)]
    for one in dict.fromkeys(names):
        for path in (mirrors / one, mirrors / f"{one}.git"):
            yield from _inside(path)
    if not mirrors.is_dir():
        raise RepositoryError(f"{mirrors} is no folder with repositories")
    for path in sorted(mirrors.iterdir()):
        last = re.split(r"__|\+", path.name.removesuffix(".git"))[-1]
        if last == name:
            yield from _inside(path)
        elif path.is_dir() and _git_dir(path) is None:
            yield from _inside(path / name)
            yield from _inside(path / f"{name}.git")


def _inside(path: Path) -> Iterator[Path]:
    for folder in (path, path / "repo", path / "repo.git"):
        if _git_dir(folder) is not None:
            yield folder


def _git_dir(path: Path) -> Path | None:
    for folder in (path / ".git", path):
        if all((folder / part).exists() for part in ("HEAD", "objects", "refs")):
            return folder
    return None


def _is_url(repo: str) -> bool:
    return bool(re.match(r"(?:https?|ssh|git|file)://|[\w.-]+@[\w.-]+:", repo))

"""Where a row's repository is to be had: a path, a URL, a folder of mirrors, or its public host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from models import Refused
from models.secrets.settings import hide_all, reveal

from ..repository import local_path, repository_name
from ..safe_git import GitFailed, RepositoryError, git
from ..source_repository import SourceGit, find_git, viewed

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
    if (path := local_path(repo)) is not None:
        return path
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
    source = _source(path)
    if source is None or not commit:
        return source is not None
    try:
        with viewed(source) as view:
            kind = git("cat-file", "-t", commit, git_dir=view, ok=(0, 1, 128))
    except (RepositoryError, OSError):
        return False
    return kind.strip() == b"commit"


def commit_date(path: Path, commit: str) -> str:
    """When a commit was made, ISO 8601 in UTC."""
    with _viewed(path) as view:
        said = git("log", "-1", "--format=%ct", f"{commit or 'HEAD'}^{{commit}}", "--", git_dir=view)
    return datetime.fromtimestamp(int(said.split()[-1]), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def nearest_tag(path: Path, commit: str) -> tuple[str, str]:
    """(tag, its commit) of the last release before a commit: what tools that read versions from tags need.

    ("", "") without one. It names nothing later than the commit.
    """
    words = ("describe", "--tags", "--abbrev=0", "--match", "*[0-9].[0-9]*", commit or "HEAD")
    with _viewed(path) as view:
        try:
            tag = git(*words, git_dir=view, ok=(0, 128)).decode("utf-8", "replace").strip()
            name = f"refs/tags/{tag}^{{commit}}"
            return (tag, git("rev-parse", name, git_dir=view).decode().strip()) if tag else ("", "")
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
        elif path.is_dir() and _source(path) is None:
            yield from _inside(path / name)
            yield from _inside(path / f"{name}.git")


def _inside(path: Path) -> Iterator[Path]:
    for folder in (path, path / "repo", path / "repo.git"):
        if _source(folder) is not None:
            yield folder


def _source(path: Path) -> SourceGit | None:
    try:
        return find_git(path)
    except RepositoryError:
        return None  # it leads elsewhere: another may have the commit


@contextmanager
def _viewed(path: Path) -> Iterator[Path]:
    source = find_git(path)
    if source is None:
        raise RepositoryError(f"{path} is no git repository")
    with viewed(source) as view:
        yield view


def _is_url(repo: str) -> bool:
    return bool(re.match(r"(?:https?|ssh|git|file)://|[\w.-]+@[\w.-]+:", repo))

"""A repository that somebody else made, read as data: git works in a git directory of Winnow's own.

Whoever made a repository chose its configuration, attributes, hooks and links. Those name programs that git runs
(`gpg.program`, `core.fsmonitor`, filters, textconv) and other repositories of the same machine. So git never sees
them. `viewed` makes a view: HEAD, the references and the index as copies of plain files, the objects as links to the
folders that hold them, and a configuration of Winnow's own.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .plain_files import read_plain
from .safe_git import GitFailed, RepositoryError, git

_LINE = 1 << 13  # bytes of a file that holds one name
_TEXT = 1 << 20  # of settings and lists of ignored files
_TABLE = 1 << 29  # of packed references and of an index
_MOST_ALTERNATES = 20
_DEEPEST_SUBMODULE = 10
_OBJECTS = re.compile(r"pack|[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class SourceGit:
    """Where a repository's files lie. own: the folder with its HEAD and index; common: that with its references and
    objects, another one where `own` is a worktree's."""

    own: Path
    common: Path


def find_git(folder: Path) -> SourceGit | None:
    """The repository whose top is `folder`: a working tree, a linked worktree, a submodule, a bare one; None for none.

    Raises RepositoryError where it leads to a repository that does not know of it.
    """
    dot_git = folder / ".git"
    if dot_git.is_symlink():
        raise RepositoryError(f"{dot_git} is a link to another repository: name that one, or clone it")
    if dot_git.is_dir() and os.path.lexists(dot_git / "HEAD"):
        return _undivided(dot_git)
    if dot_git.is_file():
        return _linked(folder, dot_git)
    return _undivided(folder) if is_bare(folder) else None


def is_bare(folder: Path) -> bool:
    """Whether a folder has the parts of a repository itself."""
    return all(os.path.lexists(folder / part) for part in ("HEAD", "objects", "refs"))


def _undivided(git_dir: Path) -> SourceGit:
    if os.path.lexists(git_dir / "commondir"):
        raise RepositoryError(f"{git_dir} leads to another repository by its file commondir: clone that one")
    return SourceGit(git_dir, git_dir)


def _linked(folder: Path, dot_git: Path) -> SourceGit | None:
    """The repository that a .git file names, if it names this folder too: else anybody's could be looked into."""
    text = _line(dot_git)
    if not text.startswith("gitdir: "):
        return None
    own = Path(os.path.realpath(folder / text.removeprefix("gitdir: ")))
    common = Path(os.path.realpath(own / named)) if (named := _line(own / "commondir")) else own
    if common != own:  # a linked worktree
        knows = own.parent == common / "worktrees" and _same(own / _line(own / "gitdir"), dot_git)
        remedy = "run `git worktree repair` in the main one"
    else:  # a submodule, or a git directory kept elsewhere
        worktree = _setting(own / "config", "core.worktree")
        knows = bool(worktree) and _same(own / worktree, folder)
        remedy = f"run `git --git-dir={own} config core.worktree {folder}` if it is yours"
    if not knows:
        raise RepositoryError(
            f"{dot_git} leads to the repository {own}, which does not know of this folder: {remedy}"
        )
    return SourceGit(own, common)


def _same(path: Path, other: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)


def _line(path: Path) -> str:
    return os.fsdecode((read_plain(path, _LINE) or b"").strip(b"\r\n"))


def _setting(config: Path, name: str) -> str:
    """A value of a configuration file, without those that it includes; "" where it is not set."""
    content = read_plain(config, _TEXT) or b""
    try:
        command = ("config", "--no-includes", "--file", "-", "-z", "--get", name)
        said = git(*command, stdin=content, cwd=Path("/"), ok=(0, 1))
    except GitFailed:
        return ""
    return os.fsdecode(said.rstrip(b"\0"))


@contextmanager
def viewed(source: SourceGit) -> Iterator[Path]:
    """A bare git directory of Winnow's own, in a temporary folder, that shows what `source` holds.

    Raises RepositoryError where the source keeps its objects or references in a way that cannot be shown.
    """
    config = source.common / "config"
    if _setting(config, "extensions.refstorage") not in ("", "files"):
        raise RepositoryError(f"{source.common} keeps its references in tables: clone it, and name the clone")
    with tempfile.TemporaryDirectory(prefix="winnow-git-") as folder:
        view = Path(folder)
        _write_config(view, _setting(config, "extensions.objectformat") or "sha1")
        _write_head(source.own / "HEAD", view / "HEAD")
        _copy_references(source.common / "refs", view / "refs")
        _copy(source.common / "packed-refs", view / "packed-refs", _TABLE)
        for name, limit in (("shallow", _TABLE), ("info/exclude", _TEXT)):
            _copy(source.common / name, view / name, limit)
        for index in (source.own / "index", *source.own.glob("sharedindex.*")):
            _copy(index, view / index.name, _TABLE)
        _show_objects(source.common / "objects", view)
        yield view


def tracked_paths(top: Path, source: SourceGit, depth: int = 0) -> dict[bytes, None]:
    """Paths relative to `top` that the repository's own index tracks, those of its submodules too."""
    with viewed(source) as view:
        staged = git("ls-files", "-z", "--stage", git_dir=view)
    paths: dict[bytes, None] = {}
    for line in filter(None, staged.split(b"\0")):
        about, path = line.split(b"\t", 1)
        inner = {}
        if about.startswith(b"160000") and depth < _DEEPEST_SUBMODULE:
            inner = _tracked_in_submodule(top, path, depth)
        paths.update({path + b"/" + name: None for name in inner} or {path: None})
    return paths


def _tracked_in_submodule(top: Path, path: bytes, depth: int) -> dict[bytes, None]:
    folder = top / os.fsdecode(path)
    if os.path.realpath(folder) != os.path.join(os.path.realpath(top), os.fsdecode(path)):
        return {}  # a link stands in its way
    try:
        inner = find_git(folder)
        return tracked_paths(folder, inner, depth + 1) if inner else {}
    except RepositoryError:
        return {}  # its files are untracked ones then


def _write_config(view: Path, object_format: str) -> None:
    config = "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n"
    if object_format not in ("sha1", "sha256"):
        raise RepositoryError(f"{object_format!r} is no kind of object ids that git knows")
    (view / "config").write_text(f"{config}\tobjectformat = {object_format}\n")


def _write_head(source: Path, target: Path) -> None:
    _copy(source, target, _LINE)
    if source.is_symlink() and (name := os.readlink(source)).startswith(
        "refs/"
    ):  # as old versions of git have it
        target.write_text(f"ref: {name}\n")
    if not target.exists():
        raise RepositoryError(f"{source} is no file that names a branch or a commit: run `git fsck` there")


def _copy(source: Path, target: Path, limit: int) -> None:
    content = read_plain(source, limit)
    if content is not None:
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)


def _copy_references(source: Path, target: Path) -> None:
    """Loose references. Links are left out: they could name references of another repository."""
    target.mkdir()
    if source.is_symlink():
        raise RepositoryError(f"{source} is a link to another repository's references: clone the repository")
    for entry in os.scandir(source):
        if entry.is_dir(follow_symlinks=False):
            _copy_references(source / entry.name, target / entry.name)
        elif entry.is_file(follow_symlinks=False):
            _copy(source / entry.name, target / entry.name, _LINE)


def _show_objects(objects: Path, view: Path) -> None:
    """Show the folders of objects, and those that they borrow from (`git clone --shared`), as git would read them."""
    shown: dict[str, Path] = {}
    waiting = [objects]
    while waiting:
        folder = waiting.pop()
        if str(folder) in shown:
            continue
        if len(shown) > _MOST_ALTERNATES:
            raise RepositoryError(f"{objects} borrows from more than {_MOST_ALTERNATES} repositories")
        place = view / ("objects" if not shown else f"borrowed-{len(shown)}")
        _link_objects(folder, place)
        shown[str(folder)] = place
        waiting += _alternates(folder)
    borrowed = [place for place in shown.values() if place.name != "objects"]
    (view / "objects/info").mkdir()
    (view / "objects/info/alternates").write_text("".join(f"{place}\n" for place in borrowed))


def _link_objects(source: Path, place: Path) -> None:
    place.mkdir()
    if source.is_symlink() or not source.is_dir():
        raise RepositoryError(f"{source} is no folder with objects of its own: clone the repository")
    for entry in os.scandir(source):
        if not _OBJECTS.fullmatch(entry.name):
            continue
        if entry.is_symlink() or any(file.is_symlink() for file in os.scandir(entry.path)):
            raise RepositoryError(f"{entry.path} links to another repository's objects: clone the repository")
        (place / entry.name).symlink_to(os.path.abspath(entry.path))


def _alternates(objects: Path) -> list[Path]:
    """The folders that git would read too, as gitrepository-layout(5) has them: lines, some in quotes as C has them."""
    folders = []
    for line in (read_plain(objects / "info/alternates", _TEXT) or b"").splitlines():
        if line.startswith(b'"'):
            line = line[1:-1].decode("unicode_escape").encode("latin-1", "replace")
        if line and not line.startswith(b"#"):
            path = Path(os.path.realpath(objects / os.fsdecode(line)))
            folders += [path] if path.is_dir() else []
    return folders

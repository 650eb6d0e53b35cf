"""A user's repository, frozen: a private copy of the tree as it is, with a history made anew (SAFETY 1, 6, 18)."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from models.secrets import KNOWN
from models.secrets.settings import hide_all

from .frozen_copy import copy_files, list_files
from .history import commit_tree, new_repository, take_history, verify_sealed
from .plain_files import read_plain
from .safe_git import RepositoryError, git, host_program
from .source_repository import SourceGit, find_git, tracked_paths, viewed
from .task import Snapshot

_URL = re.compile(r"(?:(?:https?|ssh|git|file)://|[\w.-]+@[\w.-]+:)\S+")
_MOST_IGNORES = 1 << 20  # bytes of a list of ignored files
_LARGEST_TEXT = 16 * 2**20
_LARGE = 20 * 2**20  # bytes; an untracked file above this is data and stays out of the synthetic commit
# What tools leave behind, ignored also where the repository does not say so (an unpacked sdist has no .gitignore).
_LEFTOVERS = (
    "__pycache__/",
    "*.py[cod]",
    "*.egg-info/",
    ".eggs/",
    ".pytest_cache/",
    ".mypy_cache/",
    ".ruff_cache/",
    ".hypothesis/",
    ".tox/",
    ".nox/",
    ".venv/",
    "node_modules/",
    ".coverage",
    "/target/",
)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a repository lies. git: None for a plain folder. top: None for a bare repository."""

    top: Path | None
    git: SourceGit | None
    notes: tuple[str, ...] = ()


def freeze(
    source: str | Path,
    folder: Path,
    *,
    clone_into: Path | None = None,
    at: str | None = None,
    commit: str | None = None,
    history: bool = True,
) -> Snapshot:
    """Freeze a repository into the new folder `folder`, which the caller owns and nobody changes afterwards.

    source: a working tree, a folder inside one, a bare repository, a git URL (cloned into `clone_into` first; of a
    file URL the commit is taken, not the working tree), or a folder without git. Uncommitted, untracked and ignored
    files are part of it; untracked secrets are not. Nothing that the source's own settings name is run or read.
    at: the path at which sandboxes show it; by default its own, and /workspace/NAME where it has none.
    commit: take this commit's tree instead of the working tree. history: False leaves out the commits before the base.
    Blocks. Raises RepositoryError, NotSealed.
    """
    found = _found(source, clone_into)
    if folder.exists() and any(folder.iterdir()):
        raise RepositoryError(f"{folder} is not empty: a frozen repository needs a folder of its own")
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as views:
        view = views.enter_context(viewed(found.git)) if found.git else None
        return _frozen(source, found, view, folder, at, commit, history)


def _frozen(
    source: str | Path,
    found: _Source,
    view: Path | None,
    folder: Path,
    at: str | None,
    commit: str | None,
    history: bool,
) -> Snapshot:
    base, object_format = _base(found, view, commit)
    notes = list(found.notes)
    repository = new_repository(folder, object_format)
    if base and view:
        notes += take_history(repository, view / "objects", view / "shallow", base, before=history)
    if found.top is None or commit:
        if not base:
            raise RepositoryError(
                f"{source} is a bare repository without a commit: there is nothing to work on"
            )
        _exclude(repository, view)
        git("read-tree", base, git_dir=repository)
        git("checkout-index", "--all", "--quiet", git_dir=repository, work_tree=folder)
    else:
        index = tracked_paths(found.top, found.git) if found.git else {}
        listing = list_files(found.top, tracked=index, skip=folder.absolute())
        notes += listing.notes() + copy_files(found.top, folder, listing)
        _exclude(repository, view)
        if base:
            git("read-tree", base, git_dir=repository)
        large = {path for path, size in listing.sizes.items() if size > _LARGE and path not in index}
        if large and (hidden := _hide_data(folder, repository, large)):
            notes.append(f"{hidden} untracked file(s) over 20 MiB are there, but are no part of patches")
        _add_all(folder, repository, index)
    head = commit_tree(folder, base)
    git("update-index", "-q", "--refresh", git_dir=repository, work_tree=folder, ok=(0, 1))
    _check_clean(folder, repository)
    verify_sealed(folder, base)
    digest = git("rev-parse", "HEAD^{tree}", git_dir=repository).decode().strip()
    if head != base and base:
        notes.append("uncommitted or untracked files are part of the base, as one commit on top of it")
    if not base:
        notes.append("there is no commit: the files as they are make the base")
    notes += _pointers(folder, repository)
    name = _name(source, found)
    return Snapshot(
        tree=folder,
        at=at or (str(found.top) if found.top else f"/workspace/{name}"),
        base=base,
        head=head,
        digest=digest,
        notes=tuple(notes),
        checkout="" if found.top is None or commit else str(found.top),
    )


def repository_name(source: str | Path) -> str:
    """A short name for people and ids: the last part of a path or URL, without ".git"."""
    last = re.split(r"[/:]", re.split(r"[?#]", str(source))[0].rstrip("/"))[-1]
    if not _is_url(source):
        last = Path(source).resolve().name
    return re.sub(r"[^\w.-]+", "-", last.removesuffix(".git")).strip("-.") or "repository"


def tracked_files(tree: Path) -> tuple[str, ...]:
    """Relative POSIX paths of HEAD's regular files, sorted; bytes that are no UTF-8 as surrogates (os.fsencode)."""
    return tuple(sorted(path for path, (mode, _) in head_entries(tree).items() if mode.startswith("100")))


def read_text(tree: Path, path: PurePosixPath) -> str | None:
    """A tracked file's text, its line ends as they are; None where it is missing, a link, huge, or no UTF-8 text."""
    entry = head_entries(tree).get(path.as_posix())
    if entry is None or not entry[0].startswith("100"):
        return None
    try:
        content = _open_inside(tree, path)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return None if "\0" in text else text


def head_entries(tree: Path) -> dict[str, tuple[str, str]]:
    """Path -> (mode, object id) of all in HEAD, links and submodules too. The result is shared: do not change it."""
    head = (tree / ".git/refs/heads/main").read_text().strip()
    return _entries(tree, head)


@lru_cache(maxsize=16)
def _entries(tree: Path, head: str) -> dict[str, tuple[str, str]]:
    entries = {}
    for line in git("ls-tree", "-r", "-z", "--full-tree", head, git_dir=tree / ".git").split(b"\0"):
        if line:
            about, path = line.split(b"\t", 1)
            mode, _, sha = about.decode().split(" ")
            entries[os.fsdecode(path)] = (mode, sha)
    return entries


def _open_inside(tree: Path, path: PurePosixPath) -> bytes:
    """Read a file, refusing a link at every step of the way. Raises OSError."""
    *parents, last = path.parts
    folder = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for parent in parents:
            inner = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        with os.fdopen(os.open(last, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError("no regular file")
            if os.fstat(file.fileno()).st_size > _LARGEST_TEXT:
                raise OSError("too large for a text")
            return file.read(_LARGEST_TEXT)
    finally:
        os.close(folder)


def _found(source: str | Path, clone_into: Path | None) -> _Source:
    if not _is_url(source):
        return _find(Path(source))
    if (path := local_path(str(source))) is not None:
        found = _find(path)
        return _Source(None, found.git, found.notes) if found.git else found
    if clone_into is None:
        raise RepositoryError(f"{hide_all(str(source))} is a URL, and there is no folder to clone it into")
    return _Source(None, find_git(clone(str(source), clone_into)))


def local_path(url: str) -> Path | None:
    """The folder that a file URL names: it is read as it is, since cloning would let its own settings have a say."""
    return Path(unquote(urlsplit(url).path)) if url.startswith("file://") else None


def _is_url(source: str | Path) -> bool:
    return isinstance(source, str) and bool(_URL.fullmatch(source)) and not os.path.exists(source)


def clone(url: str, into: Path, *, otherwise: str = "") -> Path:
    """A bare clone, with the user's own git configuration and keys: the repository may be a private one.

    otherwise: what the user can do instead, said where git cannot clone it. Raises RepositoryError.
    """
    import subprocess

    shown = hide_all(url)
    # git keeps the address that it was given in the clone. A password in it comes by a setting of this process, which
    # is neither kept nor seen in the list of processes.
    settings = {"core.hooksPath": "/dev/null", **({f"url.{url}.insteadOf": shown} if url != shown else {})}
    environment = {
        **os.environ,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        **_as_variables(settings),
    }
    into.parent.mkdir(parents=True, exist_ok=True)
    command = [host_program("git"), "clone", "--bare", "--quiet", "--", shown, str(into.absolute())]
    done = subprocess.run(command, env=environment, capture_output=True, stdin=subprocess.DEVNULL, cwd="/")
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no word why"]
        raise RepositoryError(f"{shown} cannot be cloned: {KNOWN.clean(words[-1])}{otherwise}")
    return into


def _as_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings for git as variables of its environment, after those that the user has there."""
    first = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    variables = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for number, (name, value) in enumerate(settings.items(), first):
        variables |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


def _find(source: Path) -> _Source:
    """Find the repository that `source` is or lies in, without asking git, which would believe what it says."""
    if not source.is_dir():
        what = "is a file: name the folder it lies in" if source.exists() else "does not exist"
        raise RepositoryError(f"{source} {what}")
    start = Path(os.path.realpath(source))
    for folder in (start, *start.parents):
        repository = find_git(folder)
        if repository is None:
            continue
        if folder == start:
            return _Source(folder if os.path.lexists(folder / ".git") else None, repository)
        if not os.path.lexists(folder / ".git"):
            continue  # the inside of a bare repository
        part = os.fsencode(start.relative_to(folder)) + b"/"
        if any(path.startswith(part) for path in tracked_paths(folder, repository)):
            note = f"{start} lies in the repository {folder}, which is taken whole"
            return _Source(folder, repository, (note,))
        return _Source(start, None, (f"{start} is no part of the repository around it, {folder}",))
    return _Source(start, None)


def _base(found: _Source, view: Path | None, commit: str | None) -> tuple[str, str]:
    """The base commit ("" for none) and the kind of object ids."""
    if found.git is None or view is None:
        if commit:
            raise RepositoryError(
                f"{found.top} is no git repository: there is no commit {commit} to start from"
            )
        return "", "sha1"
    where = found.top or found.git.common
    object_format = git("rev-parse", "--show-object-format", git_dir=view).decode().strip()
    base = _named(view, f"{commit or 'HEAD'}^{{commit}}")
    if commit and not base:
        raise RepositoryError(f"{where} has no commit {commit}")
    if not base and _named(view, "HEAD"):
        raise RepositoryError(f"HEAD of {where} names a commit that is not there: run `git fsck` in it")
    return base, object_format


def _named(view: Path, name: str) -> str:
    """The id of the object that has a name, "" for none."""
    words = ("rev-parse", "--verify", "-q", "--end-of-options", name)
    return git(*words, git_dir=view, ok=(0, 1, 128)).decode().strip()


def _exclude(repository: Path, view: Path | None) -> None:
    """What git ignores in the copy: what it ignores for the user, and what tools leave behind."""
    lines = ["\n".join(_LEFTOVERS).encode()]
    own = _global_ignores()
    if own and own.is_file():
        lines.append(own.read_bytes())
    lines.append((view and read_plain(view / "info/exclude", _MOST_IGNORES)) or b"")
    (repository / "info/exclude").write_bytes(b"\n".join(lines) + b"\n")


def _hide_data(tree: Path, repository: Path, large: set[bytes]) -> int:
    """Have git ignore the large files that it would take in; returns how many those are."""
    others = git("ls-files", "-z", "--others", "--exclude-standard", git_dir=repository, work_tree=tree)
    hidden = sorted(large.intersection(others.split(b"\0")))
    with open(repository / "info/exclude", "ab") as file:
        for path in hidden:
            file.write(b"/" + re.sub(rb"([\\*?\[ ])", rb"\\\1", path).replace(b"\n", b"?") + b"\n")
    return len(hidden)


def _global_ignores() -> Path | None:
    """The user's own ignore file, read as a setting and not run: what it hides must not enter the commit."""
    import subprocess

    command = [host_program("git"), "config", "--global", "--type=path", "--get", "core.excludesFile"]
    said = subprocess.run(command, capture_output=True, cwd="/").stdout.strip()
    if said:
        return Path(os.fsdecode(said))
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(home) / "git/ignore"


def _add_all(tree: Path, repository: Path, index: dict[bytes, None]) -> None:
    """Bring the fresh index to the files on the disk: tracked ones, and untracked ones that are not ignored."""
    staged = git("ls-files", "-z", "--stage", git_dir=repository).split(b"\0")
    in_base = {line.split(b"\t", 1)[1]: line.startswith(b"160000") for line in staged if line}
    # A submodule's files are plain files here: its own history is not.
    filled = [path for path, link in in_base.items() if link and _has_files(tree, path)]
    if filled:
        git(
            "update-index",
            "-z",
            "--force-remove",
            "--stdin",
            git_dir=repository,
            stdin=b"\0".join(filled) + b"\0",
        )
    git("add", "--all", "--", ".", git_dir=repository, work_tree=tree)
    # Staged although ignored, and not committed yet: the user wants them in.
    ignored = [path for path in index if path not in in_base and _is_file(tree, path)]
    if ignored:
        git(
            "update-index",
            "-z",
            "--add",
            "--stdin",
            git_dir=repository,
            work_tree=tree,
            stdin=b"\0".join(ignored),
        )


def _has_files(tree: Path, path: bytes) -> bool:
    folder = os.path.join(os.fsencode(tree), path)
    return os.path.isdir(folder) and bool(os.listdir(folder))


def _is_file(tree: Path, path: bytes) -> bool:
    full = os.path.join(os.fsencode(tree), path)
    return os.path.islink(full) or os.path.isfile(full)


def _check_clean(tree: Path, repository: Path) -> None:
    left = git("status", "--porcelain", "-z", "--ignore-submodules=all", git_dir=repository, work_tree=tree)
    if left:
        first = os.fsdecode(left.split(b"\0")[0])
        raise RepositoryError(
            f"the private copy in {tree} cannot be brought to a clean state: {ascii(first)}"
        )


def _pointers(tree: Path, repository: Path) -> list[str]:
    attributes = (tree / path for path in head_entries(tree) if PurePosixPath(path).name == ".gitattributes")
    if not any(
        b"filter=lfs" in file.read_bytes() for file in attributes if file.is_file() and not file.is_symlink()
    ):
        return []
    pattern = "^version https://git-lfs.github.com/spec/"
    found = git("grep", "-lz", "-I", "--cached", "-e", pattern, git_dir=repository, ok=(0, 1))
    count = len([path for path in found.split(b"\0") if path])
    return [f"{count} file(s) are Git LFS pointers, not the large files themselves"] if count else []


def _name(source: str | Path, found: _Source) -> str:
    here = found.top or (found.git.common if found.git else source)
    return repository_name(source if _is_url(source) else here)

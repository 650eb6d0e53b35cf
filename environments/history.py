"""The history a sandbox may see: up to the base commit, and nothing else (SAFETY 1).

The repository is not cleaned but made anew: an empty one takes exactly the objects that the base commit reaches.
`verify_sealed` then proves it from the result alone, so that it also judges repositories that came from elsewhere.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from .safe_git import GitFailed, RepositoryError, alternates, git

PREPARED = "prepared tree"
_BRANCH = "refs/heads/main"
_CONFIG = (
    "[core]\n\trepositoryformatversion = {version}\n\tfilemode = true\n\tbare = false\n"
    "\tlogallrefupdates = false\n"
)
_CONFIG_KEYS = frozenset(
    f"core.{key}" for key in ("repositoryformatversion", "filemode", "bare", "logallrefupdates", "symlinks")
) | {"extensions.objectformat"}
_WHO = {
    f"GIT_{role}_{part}": value
    for role in ("AUTHOR", "COMMITTER")
    for part, value in (("NAME", "Winnow"), ("EMAIL", "winnow@localhost"), ("DATE", "946684800 +0000"))
}
_ALLOWED = re.compile(
    rb"HEAD|config|index|shallow|info|info/(exclude|attributes)|refs|refs/heads|refs/heads/main|refs/tags|"
    rb"objects|objects/(pack|info)|objects/[0-9a-f]{2}|objects/[0-9a-f]{2}/[0-9a-f]{38,62}|"
    rb"objects/pack/pack-[0-9a-f]{40,64}\.(pack|idx|rev)"
)


class NotSealed(RepositoryError):
    """A repository that holds more than the history up to its base commit, so that no sandbox may see it."""


def new_repository(tree: Path, object_format: str = "sha1") -> Path:
    """An empty .git in `tree`, on a branch "main"; returns its path."""
    folder = tree / ".git"
    for part in ("objects/pack", "objects/info", "refs/heads", "refs/tags", "info"):
        (folder / part).mkdir(parents=True)
    (folder / "HEAD").write_text(f"ref: {_BRANCH}\n")
    config = _CONFIG.format(version=0 if object_format == "sha1" else 1)
    if object_format != "sha1":
        config += f"[extensions]\n\tobjectformat = {object_format}\n"
    (folder / "config").write_text(config)
    # Files enter the repository byte for byte: HEAD, the files on the disk and a patch then say the same.
    (folder / "info/attributes").write_text("* -text -filter -ident -working-tree-encoding\n")
    return folder


def take_history(
    repository: Path, objects: Path, shallow: Path, base: str, *, before: bool = True
) -> list[str]:
    """Put what `base` reaches into the empty `repository` and its branch on it; returns notes.

    objects, shallow: of the repository it comes from, of which nothing else is read and nothing is written.
    before: False takes the base commit alone, as a shallow clone of depth one has it.
    """
    notes = []
    if not before:
        (repository / "shallow").write_text(base + "\n")
        notes.append("the history before the base commit was left out")
    elif shallow.is_file():
        (repository / "shallow").write_bytes(shallow.read_bytes())
        notes.append("the repository is shallow: its history starts late")
    try:
        _pack(repository, objects, base)
    except GitFailed:
        # A partial clone, or a damaged old commit: the base commit's own tree is all that is needed.
        for unfinished in (repository / "objects/pack").iterdir():
            unfinished.unlink()
        (repository / "shallow").write_text(base + "\n")
        try:
            _pack(repository, objects, base)
        except GitFailed as error:
            raise RepositoryError(
                f"the commit {base[:12]} cannot be read whole: run `git fsck` in the repository; in a partial clone, "
                f"`git fetch --refetch` ({error})"
            ) from error
        notes.append("the history before the base commit is incomplete and was left out")
    _prune_shallow(repository)
    git("update-ref", "--no-deref", _BRANCH, base, git_dir=repository)
    return notes


def commit_tree(tree: Path, base: str) -> str:
    """Commit the index on top of `base` where it differs; returns HEAD. The same tree and base give the same id."""
    repository = tree / ".git"
    written = git("write-tree", git_dir=repository).decode().strip()
    if base and git("rev-parse", f"{base}^{{tree}}", git_dir=repository).decode().strip() == written:
        return base
    parents = ("-p", base) if base else ()
    head = (
        git("commit-tree", written, *parents, "-m", PREPARED, git_dir=repository, env=_WHO).decode().strip()
    )
    git("update-ref", "--no-deref", _BRANCH, head, git_dir=repository)
    return head


def verify_sealed(tree: Path, base: str) -> None:
    """Prove that `tree` holds the history up to `base` ("" for none), one synthetic commit at most, and no more.

    Every object of the store must be reachable from HEAD: a commit, tree, tag or file of later history, packed or
    loose, is not. Raises NotSealed with a sentence.
    """
    repository = tree / ".git"
    _verify_files(tree, repository)
    _verify_head(repository, base)
    try:
        listed = git(
            "cat-file",
            "--batch-all-objects",
            "--unordered",
            "--batch-check=%(objectname)",
            git_dir=repository,
        )
        reached = git("rev-list", "--objects", "--no-object-names", "HEAD", "--", git_dir=repository)
    except GitFailed as error:
        raise NotSealed(f"the repository in {tree} is damaged: {error}") from error
    try:
        git("diff-index", "--cached", "--quiet", "HEAD", "--", git_dir=repository)
    except GitFailed as error:
        raise NotSealed(f"the index of {repository} names files that its HEAD does not have") from error
    _verify_shallow(repository, reached)
    left = set(listed.split()) - set(reached.split())
    if left:
        first = sorted(left)[0].decode()
        kind = git("cat-file", "-t", first, git_dir=repository).decode().strip()
        raise NotSealed(
            f"{tree} holds {len(left)} object(s) that its HEAD does not reach, such as the {kind} {first[:12]}: "
            "later history may be among them"
        )


def _verify_files(tree: Path, repository: Path) -> None:
    if repository.is_symlink() or not repository.is_dir():
        raise NotSealed(f"{repository} is no folder of its own: its history lies elsewhere")
    for parent, folders, files in os.walk(os.fsencode(repository)):
        for name in (*folders, *files):
            path = os.path.join(parent, name)
            inside = os.path.relpath(path, os.fsencode(repository))
            if not _ALLOWED.fullmatch(inside) or not _is_plain(path):
                raise NotSealed(
                    f"{repository} holds {ascii(os.fsdecode(inside))[1:-1]}, which may lead to later history"
                )
    for parent, folders, files in os.walk(os.fsencode(tree)):
        inner = [name for name in (*folders, *files) if name.lower() == b".git"]
        if parent == os.fsencode(tree):
            folders[:] = [name for name in folders if name != b".git"]
            inner = [name for name in inner if name != b".git"]
        if inner:
            raise NotSealed(f"{os.fsdecode(parent)} in the copy holds a repository of its own")
    config = repository / "config"
    try:
        names = git("config", "--file", str(config), "--list", "--name-only", "-z", git_dir=repository)
    except GitFailed as error:
        raise NotSealed(f"the configuration of {repository} cannot be read") from error
    for name in names.decode("utf-8", "replace").split("\0"):
        if name and name.lower() not in _CONFIG_KEYS:
            raise NotSealed(f"{config} sets {name}, which a sealed repository does not")


def _verify_shallow(repository: Path, reached: bytes) -> None:
    """A line of this file is the id of a commit: of none that HEAD does not reach."""
    shallow = repository / "shallow"
    if shallow.exists() and (others := set(shallow.read_bytes().split()) - set(reached.split())):
        raise NotSealed(f"{shallow} names {len(others)} commit(s) that its HEAD does not reach")


def _is_plain(path: bytes) -> bool:
    """Whether it is a file or a folder: git, and we, would wait for a pipe."""
    kind = os.lstat(path).st_mode
    return stat.S_ISREG(kind) or stat.S_ISDIR(kind)


def _verify_head(repository: Path, base: str) -> None:
    head_is = (repository / "HEAD").read_text(errors="replace")
    if head_is.strip() != f"ref: {_BRANCH}":
        raise NotSealed(f"HEAD of {repository} is not on its one branch")
    refs = git("for-each-ref", "--format=%(refname)", git_dir=repository).decode("utf-8", "replace").split()
    if refs != [_BRANCH]:
        raise NotSealed(
            f"{repository} has the references {', '.join(refs) or '(none)'} and may have only {_BRANCH}"
        )
    try:
        shown = git("log", "-1", "--format=%H%n%P%n%s%n%ae", "HEAD", "--", git_dir=repository)
    except GitFailed as error:
        raise NotSealed(f"HEAD of {repository} cannot be read: {error}") from error
    head, parents, subject, author = shown.decode("utf-8", "replace").split("\n")[:4]
    if base and head == base:
        return
    if parents != base or subject != PREPARED or author != _WHO["GIT_AUTHOR_EMAIL"]:
        raise NotSealed(
            f"HEAD of {repository} is {head[:12]}, neither the base commit nor the prepared tree on it"
        )


def _pack(repository: Path, objects: Path, base: str) -> None:
    """Stored deltas are taken over as they are: no search for new ones, which would take most of the time."""
    git(
        "pack-objects",
        "--revs",
        "-q",
        "--delta-base-offset",
        "--window=0",
        str(repository / "objects/pack/pack"),
        git_dir=repository,
        stdin=base.encode() + b"\n",
        env={"GIT_ALTERNATE_OBJECT_DIRECTORIES": alternates(objects)},
    )


def _prune_shallow(repository: Path) -> None:
    """Keep only the cuts that the base commit reaches: the others name commits that nobody here should know of."""
    shallow = repository / "shallow"
    if not shallow.is_file():
        return
    answers = git("cat-file", "--batch-check", git_dir=repository, stdin=shallow.read_bytes()).splitlines()
    kept = [line.split()[0] for line in answers if not line.endswith(b" missing")]
    if kept:
        shallow.write_bytes(b"".join(line + b"\n" for line in kept))
    else:
        shallow.unlink()

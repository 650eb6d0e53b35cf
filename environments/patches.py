"""Patches against a frozen repository: made and applied by git itself, in a scratch repository beside it.

The scratch repository borrows the frozen one's objects and has an index of its own, so that the tree is never
touched and no configuration, hook or filter has a say.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sandbox import Sandbox

from .blobs import SETTINGS, blob_sizes, read_blobs
from .patch_limits import LARGEST_RESULT, LONGEST_PATH, MOST_FILES, TOO_LARGE, refusal_of
from .repository import head_entries
from .safe_git import CPU_SECONDS, GitFailed, alternates, git
from .task import Snapshot

_MEMORY = 512 * 2**20
"""Bytes that git may take for a patch, besides the indexes of the repository's packs."""
_NO_MEMORY = re.compile(r"[Oo]ut of memory|Cannot allocate memory|mmap failed|unable to create threaded")
_ABSENT = "000000"
_TEXT = 8 * 2**20
"""Bytes of a file whose line ends are looked at."""


class PatchFails(Exception):
    """A patch, or a change, that cannot be made to the repository; the message is the reason, one sentence."""


@dataclass(frozen=True, slots=True)
class Change:
    """A file's new content, None where it is deleted. mode: 0o644 or 0o755."""

    content: bytes | None
    mode: int = 0o644


def diff(tree: Path, changed: Mapping[str, str | None]) -> str:
    """The git-style patch from HEAD of `tree` to these full new texts (None: deleted), "" where nothing differs.

    It is always text: what is no UTF-8 is written in git's base85 form. Raises PatchFails for a path that is not one
    of the repository's (outside, inside .git, under a link or a file).
    """
    return diff_changes(tree, changes_from(tree, changed))


def diff_changes(tree: Path, changes: Mapping[str, Change]) -> str:
    """`diff` for changes of any content and mode: binary files, execute bits."""
    entries = head_entries(tree)
    for path, change in changes.items():
        _refuse_path(path, entries, new=change.content is not None)
        if change.content is None and path not in entries:
            raise PatchFails(f"{path} cannot be deleted: it does not exist")
    with _scratch(tree) as scratch:
        _put(scratch, entries, changes)
        try:
            return _written(scratch, tree).decode("utf-8")
        except UnicodeDecodeError:
            (scratch.git_dir / "info/attributes").write_bytes(
                b"".join(
                    _binary_line(path)
                    for path, change in changes.items()
                    if _is_binary(scratch, entries, path, change.content)
                )
            )
            return _written(scratch, tree, "core.quotePath=true").decode("utf-8")


def diffable(tree: Path, path: str, change: Change) -> str:
    """Why `diff_changes` would refuse this change, "" where it would not."""
    try:
        _refuse_path(path, head_entries(tree), new=change.content is not None)
    except PatchFails as error:
        return str(error)
    return ""


def apply_patch(tree: Path, patch: str) -> dict[str, bytes | None]:
    """The files that a patch changes, with their whole new content (None: deleted); see `changes_of`."""
    return {path: change.content for path, change in changes_of(tree, patch).items()}


def changes_of(tree: Path, patch: str) -> dict[str, Change]:
    """What a patch changes in HEAD of `tree`, which is not touched. An empty patch changes nothing.

    Names with a/ and b/ or without, CRLF where the file has LF and the other way round, and wrong hunk counts are
    tolerated. Raises PatchFails with the reason: it does not apply, leaves the repository, or makes a link.
    """
    if not patch or patch.isspace():
        return {}
    entries = head_entries(tree)
    given = _bytes(patch if patch.endswith("\n") else patch + "\n")
    if refusal := refusal_of(given):
        raise PatchFails(refusal)
    for variant in _variants(given, tree, entries):
        for options in _options(variant):
            with _scratch(tree) as scratch:
                try:
                    scratch.git("apply", "--cached", "--whitespace=nowarn", *options, "-", stdin=variant)
                except GitFailed as error:
                    refusal = refusal or _reason(error.said)
                    continue
                return _changes(scratch, tree, entries)
    raise PatchFails(refusal or "there is no diff in it")


def _variants(given: bytes, tree: Path, entries: Mapping[str, tuple[str, str]]) -> Iterator[bytes]:
    """What a patch may have meant, likeliest first, each made when those before it were refused."""
    yield given
    plain = _plain_ends(given)
    if plain != given:
        yield plain
    del plain
    fitted = _ends_as_in_files(given, tree, entries)
    if fitted != given:
        yield fitted
    anywhere = _anywhere(fitted)
    if anywhere != fitted:
        yield anywhere


async def write_patch(sandbox: Sandbox, snapshot: Snapshot, patch: str) -> dict[str, Change]:
    """Bring a sandbox's repository, which is at HEAD, to what the patch makes of it. Raises PatchFails."""
    changes = changes_of(snapshot.tree, patch)
    await write_changes(sandbox, snapshot, changes)
    return changes


async def write_changes(sandbox: Sandbox, snapshot: Snapshot, changes: Mapping[str, Change]) -> None:
    """Write files into the repository of a sandbox, deletions first: a folder may take a deleted file's place."""
    deleted = [path for path, change in sorted(changes.items()) if change.content is None]
    if deleted:
        names = " ".join(shlex.quote(f"{snapshot.at}/{path}") for path in deleted)
        result = await sandbox.run(f"rm -f -- {names}")
        if result.exit_code:
            raise PatchFails(f"files cannot be deleted in the sandbox: {result.output.strip()[-200:]}")
    for path, change in sorted(changes.items()):
        if change.content is not None:
            await sandbox.write(f"{snapshot.at}/{path}", change.content, change.mode)


def changes_from(tree: Path, texts: Mapping[str, str | None]) -> dict[str, Change]:
    """Full new texts as changes, each existing file with the mode it has."""
    entries = head_entries(tree)
    return {
        path: Change(None if text is None else _bytes(text), _mode(entries.get(path, ("100644", ""))[0]))
        for path, text in texts.items()
    }


@dataclass(frozen=True, slots=True)
class _Scratch:
    """memory: bytes that each git may take, since a patch may make it take any amount."""

    git_dir: Path
    environment: Mapping[str, str]
    memory: int

    def git(self, *args: str | bytes, stdin: bytes = b"", settings: tuple[str, ...] = ()) -> bytes:
        """Raises GitFailed, or PatchFails where git needed more memory or time than it may take."""
        try:
            return git(
                *args,
                git_dir=self.git_dir,
                stdin=stdin,
                env=self.environment,
                settings=(*SETTINGS, *settings),
                memory=self.memory,
            )
        except GitFailed as error:
            if _NO_MEMORY.search(error.said):
                raise PatchFails(TOO_LARGE) from error
            if not error.said:  # it was killed
                raise PatchFails(
                    f"git needs more than {CPU_SECONDS} s for the patch: make a smaller one"
                ) from error
            raise


@contextmanager
def _scratch(tree: Path) -> Iterator[_Scratch]:
    """A bare repository in a temporary folder, its index at HEAD of `tree`."""
    frozen = tree / ".git"
    with tempfile.TemporaryDirectory(prefix="winnow-patch-") as folder:
        git_dir = Path(folder)
        for part in ("objects", "refs", "info"):
            (git_dir / part).mkdir()
        (git_dir / "HEAD").write_text("ref: refs/heads/main\n")
        config = (frozen / "config").read_text().replace("bare = false", "bare = true")
        (git_dir / "config").write_text(config)
        (git_dir / "info/attributes").write_bytes((frozen / "info/attributes").read_bytes())
        borrowed = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": alternates((frozen / "objects").absolute())}
        scratch = _Scratch(git_dir, borrowed, _MEMORY + _sizes_of_indexes(frozen))
        scratch.git("read-tree", _head(tree))
        yield scratch


def _sizes_of_indexes(frozen: Path) -> int:
    """git maps these as a whole, and what the user's own repository needs is no patch's doing."""
    packs = frozen / "objects/pack"
    return sum(file.stat().st_size for file in packs.glob("*") if file.suffix != ".pack")


def _head(tree: Path) -> str:
    return git("rev-parse", "HEAD^{tree}", git_dir=tree / ".git").decode().strip()


def _put(scratch: _Scratch, entries: Mapping[str, tuple[str, str]], changes: Mapping[str, Change]) -> None:
    lines = []
    for path, change in changes.items():
        name = os.fsencode(path)
        if change.content is None:
            lines.append(b"0 " + b"0" * len(entries[path][1]) + b"\t" + name)
            continue
        sha = scratch.git("hash-object", "-w", "--no-filters", "--stdin", stdin=change.content).strip()
        mode = b"100755" if change.mode == 0o755 else b"100644"
        lines.append(mode + b" " + sha + b"\t" + name)
    scratch.git("update-index", "-z", "--index-info", stdin=b"".join(line + b"\0" for line in lines))


def _written(scratch: _Scratch, tree: Path, *settings: str) -> bytes:
    return scratch.git(
        "diff-index",
        "--cached",
        "--patch",
        "--binary",
        "--full-index",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--no-renames",
        "--src-prefix=a/",
        "--dst-prefix=b/",
        _head(tree),
        settings=settings,
    )


def _changes(scratch: _Scratch, tree: Path, entries: Mapping[str, tuple[str, str]]) -> dict[str, Change]:
    raw = scratch.git("diff-index", "--cached", "--raw", "-z", "--no-renames", "--full-index", _head(tree))
    fields = raw.split(b"\0")
    if len(fields) > 2 * MOST_FILES + 1:
        raise PatchFails(f"the patch changes more than {MOST_FILES:,} files, which is not allowed")
    made: dict[str, tuple[str, str]] = {}
    for about, name in zip(fields[::2], fields[1::2], strict=False):
        old, new, _, sha, _ = about.decode().lstrip(":").split(" ")
        if len(name) > LONGEST_PATH:
            raise PatchFails(f"{os.fsdecode(name[:80])}...: the path is too long for any file system")
        path = os.fsdecode(name)
        for mode, verb in ((old, "changes"), (new, "makes")):
            if mode in ("120000", "160000"):
                what = "link" if mode == "120000" else "submodule"
                raise PatchFails(f"{path}: the patch {verb} a {what}, which is not allowed")
        _refuse_path(path, entries, new=False)
        made[path] = (new, sha)
    contents = _contents(scratch, [sha for new, sha in made.values() if new != _ABSENT])
    return {
        path: Change(None if new == _ABSENT else contents[sha], _mode(new))
        for path, (new, sha) in made.items()
    }


def _contents(scratch: _Scratch, shas: Sequence[str]) -> dict[str, bytes]:
    """What the files hold. Raises PatchFails where that is too much, each counted as often as there are files of it."""
    given = {"env": scratch.environment, "memory": scratch.memory}
    sizes = blob_sizes(shas, scratch.git_dir, **given)
    if sum(sizes[sha] for sha in shas) > LARGEST_RESULT:
        raise PatchFails(TOO_LARGE)
    return read_blobs(shas, scratch.git_dir, limit=LARGEST_RESULT, **given)


def _mode(mode: str) -> int:
    return 0o755 if mode == "100755" else 0o644


def _refuse_path(path: str, entries: Mapping[str, tuple[str, str]], *, new: bool) -> None:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or path != PurePosixPath(path).as_posix() or "\0" in path:
        raise PatchFails(f"{path!r} is no relative path of the repository")
    if ".." in parts or any(part.lower() == ".git" for part in parts):
        raise PatchFails(f"{path} leads out of the repository")
    for count in range(1, len(parts)):
        parent = entries.get("/".join(parts[:count]))
        if parent is not None and new:
            raise PatchFails(f"{path} lies under {'/'.join(parts[:count])}, which is no folder")
    if not entries.get(path, ("100644",))[0].startswith("100"):
        raise PatchFails(f"{path} is a link or a submodule, which is not changed")
    if new and path not in entries and any(other.startswith(path + "/") for other in entries):
        raise PatchFails(f"{path} is a folder")


_GIT_NAMES = re.compile(rb"^diff --git (.*)$", re.MULTILINE)
# A name ends at a tab or at the line's end and nowhere else, so there is one way to read a line, however long it is.
_PLAIN_NAMES = re.compile(
    rb"^--- \"?([^\t\r\n]+)(?=[\t\r\n])[^\n]*\n\+\+\+ \"?([^\t\r\n]+)(?=[\t\r\n])[^\n]*\n@@ -", re.MULTILINE
)


def _options(patch: bytes) -> list[tuple[str, ...]]:
    """How to call git apply, likeliest first. Names with a/ and b/ never mean folders of these names."""
    strips = ("-p1",) if _all_with_prefix(patch) else ("-p0", "-p1")
    return [(strip, *more) for strip in strips for more in ((), ("--recount",))]


def _all_with_prefix(patch: bytes) -> bool:
    """Whether all names are "a/..." and "b/...". One at a time: there may be a million."""
    if any(True for _ in _GIT_NAMES.finditer(patch)):
        return all(re.match(rb"\"?a/.* \"?b/", found[1]) for found in _GIT_NAMES.finditer(patch))
    return all(
        name.startswith((b"a/", b"b/", b"/dev/null"))
        for found in _PLAIN_NAMES.finditer(patch)
        for name in found.groups()
    )


def _plain_ends(patch: bytes) -> bytes:
    """A patch that went through a Windows editor: all its lines end in CRLF, the headers too."""
    return patch.replace(b"\r\n", b"\n")


def _ends_as_in_files(patch: bytes, tree: Path, entries: Mapping[str, tuple[str, str]]) -> bytes:
    """Give the lines of every file's hunks the line ends which that file has in HEAD."""
    patch = _plain_ends(patch)
    named = {found[0]: _path_in(found[0], entries) for found in _OLD_NAME.finditer(patch)}
    shas = {entries[path][1] for path in named.values() if path}
    with_crlf = _with_crlf(shas, tree / ".git")
    if not with_crlf:
        return patch
    headers = {header for header, path in named.items() if path and entries[path][1] in with_crlf}
    fitted, crlf, inside = bytearray(), False, False
    for line in io.BytesIO(patch):
        if line.startswith((b"diff --git ", b"--- ")):
            inside = False
        if line.startswith(b"--- "):
            crlf = line.removesuffix(b"\n") in headers
        inside = inside or line.startswith(b"@@ ")
        if inside and crlf and line[:1] in b" +-\n" and not line.startswith(b"@@ "):
            line = line.removesuffix(b"\n") + b"\r\n"
        fitted += line
    return bytes(fitted)


_OLD_NAME = re.compile(rb"^--- .*$", re.MULTILINE)


def _path_in(header: bytes, entries: Mapping[str, tuple[str, str]]) -> str:
    """The repository's file that a line "--- a/path" names, "" for none."""
    name = os.fsdecode(header[4:].split(b"\t")[0].strip().strip(b'"'))
    for path in (name, name.partition("/")[2]):
        if entries.get(path, ("",))[0].startswith("100"):
            return path
    return ""


def _with_crlf(shas: Collection[str], git_dir: Path) -> set[str]:
    """Those of these files whose lines mostly end in CRLF. Large ones are none that a patch is written for by hand."""
    sizes = {sha: size for sha, size in blob_sizes(shas, git_dir).items() if size <= _TEXT}
    groups: list[list[str]] = [[]]
    total = 0
    for sha, size in sizes.items():
        if total + size > 2 * _TEXT:
            groups.append([])
            total = 0
        groups[-1].append(sha)
        total += size
    return {
        sha
        for group in groups
        for sha, content in read_blobs(group, git_dir, limit=2 * _TEXT).items()
        if content.count(b"\r\n") * 2 > content.count(b"\n")
    }


def _anywhere(patch: bytes) -> bytes:
    """git seeks a hunk near its line, except that one said to start at line 1 must stand at the file's beginning."""
    return re.sub(rb"^@@ -1(?=[, ])", b"@@ -2", patch, flags=re.MULTILINE)


def _is_binary(
    scratch: _Scratch, entries: Mapping[str, tuple[str, str]], path: str, new: bytes | None
) -> bool:
    old = b""
    if path in entries:
        sha = entries[path][1]
        sizes = blob_sizes([sha], scratch.git_dir, env=scratch.environment)
        if sizes[sha] > LARGEST_RESULT:
            return True
        old = scratch.git("cat-file", "blob", sha)
    try:
        (old + b"\n" + (new or b"")).decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _binary_line(path: str) -> bytes:
    name = os.fsencode(path).replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"/' + re.sub(rb"([*?\[])", rb"\\\\\1", name) + b'" -text -diff -filter\n'


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape" if _escaped(text) else "replace")


def _escaped(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _reason(words: str) -> str:
    lines = [line.removeprefix("error: ") for line in words.splitlines() if line.startswith("error: ")]
    if any("No valid patches" in line or "unrecognized input" in line for line in lines):
        return "there is no diff in it"
    return "; ".join(lines[:3]) or "git says no word why"

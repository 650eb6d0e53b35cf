"""Where an export is written: whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from environments.shown_text import visible

from .export_errors import CannotExport


def write_lines(out: Path, lines: Iterable[str]) -> int:
    """Write lines into the file `out`, which is replaced once they are all there; how many. Raises CannotExport."""
    if out.is_dir():
        raise CannotExport(f"{out} is a folder: this export is one file, give it a name")
    _folder_of(out)
    count = 0
    handle, name = tempfile.mkstemp(prefix=f".{out.name}-", dir=out.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            for line in lines:
                stream.write(line)
                count += 1
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, out)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return count


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to write into that becomes `out` when all is written. Raises CannotExport where `out` is not empty."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise CannotExport(f"{out} is no folder: this export is a folder, name one that is new or empty")
    if out.is_dir() and any(out.iterdir()):
        raise CannotExport(f"the folder {out} is not empty: name one that is new, or empty it")
    _folder_of(out)
    made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        yield made
        made.chmod(0o777 & ~_umask())
        if out.is_dir():
            out.rmdir()
        made.rename(out)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def write_shown(path: Path, text: str) -> None:
    """Write one file of a folder that is there to be read: its text is fit to be shown."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(visible(text).encode())


def write_exact(path: Path, text: str) -> None:
    """Write one file of a folder that programs take; bytes that were no UTF-8 when read are the same again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape" if _escaped(text) else "backslashreplace"))


def _folder_of(out: Path) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotExport(
            f"the folder {out.parent} cannot be made ({error.strerror}): name another one"
        ) from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _escaped(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True

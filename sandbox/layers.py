"""The folders that hold what overlay sandboxes wrote, and whose they are.

`state/<run>/` belongs to the process that holds a lock on `state/<run>/owner`: the kernel lets go of the lock when
that process ends, however it ends, so nothing has to be guessed from process ids.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import stat
import struct
import subprocess
import time
from pathlib import Path

from .protocol import CannotStart, DiskFull, SandboxError

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_GET_FLAGS, _SET_FLAGS, _TOP_FOLDER = 0x80086601, 0x40086602, 0x00020000  # linux/fs.h, 64 bits


def run_folder(state: Path, run: str) -> Path:
    if not _RUN.match(run):
        raise SandboxError(
            f"{run!r} is no name for a run: use letters, digits, dots, dashes and underscores."
        )
    return state / run


class Owned:
    """A run's folder, locked for this process."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock

    def release(self) -> None:
        """Remove the folder and let go of it. Blocks while files are removed."""
        if self._lock < 0:
            return
        lock, self._lock = self._lock, -1
        remove(self.folder)
        os.close(lock)


def _spread(folder: Path) -> None:
    """Ask ext4 to put the folders in this one far from each other (FS_TOPDIR_FL, chattr +T); others may refuse.

    ext4 without a journal does not use an inode again that was freed in the last minute, and looks at each of them in a
    new one's neighbourhood. Where layers come and go by the thousand this was a fifth of a sandbox's cost.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            flags = struct.unpack("l", fcntl.ioctl(descriptor, _GET_FLAGS, bytes(struct.calcsize("l"))))[0]
            fcntl.ioctl(descriptor, _SET_FLAGS, struct.pack("l", flags | _TOP_FOLDER))
        finally:
            os.close(descriptor)


def own(folder: Path) -> Owned | None:
    """Lock a run's folder, made where missing. -> None where another living process has it.

    Raises CannotStart (DiskFull) where the folder cannot be made.
    """
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(folder / "owner", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # removed by a clean-up between the two lines
            continue
        except OSError as error:
            raise refused(error, folder) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(folder / "owner").st_ino == os.fstat(lock).st_ino:
                os.ftruncate(lock, 0)
                os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
                _spread(folder)
                return Owned(folder, lock)
        except BlockingIOError:
            os.close(lock)
            return None
        except FileNotFoundError:
            pass
        os.close(lock)  # a clean-up removed the file before we had the lock: again, with the new one


def refused(error: OSError, folder: Path) -> CannotStart:
    """The system's refusal to make or write something below `folder`, as a sentence."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"The disk that holds {folder} is full: free some space, or run `winnow clean`.")
    return CannotStart(
        f"The folder {folder} for sandboxes cannot be written: {error.strerror}; name another."
    )


def remove(folder: Path) -> None:
    """Remove a folder of layers, with the kernel's own unreadable work folders and whatever modes commands left; or a
    file.

    Blocks. A sandbox that is just dying may still write: tried again for a moment.
    """
    for pause in (0.0, 0.02, 0.1, 0.5, 1.0):
        time.sleep(pause)
        try:
            shutil.rmtree(folder)
            return
        except FileNotFoundError:
            if not folder.exists():
                return
        except NotADirectoryError:
            folder.unlink(missing_ok=True)
        except PermissionError:
            _open_up(folder)
        except RecursionError:  # folders in folders, a thousand deep
            _remove_deep(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EBUSY):
                raise
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)


def _remove_deep(folder: Path) -> None:
    """Remove a tree that is deeper than Python's own calls can go."""
    subprocess.run(["rm", "-rf", "--", str(folder)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _open_up(folder: Path | str) -> None:
    """Give ourselves every right on the folders below, so that they can be emptied. Links are not followed."""
    try:
        os.chmod(folder, stat.S_IRWXU, follow_symlinks=True)
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            _open_up(entry.path)

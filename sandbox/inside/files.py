"""Opening files for Winnow, by a server that can reach more than the code under test: never through /proc.

Whoever follows links there as the server would open the server's own memory, program and descriptors
(/proc/self/mem, /proc/self/exe, /proc/self/fd/3/..). So paths are walked here name by name, links read as text, and
nothing on the file system of /proc is ever entered. Opening never waits: not for a pipe's other end, not for a lease.
"""

import errno
import os
import stat

LINKS = 40
"""Most links on the way to one file, as in the kernel (path_resolution(7))."""

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def opened(path, flags, make=False):
    """Open the regular file at an absolute path (bytes). make: missing folders are made. -> descriptor

    Raises OSError; with errno EINVAL for what is no regular file, and for all that lies below /proc.
    """
    forbidden = _device("/proc")
    todo = _names(path)[::-1]
    detours = 0
    at = os.open("/", _FOLDER)
    try:
        while todo:
            name = todo.pop()
            try:
                if not todo and name != b"..":
                    return _regular(os.open(name, flags | _FILE, 0o666, dir_fd=at))
                below = os.open(name, _FOLDER, dir_fd=at)
            except OSError as error:
                detours += 1
                if detours > LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    text = _link(at, name, error)
                    todo += _names(text)[::-1]
                    if text.startswith(b"/"):
                        at = _moved(at, os.open("/", _FOLDER))
                elif error.errno == errno.ENOENT and make and todo:
                    _make_folder(at, name)
                    todo.append(name)
                    detours -= 1
                else:
                    raise
                continue
            at = _moved(at, below)
            if os.fstat(at).st_dev == forbidden:
                raise OSError(errno.EINVAL, "below /proc nothing is read or written")
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    finally:
        os.close(at)


def write(path, mode, piece, append, last):
    """Write one piece of a file; mode counts with the last. Raises OSError."""
    descriptor = opened(path, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else 0), make=True)
    try:
        if not append:
            os.ftruncate(descriptor, 0)
        write_whole(descriptor, piece)
        if last:
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def write_whole(descriptor, content):
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _regular(descriptor):
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "no regular file")


def _link(at, name, error):
    """What a link says. Raises the error that led here where it is none."""
    try:
        return os.readlink(name, dir_fd=at)
    except OSError:
        raise error from None


def _make_folder(at, name):
    try:
        os.mkdir(name, 0o755, dir_fd=at)
    except FileExistsError:
        pass


def _moved(old, new):
    os.close(old)
    return new


def _names(path):
    return [name for name in path.split(b"/") if name not in (b"", b".")]


def _device(path):
    """The number of the file system mounted there, None where none is."""
    try:
        there, root = os.stat(path).st_dev, os.stat("/").st_dev
    except OSError:
        return None
    return there if there != root else None

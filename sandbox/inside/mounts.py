"""The file system of one overlay sandbox: its layers, what of the host is shown in it, /dev, /proc.

Everything is mounted with the launcher's rights, while the host's root can still be reached; commands of an earlier
layer may have put links where something is to be mounted, so every folder on the way is opened by its own name and
never through a link (LinkInTheWay), and mounts are made on what was opened.
"""

import errno
import os
import stat

from . import kernel

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
READY = "ready"
ROOT, DEVICES_READY = READY + "/root", READY + "/devices"
"""Below the run's folder: where every sandbox puts its root together, in mounts of its own; what /dev is made of."""

DISK = "layers"
"""Below the run's folder: where the launcher mounts the disk that layers lie on, if there is one of the run's own."""

LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)
NAMES = 1 << 16
"""Most bytes of an image's resolv.conf or hosts."""

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class LinkInTheWay(OSError):
    """A link, or something else that is no folder, lies where the sandbox needs a folder of its own."""


def build(spec, owner):
    """Mount all that can be mounted before the sandbox has processes. owner: the number its user 0 has here.

    spec: as in launcher.py. The current folder is the run's, which every relative path in it starts from.
    """
    (_, *layers), *places = spec["overlays"]
    _overlay(ROOT, *layers, spec["userxattr"])
    root = os.open(ROOT, _FOLDER)
    if spec["first"]:
        _temporary(root, owner)
    if spec["names"]:
        _names(root, spec["image"], spec["names"], owner)
    for source, target in spec["binds"]:
        with _opened(root, target, owner, os.path.isdir(source)) as point:
            kernel.mount(source, point, None, kernel.BIND | kernel.REC)
    for target in spec["covered"]:
        with _opened(root, target, owner) as point:
            kernel.mount(
                "tmpfs", point, "tmpfs", kernel.RDONLY | kernel.NOSUID | kernel.NODEV, "size=4k,mode=755"
            )
    for target, *layers in places:
        with _opened(root, target, owner) as point:
            _overlay(point, *layers, spec["userxattr"])
    with _opened(root, "/dev", owner) as point:
        _devices(point, spec["shared_memory"])
    with _opened(root, "/proc", owner):
        pass
    os.close(root)


def enter(spec):
    """In the sandbox's first process: its own /proc, and its root as the only one there is."""
    os.chdir(ROOT)
    kernel.mount("proc", "proc", "proc", kernel.NOSUID | kernel.NODEV | kernel.NOEXEC)
    for source, target in spec["proc"]:
        kernel.mount(source, target.lstrip("/"), None, kernel.BIND)
    kernel.pivot_root(".", ".")
    kernel.detach(".")
    os.chdir("/")


def _overlay(target, lower, upper, work, userxattr):
    options = f"lowerdir={':'.join(lower)},upperdir={upper},workdir={work},index=off"
    options += ",userxattr" if userxattr else ""
    flags = kernel.NOSUID | kernel.NODEV
    try:
        # Leaves out syncing what is thrown away anyway; kernels before 5.10 refuse it.
        kernel.mount("overlay", target, "overlay", flags, options + ",volatile")
    except OSError:
        kernel.mount("overlay", target, "overlay", flags, options)


class _opened:
    """With it: the descriptor of the folder (or file) at a path of the sandbox, made where it is missing."""

    def __init__(self, root, path, owner, folder=True):
        at = os.dup(root)
        parts = path.strip("/").split("/")
        try:
            for number, name in enumerate(parts):
                below = _step(at, name, owner, folder or number < len(parts) - 1)
                os.close(at)
                at = below
        except BaseException:
            os.close(at)
            raise
        self.descriptor = at

    def __enter__(self):
        return self.descriptor

    def __exit__(self, *failure):
        os.close(self.descriptor)


def _step(at, name, owner, folder):
    """One name further, which is made where it is missing. -> its descriptor"""
    flags = _FOLDER if folder else os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        try:
            found = os.open(name, flags, dir_fd=at)
        except FileNotFoundError:
            if folder:
                os.mkdir(name, 0o755, dir_fd=at)
            else:
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=at))
            os.chown(name, owner, owner, dir_fd=at, follow_symlinks=False)
            found = os.open(name, flags, dir_fd=at)
    except NotADirectoryError as error:  # a link is none either
        raise LinkInTheWay(error.errno, "no folder", name) from error
    if not folder and _is_link(found):
        os.close(found)
        raise LinkInTheWay(errno.ELOOP, "a link", name)
    return found


def _is_link(descriptor):
    return os.fstat(descriptor).st_mode & 0o170000 == 0o120000


def _temporary(root, owner):
    """/tmp for everybody and the home folder in it."""
    for path, mode in (("/tmp", 0o1777), ("/tmp/home", 0o755)):
        with _opened(root, path, owner) as point:
            if os.fstat(point).st_mode & 0o7777 != mode:  # else it need not be copied up
                os.chmod(f"/proc/self/fd/{point}", mode)


def _names(root, image, network, owner):
    """How hosts are found by name: as the host does it, or as the image has it."""
    with _opened(root, "/etc", owner) as etc:
        for name in ("resolv.conf", "hosts"):
            try:
                os.unlink(name, dir_fd=etc)
            except FileNotFoundError:
                pass
            link, content = _of_host(name) if network == "host" else _of_image(image, name)
            if link is not None:
                os.symlink(link, name, dir_fd=etc)
            elif content is not None:
                made = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=etc)
                os.write(made, content)
                os.fchown(made, owner, owner)
                os.close(made)


def show_disk(device):
    """Mount the run's own disk, whose options are those of its first mount."""
    os.makedirs(DISK, exist_ok=True)
    kernel.mount(device, DISK, "btrfs", kernel.NOSUID | kernel.NODEV | kernel.NOATIME)


def _of_host(name):
    try:
        with open("/etc/" + name, "rb") as file:
            return None, file.read()
    except OSError:
        return None, None


def _of_image(image, name):
    """-> (what a link says, a file's content): neither is followed or waited for, since it could be the host's."""
    try:
        etc = os.open(image + "/etc", _FOLDER)
    except OSError:
        return None, None
    try:
        kind = os.stat(name, dir_fd=etc, follow_symlinks=False).st_mode
        if stat.S_ISLNK(kind):
            return os.readlink(name, dir_fd=etc), None
        if not stat.S_ISREG(kind):
            return None, None
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=etc)
        try:
            return None, os.read(file, NAMES)
        finally:
            os.close(file)
    except OSError:
        return None, None
    finally:
        os.close(etc)


def make_devices(folder):
    """A /dev to be shown in every sandbox: what all of them share."""
    os.mkdir(folder)
    kernel.mount("tmpfs", folder, "tmpfs", kernel.NOSUID, "size=64k,mode=755")
    for name in DEVICES:
        os.close(os.open(folder + "/" + name, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666))
        kernel.mount("/dev/" + name, folder + "/" + name, None, kernel.BIND)
    for name, to in LINKS:
        os.symlink(to, folder + "/" + name)
    for name in ("pts", "shm"):
        os.mkdir(folder + "/" + name)
    kernel.mount(None, folder, None, kernel.REMOUNT | kernel.BIND | kernel.RDONLY | kernel.NOSUID)


def _devices(point, shared_memory):
    """/dev: what all share, and terminals and shared memory of its own (at most these bytes; None: the kernel's)."""
    kernel.mount(DEVICES_READY, point, None, kernel.BIND | kernel.REC)
    # What was opened is the folder below the mount; the new one is found by its path.
    folder = os.readlink(f"/proc/self/fd/{point}")
    size = f",size={shared_memory}" if shared_memory else ""
    kernel.mount("tmpfs", folder + "/shm", "tmpfs", kernel.NOSUID | kernel.NODEV, "mode=1777" + size)
    options = "newinstance,ptmxmode=0666,mode=620"
    kernel.mount("devpts", folder + "/pts", "devpts", kernel.NOSUID | kernel.NOEXEC, options)

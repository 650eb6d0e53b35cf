"""What Winnow asks of btrfs and of loop devices: each call as one small function. All raise OSError.

Numbers and structures are those of linux/btrfs.h, linux/loop.h and linux/mount.h on 64-bit machines.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from pathlib import Path
from uuid import UUID

_LOOP_GET_FREE, _LOOP_CONFIGURE = 0x4C82, 0x4C0A
_AUTOCLEAR = 4
_BLOCK = 4096

_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432
_CLOEXEC, _SET_FLAG, _SET_STRING, _CREATE = 1, 0, 1, 6
_NOSUID, _NODEV, _NOATIME = 2, 4, 16

_SUBVOLUME_CREATE, _SUBVOLUME_DESTROY, _INO_LOOKUP = 0x50009418, 0x5000940F, 0xD0009412
_FS_INFO, _DEVICE_STATS, _START_SYNC, _WAIT_SYNC = 0x8400941F, 0xC4089434, 0x80089418, 0x40089416
_QUOTA_CONTROL, _QGROUP_CREATE, _QGROUP_LIMIT = 0xC0109428, 0x4010942A, 0x8030942B
_QUOTA_ENABLE, _QUOTA_ENABLE_SIMPLE = 1, 4
_INHERIT_QGROUPS = 4
_MOST_REFERENCED = 1
_NO_LIMIT = (1 << 64) - 1
_FIRST_OBJECT = 256

_libc = ctypes.CDLL(None, use_errno=True)


def loop_device(file: int) -> tuple[int, str]:
    """A loop device on an open file: it goes when nobody uses it any more. -> its descriptor, its path"""
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        while True:
            path = f"/dev/loop{fcntl.ioctl(control, _LOOP_GET_FREE)}"
            device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            info = struct.pack("52xI176x", _AUTOCLEAR)
            try:
                fcntl.ioctl(device, _LOOP_CONFIGURE, struct.pack("II", file, _BLOCK) + info + bytes(64))
                return device, path
            except BlockingIOError:  # somebody else was faster
                os.close(device)
            except BaseException:
                os.close(device)
                raise
    finally:
        os.close(control)


def mounted(device: str, flags: tuple[str, ...], values: dict[str, str]) -> int:
    """Mount a device where nobody sees it. -> the descriptor of its root, which holds the mount"""
    context = _called(_FSOPEN, b"btrfs", _CLOEXEC)
    try:
        for key, value in {"source": device, **values}.items():
            _called(_FSCONFIG, context, _SET_STRING, key.encode(), value.encode(), 0)
        for flag in flags:
            _called(_FSCONFIG, context, _SET_FLAG, flag.encode(), None, 0)
        _called(_FSCONFIG, context, _CREATE, None, None, 0)
        mount = _called(_FSMOUNT, context, _CLOEXEC, _NOSUID | _NODEV | _NOATIME)
    finally:
        os.close(context)
    try:
        return os.open(f"/proc/self/fd/{mount}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        os.close(mount)


def enable_quotas(root: int) -> None:
    """Simple quotas (Linux 6.7), which cost next to nothing, else the older ones."""
    for kind in (_QUOTA_ENABLE_SIMPLE, _QUOTA_ENABLE):
        try:
            fcntl.ioctl(root, _QUOTA_CONTROL, struct.pack("QQ", kind, 0))
            return
        except OSError:
            if kind == _QUOTA_ENABLE:
                raise


def create_qgroup(root: int, qgroup: int) -> None:
    fcntl.ioctl(root, _QGROUP_CREATE, struct.pack("QQ", 1, qgroup))


def limit_qgroup(root: int, qgroup: int, most: int | None) -> None:
    """Hold it to so many bytes; None: to none."""
    value = _NO_LIMIT if most is None else most
    fcntl.ioctl(root, _QGROUP_LIMIT, struct.pack("6Q", qgroup, _MOST_REFERENCED, value, 0, 0, 0))


def create_subvolume(root: int, name: str, qgroup: int) -> int:
    """A subvolume whose space counts in a qgroup besides its own. -> its number, which is its own qgroup's"""
    inherit = ctypes.create_string_buffer(struct.pack("10Q", 0, 1, 0, 0, 0, 0, 0, 0, 0, qgroup))
    where = struct.pack("qQQQQ16x", 0, 0, _INHERIT_QGROUPS, 80, ctypes.addressof(inherit))
    fcntl.ioctl(root, _SUBVOLUME_CREATE, bytearray(where + name.encode().ljust(4040, b"\0")))
    made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
    try:
        asked = bytearray(struct.pack("QQ", 0, _FIRST_OBJECT).ljust(4096, b"\0"))
        fcntl.ioctl(made, _INO_LOOKUP, asked)
        return struct.unpack_from("Q", asked)[0]
    finally:
        os.close(made)


def destroy_subvolume(root: int, name: str) -> None:
    """Take it away with all that it holds; the space comes back in the background."""
    fcntl.ioctl(root, _SUBVOLUME_DESTROY, bytearray(struct.pack("q", 0) + name.encode().ljust(4088, b"\0")))


def commit(root: int) -> None:
    """Wait until what was changed until now is on the device: only then is what was deleted free."""
    number = bytearray(8)
    fcntl.ioctl(root, _START_SYNC, number)
    fcntl.ioctl(root, _WAIT_SYNC, bytes(number))


def qgroups(root: int) -> Path:
    """The folder in which the kernel tells what each qgroup of this file system uses."""
    about = bytearray(1024)
    fcntl.ioctl(root, _FS_INFO, about)
    return Path("/sys/fs/btrfs", str(UUID(bytes=bytes(about[16:32]))), "qgroups")


def failed_writes(root: int) -> int:
    """How many writes the device refused: what was to be written is lost."""
    stats = bytearray(struct.pack("3Q", 1, 5, 0).ljust(1032, b"\0"))
    fcntl.ioctl(root, _DEVICE_STATS, stats)
    return struct.unpack_from("Q", stats, 24)[0]


def _called(number: int, *arguments: int | bytes | None) -> int:
    words = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result = _libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

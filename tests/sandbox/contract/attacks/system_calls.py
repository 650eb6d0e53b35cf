"""System calls that code under test has no business with. argv: which. Harmless where they succeed."""

import ctypes
import os
import platform
import socket
import sys

libc = ctypes.CDLL(None, use_errno=True)
INTEL = platform.machine() == "x86_64"
NUMBERS = {
    "add_key": 248 if INTEL else 217,
    "userfaultfd": 323 if INTEL else 282,
    "io_uring_setup": 425,
    "bpf": 321 if INTEL else 280,
    "ptrace": 101 if INTEL else 117,
}
NEWUSER, NEWNS = 0x10000000, 0x00020000


def call(name, *words):
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in words]
    if libc.syscall(ctypes.c_long(NUMBERS[name]), *words) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def user_namespace():
    """One of its own, and with the rights that it brings a mount."""
    if libc.unshare(NEWUSER | NEWNS) < 0 or libc.mount(b"x", b"/tmp", b"tmpfs", 0, None) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def over_the_mode():
    """Read what its owner may not read."""
    with open("/tmp/closed", "w") as file:
        file.write("x")
    os.chmod("/tmp/closed", 0)
    try:
        open("/tmp/closed").close()
    finally:
        os.unlink("/tmp/closed")


def somebody_elses():
    with open("/tmp/mine", "w"):
        pass
    try:
        os.chown("/tmp/mine", 12345, 12345)
    finally:
        os.unlink("/tmp/mine")


def mount():
    if libc.mount(b"x", b"/tmp", b"tmpfs", 0, None) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def device():
    os.mknod("/tmp/disk", 0o60600, os.makedev(254, 0))
    try:
        open("/tmp/disk", "rb").close()
    finally:
        os.unlink("/tmp/disk")


ATTACKS = {
    "user_namespace": user_namespace,
    "key": lambda: call("add_key", b"user", b"winnow", b"x", 1, -2),
    "userfaultfd": lambda: call("userfaultfd", 1),
    "io_uring": lambda: call("io_uring_setup", 1, ctypes.create_string_buffer(256)),
    "trace": lambda: call("ptrace", 16, 1, 0, 0),
    "over_the_mode": over_the_mode,
    "somebody_elses": somebody_elses,
    "mount": mount,
    "device": device,
    "chroot": lambda: os.chroot("/tmp"),
    "raw": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close(),
    "packet": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close(),
}
try:
    ATTACKS[sys.argv[1]]()
    print("SUCCEEDED")
except OSError as error:
    print("FAILED", error)

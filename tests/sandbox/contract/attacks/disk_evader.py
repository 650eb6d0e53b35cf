"""Fill the disk with what nobody who lists folders can see. argv: how, folder, megabytes, seconds to hold it.

What was filled is held until the end of the program, however much of it the disk took. Prints SUCCEEDED where it took
all of it.
"""

import array
import ctypes
import fcntl
import mmap
import os
import socket
import sys
import threading
import time

how, folder, size, hold = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
os.makedirs(folder, exist_ok=True)
os.chdir(folder)
MB = 1 << 20
BLOCK = b"\xa5" * MB
CLONE_FILES, KEEP_SIZE, PUNCH_HOLE, FICLONE = 0x400, 1, 2, 0x40049409
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
held = []
print("begun", flush=True)


def fallocate(descriptor, mode, start, length):
    if libc.fallocate(descriptor, mode, ctypes.c_long(start), ctypes.c_long(length)):
        raise OSError(ctypes.get_errno(), "fallocate")


def file_of(megabytes, name="file"):
    """An open file with so much in it."""
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    for _ in range(megabytes):
        if os.write(descriptor, BLOCK) < MB:
            os.write(descriptor, BLOCK)  # says why
    return descriptor


def keep_mapped(descriptor):
    """Map it and close it. Python's own mapping would keep a descriptor besides."""
    at = libc.mmap(
        None, ctypes.c_size_t(2 * MB), mmap.PROT_READ, mmap.MAP_SHARED, descriptor, ctypes.c_long(0)
    )
    if at == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")
    os.close(descriptor)


def mapped(number):
    """No descriptor is left: only the memory of a process knows the file."""
    keep_mapped(file_of(2))
    os.unlink("file")


def temporary(number):
    """Files that never had a name."""
    descriptor = os.open(".", os.O_RDWR | os.O_TMPFILE)
    for _ in range(2):
        os.write(descriptor, BLOCK)
    keep_mapped(descriptor)


def in_flight(number):
    """A descriptor that waits in a socket belongs to no process."""
    descriptor = file_of(2)
    if not number:
        held.extend(socket.socketpair())
    ours = next(one for one in held if isinstance(one, socket.socket))
    ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))])
    os.close(descriptor)
    os.unlink("file")


def reserved(number):
    """Blocks beyond the end of a file, in one that is as long as it was."""
    descriptor = os.open("reserved", os.O_RDWR | os.O_CREAT)
    fallocate(descriptor, KEEP_SIZE, number * 2 * MB, 2 * MB)
    os.close(descriptor)


def punched(number):
    """Holes in all but the first page of each megabyte: some file systems keep the whole of what was written once."""
    descriptor = file_of(2, f"punched{number}")
    os.fsync(descriptor)
    for start in (0, MB):
        fallocate(descriptor, KEEP_SIZE | PUNCH_HOLE, start + 4096, MB - 4096)
    os.close(descriptor)


def sparse(number):
    """Single pages, far from each other."""
    for start in range(0, 2 * MB // 4096, 128):
        with open(f"sparse{number}-{start}", "wb", 0) as file:
            for page in range(128):
                file.seek(page * 65536)
                file.write(BLOCK[:4096])


def cloned(number):
    """Clones of a file, each changed in every page."""
    if not number:
        os.close(file_of(2, "original"))
    with open("original", "rb") as original, open(f"clone{number}", "wb") as clone:
        try:
            fcntl.ioctl(clone, FICLONE, original.fileno())
        except OSError:  # no reflinks here: a copy is as good
            pass
        for page in range(2 * MB // 4096):
            clone.seek(page * 4096)
            clone.write(BLOCK[:4095])


def empty(number):
    for index in range(512):  # each counts for a page at least
        os.close(os.open(f"{number}-{index}", os.O_CREAT))


def attributes(number):
    for index in range(512):
        os.close(os.open(f"{number}-{index}", os.O_CREAT))
        os.setxattr(f"{number}-{index}", "user.filler", BLOCK[:3500])


def deep(number):
    for _ in range(512):
        os.mkdir("n" * 200)
        os.chdir("n" * 200)


def links(number):
    """Names of one file: they fill folders."""
    os.makedirs(f"folder{number}")
    os.close(os.open(f"file{number}", os.O_CREAT))
    for index in range(2 * MB // 256):
        os.link(f"file{number}", f"folder{number}/{index:06d}" + "n" * 200)


def direct(number):
    """Past the page cache and away again: what was freed may not be free yet."""
    with mmap.mmap(-1, MB) as page:
        page.write(BLOCK)
        descriptor = os.open("direct", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
        for _ in range(2):
            os.write(descriptor, page)
        os.close(descriptor)
        os.unlink("direct")


def fill(step):
    try:
        for number in range(size // 2):
            step(number)
        print("SUCCEEDED", flush=True)
    except OSError as error:
        print(f"failed: {error.strerror}", flush=True)
    time.sleep(hold)


def in_a_thread():
    """Descriptors that only a thread has: its table is its own, and the process's says nothing of them."""
    if libc.unshare(CLONE_FILES):
        raise OSError(ctypes.get_errno(), "unshare")

    def step(number):
        file_of(2)
        os.unlink("file")

    fill(step)


if how == "thread":
    # Many files stay open in it; a thread's descriptors are not those that /proc shows of the process.
    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
else:
    steps = [
        mapped,
        temporary,
        in_flight,
        reserved,
        punched,
        sparse,
        cloned,
        empty,
        attributes,
        deep,
        links,
        direct,
    ]
    fill({step.__name__: step for step in steps}[how])

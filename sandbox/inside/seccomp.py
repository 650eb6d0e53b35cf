"""The filter of system calls for commands in a sandbox: classic BPF, written out here, without libseccomp.

A sandboxed command has no capabilities, no network and namespaces of its own. The filter takes away what remains to be
attacked: calls that are no business of code under test, and the newest and least tried parts of the kernel.

- Calls in `REFUSED` fail with EPERM, those in `BY_ARGUMENT` where their arguments say so. Pointers cannot be looked
  behind, which is why clone3 (flags in memory) and the newest calls are answered with ENOSYS: the C library then falls
  back to older ones.
- Numbers above `NEWEST` are answered with ENOSYS: a call that came after this file was written is refused until
  somebody looked at it. The calls of x32 are among those (their numbers have bit 30 set).
- Calls of another architecture (32-bit programs on a 64-bit kernel) are answered with ENOSYS. Their numbers differ,
  their socketcall and ipc hide arguments behind pointers, and the layer below them is a second, little used door to
  the kernel. Not killed: a program that only tries gets an answer, and one that is 32-bit dies by itself.

Compared with Docker's default profile as of June 2026 (github.com/moby/profiles, without added capabilities):
- refused here, allowed there: 32-bit and x32 programs; every socket family but unix, inet, inet6 and netlink (there:
  all but vsock, alg and those that no kernel has any more); the ioctls TIOCSTI and TIOCLINUX (they type into
  somebody's terminal); name_to_handle_at; adjtimex and clock_adjtime; modify_ldt; and what changes the limits,
  priority, scheduling or processors of process 1, which is the exec server, by the same user.
- allowed here, refused there: unshare of what is no namespace (files, working directory), which programs use for
  threads of their own; personality with ADDR_NO_RANDOMIZE (gdb, sanitizers), which concerns the process alone.
- Calls that no kernel since 5.5 has (create_module, nfsservctl and such) are not listed: the kernel refuses them
  itself.

Kernels from 5.11 on remember which calls are always allowed, so those cost the same as without a filter.
"""

import os
import struct
import sys

# Last call looked at: listns, of Linux 6.19. The numbers are the same on both machines from 424 on.
NEWEST = 470

ALLOW = 0x7FFF0000  # SECCOMP_RET_ALLOW
ERRNO = 0x00050000  # SECCOMP_RET_ERRNO, the errno in its lower half
EPERM = ERRNO | 1
ENOSYS = ERRNO | 38
EAFNOSUPPORT = ERRNO | 97  # what a kernel without that family says, so that programs fall back

# Audit architecture (linux/audit.h) of each machine, and its column in the tables below.
MACHINES = {"x86_64": (0xC000003E, 1), "aarch64": (0xC00000B7, 2)}

# Name, number on x86_64, number on aarch64 (-1: not there). Numbers from the kernel's unistd headers.
REFUSED = (
    # Mounts and other ways into another file system, or to a file without its path.
    ("mount", 165, 40),
    ("umount2", 166, 39),
    ("pivot_root", 155, 41),
    ("chroot", 161, 51),
    ("open_tree", 428, 428),
    ("move_mount", 429, 429),
    ("fsopen", 430, 430),
    ("fsconfig", 431, 431),
    ("fsmount", 432, 432),
    ("fspick", 433, 433),
    ("mount_setattr", 442, 442),
    ("name_to_handle_at", 303, 264),
    ("open_by_handle_at", 304, 265),
    ("fanotify_init", 300, 262),
    ("lookup_dcookie", 212, 18),
    ("quotactl", 179, 60),
    ("quotactl_fd", 443, 443),
    ("swapon", 167, 224),
    ("swapoff", 168, 225),
    ("sysfs", 139, -1),
    ("ustat", 136, -1),
    # Other namespaces and other processes.
    ("setns", 308, 268),
    ("kcmp", 312, 272),
    ("pidfd_getfd", 438, 438),
    ("process_madvise", 440, 440),
    # Large parts of the kernel with a history of holes.
    ("bpf", 321, 280),
    ("perf_event_open", 298, 241),
    ("userfaultfd", 323, 282),
    ("io_uring_setup", 425, 425),
    ("io_uring_enter", 426, 426),
    ("io_uring_register", 427, 427),
    ("add_key", 248, 217),  # keyrings know no namespaces
    ("request_key", 249, 218),
    ("keyctl", 250, 219),
    ("modify_ldt", 154, -1),
    ("uselib", 134, -1),
    # Memory policy: pages of other processes, and nothing that a program cannot do without.
    ("mbind", 237, 235),
    ("set_mempolicy", 238, 237),
    ("get_mempolicy", 239, 236),
    ("set_mempolicy_home_node", 450, 450),
    ("migrate_pages", 256, 238),
    ("move_pages", 279, 239),
    # The machine itself.
    ("init_module", 175, 105),
    ("finit_module", 313, 273),
    ("delete_module", 176, 106),
    ("kexec_load", 246, 104),
    ("kexec_file_load", 320, 294),
    ("reboot", 169, 142),
    ("acct", 163, 89),
    ("syslog", 103, 116),
    ("vhangup", 153, 58),
    ("iopl", 172, -1),
    ("ioperm", 173, -1),
    ("sethostname", 170, 161),
    ("setdomainname", 171, 162),
    ("settimeofday", 164, 170),
    ("clock_settime", 227, 112),
    ("adjtimex", 159, 171),
    ("clock_adjtime", 305, 266),
)

# As if the kernel had never heard of them.
UNKNOWN = (
    ("clone3", 435, 435),
    ("lsm_get_self_attr", 459, 459),
    ("lsm_set_self_attr", 460, 460),
    ("lsm_list_modules", 461, 461),
    ("open_tree_attr", 467, 467),
    ("file_getattr", 468, 468),
    ("file_setattr", 469, 469),
    ("listns", 470, 470),
)

# CLONE_NEW* of linux/sched.h: mount, cgroup, uts, ipc, user, pid, net; time is a flag of unshare only, in clone
# that bit belongs to the signal.
NAMESPACES = 0x7E020000
TIME_NAMESPACE = 0x80
FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6; AF_NETLINK lists interfaces for getaddrinfo
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
# PER_LINUX32, UNAME26 and ADDR_NO_RANDOMIZE; all ones asks for the present value.
PERSONALITIES, ASK = 0x8 | 0x20000 | 0x40000, 0xFFFFFFFF
SERVER = 1  # the exec server's process id
PRIO_USER, IOPRIO_WHO_USER = 2, 3  # every process of a user, so the exec server's too

IS, HAS = 0x15, 0x45  # equal to the value; any bit of the value set (BPF_JEQ, BPF_JSET)

# Name, numbers, tests and the verdict where no test fits. A test: kind, which argument, value, verdict. The first that
# fits decides. Only the lower 32 bits of an argument are looked at: all of these are ints to the kernel.
BY_ARGUMENT = (
    ("clone", 56, 220, ((HAS, 0, NAMESPACES, EPERM),), ALLOW),
    ("unshare", 272, 97, ((HAS, 0, NAMESPACES | TIME_NAMESPACE, EPERM),), ALLOW),
    ("socket", 41, 198, tuple((IS, 0, family, ALLOW) for family in FAMILIES), EAFNOSUPPORT),
    ("socketpair", 53, 199, tuple((IS, 0, family, ALLOW) for family in FAMILIES), EAFNOSUPPORT),
    ("ioctl", 16, 29, ((IS, 1, TIOCSTI, EPERM), (IS, 1, TIOCLINUX, EPERM)), ALLOW),
    ("personality", 135, 92, ((IS, 0, ASK, ALLOW), (HAS, 0, ASK ^ PERSONALITIES, EPERM)), ALLOW),
    ("prlimit64", 302, 261, ((IS, 0, SERVER, EPERM),), ALLOW),
    ("sched_setparam", 142, 118, ((IS, 0, SERVER, EPERM),), ALLOW),
    ("sched_setscheduler", 144, 119, ((IS, 0, SERVER, EPERM),), ALLOW),
    ("sched_setaffinity", 203, 122, ((IS, 0, SERVER, EPERM),), ALLOW),
    ("sched_setattr", 314, 274, ((IS, 0, SERVER, EPERM),), ALLOW),
    ("setpriority", 141, 140, ((IS, 0, PRIO_USER, EPERM), (IS, 1, SERVER, EPERM)), ALLOW),
    ("ioprio_set", 251, 30, ((IS, 0, IOPRIO_WHO_USER, EPERM), (IS, 1, SERVER, EPERM)), ALLOW),
)

# Instructions of classic BPF (linux/bpf_common.h), and where struct seccomp_data has its fields.
LOAD, JUMP, JUMP_GREATER, JUMP_AT_LEAST, RETURN = 0x20, 0x05, 0x25, 0x35, 0x06
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
SECCOMP_SET_MODE_FILTER, SPEC_ALLOW = 1, 4
SECCOMP_NUMBER = {"x86_64": 317, "aarch64": 277}


def program(machine: str) -> bytes | None:
    """The filter as an array of struct sock_filter for a machine as uname calls it; None for one without a table."""
    if machine not in MACHINES:
        return None
    architecture, column = MACHINES[machine]
    steps = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (IS, 1, 0, architecture),
        (RETURN, 0, 0, ENOSYS),
        (LOAD, 0, 0, NUMBER_AT),
        (JUMP_GREATER, 0, 1, NEWEST),
        (RETURN, 0, 0, ENOSYS),
        *_search(_ranges(column)),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def install(libc) -> None:
    """Put the filter on this thread and all that it will start, for good. PR_SET_NO_NEW_PRIVS must be set before.

    `libc` is ctypes.CDLL(None, use_errno=True). Raises OSError; ENOSYS where this machine has no table.
    """
    import ctypes

    if HERE is None or sys.maxsize < 2**32:
        raise OSError(38, f"there is no filter of system calls for {MACHINE}")
    instructions = ctypes.create_string_buffer(HERE, len(HERE))
    described = struct.pack("HP", len(HERE) // 8, ctypes.addressof(instructions))  # struct sock_fprog
    # Without SPEC_ALLOW, kernels before 5.16 slow a filtered process down against Spectre v4, an attack on secrets of
    # the same process.
    number = ctypes.c_long(SECCOMP_NUMBER[MACHINE])
    if libc.syscall(number, SECCOMP_SET_MODE_FILTER, SPEC_ALLOW, described) == 0:
        return
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, described, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"the filter of system calls was not accepted: {os.strerror(error)}")


def _ranges(column: int) -> list:
    """First number and verdict of each range of calls that are treated alike, in order; a verdict is its steps."""
    verdicts = {call[column]: [(RETURN, 0, 0, EPERM)] for call in REFUSED}
    verdicts.update({call[column]: [(RETURN, 0, 0, ENOSYS)] for call in UNKNOWN})
    verdicts.update({call[column]: _tests(call[3], call[4]) for call in BY_ARGUMENT})
    allowed = [(RETURN, 0, 0, ALLOW)]
    ranges = [(0, verdicts.get(0, allowed))]
    for number in range(1, NEWEST + 1):
        verdict = verdicts.get(number, allowed)
        if verdict != ranges[-1][1]:
            ranges.append((number, verdict))
    return ranges


def _tests(tests: tuple, otherwise: int) -> list:
    steps = []
    for kind, argument, value, verdict in tests:
        steps += [
            (LOAD, 0, 0, ARGUMENTS_AT + 8 * argument),
            (kind, 0, 1, value),
            (RETURN, 0, 0, verdict),
        ]
    return [*steps, (RETURN, 0, 0, otherwise)]


def _search(ranges: list) -> list:
    """A binary search: eight comparisons instead of eighty, for kernels that remember nothing."""
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    below, above = _search(ranges[:middle]), _search(ranges[middle:])
    # A conditional jump reaches 255 steps, an unconditional one any distance.
    return [(JUMP_AT_LEAST, 0, 1, ranges[middle][0]), (JUMP, 0, 0, len(below)), *below, *above]


# Made once, for all the sandboxes that are forked from here.
MACHINE = os.uname().machine
HERE = program(MACHINE)

"""Control groups for sandboxes: limits on memory, processes and processor time that cover whole trees of processes.

Each sandbox has a *slot*: one folder `winnow-<run>/<slot>` in every hierarchy that is needed. With version 2 that is
one, with version 1 one for each controller, with a hybrid layout whatever the controllers are mounted on.

Where the folders go:
- version 1: below this process's own group, so that limits on it hold for its sandboxes too.
- version 2: a group that hands controllers on may hold no processes itself. Own groups that systemd delegated are
  used: their processes move into a leaf `winnow-outside`. Otherwise the nearest group above that may be written and
  gives the most controllers is used, so that the folders lie beside our own; the own one, by the same move, is the
  last resort.

Costs, medians on a 2-core virtual machine with kernel 6.18, version 1 (three hierarchies): find 1.0 ms, make 0.45,
limit 0.14, join 0.25 to 0.4, remove 0.3, memory_kills 0.13. Joining by `cgroup.procs` was 19.8 ms (0.25 in a burst: the
kernel waits until all processors have seen that nobody may fork now), which version 2 cannot do without: 7.5 ms now and
then, 0.5 in a burst. So groups are joined ahead of need.
"""

import errno
import os
import time

# What can be limited, and the controller that does it.
CONTROLLERS = {"memory": "memory", "processes": "pids", "cpus": "cpu"}
_CALLED = {"memory": "memory", "processes": "the number of processes", "cpus": "processor time"}

_SIGKILL = 9  # the module signal would bring enum and collections with it

_PERIOD = 100_000  # microseconds over which processor time is shared out: the kernel's own default
_LEAST_QUOTA = 1_000  # microseconds, the kernel's minimum
_OUTSIDE = "winnow-outside"

# Seconds. A killed process leaves its group when the kernel has freed its memory, which takes a moment for gigabytes.
KILL_PATIENCE, REMOVE_PATIENCE = 60.0, 10.0


def name_of(run, folder):
    """What a run's groups are called. folder: the run's; of two runs with one name in two places each has its own."""
    seen = os.stat(folder)
    return f"{run}-{seen.st_dev:x}-{seen.st_ino:x}"


def find(name, *, proc="/proc/self", trial=True):
    """What this process may use for the run called `name`. -> Groups, or None where no control groups are mounted.

    Groups whose `gives` is empty are harmless to use and say by `lacks` why. proc: for tests, a folder with files
    `cgroup` and `mountinfo`. trial: hand the controllers on, make a slot and remove it, so that what is promised
    was seen to work; False changes nothing.
    """
    _check(name)
    mounts, own = _mounts(proc), _own_paths(proc)
    if not mounts:
        return None
    homes, lacking = {}, {}
    unified = [need for need, controller in CONTROLLERS.items() if controller not in mounts]
    for need in CONTROLLERS:
        if need not in unified:
            _find_first_version(need, mounts, own, homes, lacking)
    if unified:
        _find_second_version(unified, mounts, own, homes, lacking, trial)
    groups = Groups(name, homes, lacking)
    if trial:
        groups.try_out()
    return groups


class Groups:
    """Where the slots of one run go. gives: those of "memory", "processes" and "cpus" that can be limited."""

    def __init__(self, name, homes, lacking):
        # homes: by need, (folder, version); lacking: by need, why.
        self.name, self._homes, self._lacking = name, homes, lacking

    @property
    def gives(self):
        return frozenset(self._homes)

    def lacks(self):
        """A sentence for each limit that cannot be given, with the reason."""
        return tuple(
            f"{_CALLED[need]} cannot be limited: {self._lacking[need]}"
            for need in CONTROLLERS
            if need in self._lacking
        )

    def make(self, slot):
        """The group of a slot; one that is there already is used. Raises OSError."""
        _check(slot)
        for folder, needs in self._folders().items():
            run = os.path.join(folder, "winnow-" + self.name)
            _mkdir(run)
            for need in needs:
                if self._homes[need][1] == 2:
                    _write(os.path.join(run, "cgroup.subtree_control"), "+" + CONTROLLERS[need])
            _mkdir(os.path.join(run, slot))
        return self.group(slot)

    def group(self, slot):
        """The group of a slot that was made before, by this or another process."""
        ending = os.path.join("winnow-" + self.name, slot)
        return Group(
            {need: (os.path.join(folder, ending), version) for need, (folder, version) in self._homes.items()}
        )

    def slots(self):
        """The names of the slots that are there."""
        found = set()
        for folder in self._folders():
            found |= _subfolders(os.path.join(folder, "winnow-" + self.name))
        return found

    def try_out(self):
        """Make and remove a slot; a limit that this fails for moves to what is lacking."""
        for need in list(self._homes):
            only = Groups(self.name, {need: self._homes[need]}, {})
            try:
                group = only.make(f"trial-{os.getpid()}")
                group.remove()
                self._remove_run()
            except OSError as error:
                del self._homes[need]
                self._lacking[need] = f"{os.strerror(error.errno)} ({error.filename})"

    def _remove_run(self):
        for folder in self._folders():
            _rmdir(os.path.join(folder, "winnow-" + self.name))

    def _folders(self):
        """The distinct folders in which the run has its own, each with the needs it serves."""
        folders = {}
        for need, (folder, _) in self._homes.items():
            folders.setdefault(folder, []).append(need)
        return folders


class Group:
    """One slot in all hierarchies. paths: its folders, for `memory_kills` and `process_refusals` in other processes."""

    def __init__(self, at):
        self._at = at  # by need, (folder, version)

    @property
    def paths(self):
        return tuple(dict.fromkeys(folder for folder, _ in self._at.values()))

    def join(self):
        """Move this process into it, and with it all that it will start. Raises OSError.

        With version 1, a process of one thread moves as a thread: for that the kernel need not keep the whole machine
        from forking, which takes far longer than the move.
        """
        alone = len(os.listdir("/proc/self/task")) == 1
        for path, version in dict(self._at.values()).items():
            _write(os.path.join(path, "tasks" if alone and version == 1 else "cgroup.procs"), "0")

    def limit(self, memory, processes, cpus):
        """memory: bytes, swap included; processes: with their threads; cpus: cores. None lifts a limit.

        What cannot be given is left out: `Groups.lacks` says so. Raises OSError.
        """
        if "memory" in self._at:
            _limit_memory(*self._at["memory"], memory)
        if "processes" in self._at:
            folder, _ = self._at["processes"]
            _write(os.path.join(folder, "pids.max"), "max" if processes is None else str(processes))
        if "cpus" in self._at:
            _limit_cpus(*self._at["cpus"], cpus)

    def memory_kills(self):
        return memory_kills(self.paths)

    def process_refusals(self):
        return process_refusals(self.paths)

    def processes(self):
        """Process ids in it, as numbered for the caller; those that the caller cannot see are 0."""
        found = set()
        for path in self.paths:
            found |= _processes(path)
        return found

    def kill(self):
        """Kill every process in it and wait until none is left. Raises TimeoutError after KILL_PATIENCE seconds.

        Where processes can be limited, none can be started in it afterwards until `limit` is called.
        """
        if "processes" in self._at:  # or a fork bomb is faster than a list of it is read
            _try_write(os.path.join(self._at["processes"][0], "pids.max"), "0")
        end, pause = time.monotonic() + KILL_PATIENCE, 0.0005
        while True:
            for path in self.paths:
                _try_write(os.path.join(path, "cgroup.kill"), "1")  # version 2, from Linux 5.14 on
            left = self.processes()
            if not left:
                return
            # 0 is a process that we cannot see: to kill it would be to kill ourselves.
            for process in left - {0, os.getpid()}:
                try:
                    os.kill(process, _SIGKILL)
                except ProcessLookupError:
                    pass
            if time.monotonic() > end:
                raise TimeoutError(
                    errno.ETIMEDOUT, f"processes {sorted(left)} do not die", ", ".join(self.paths)
                )
            time.sleep(pause)
            pause = min(pause * 2, 0.02)

    def remove(self):
        """Remove its folders, and the run's when this was the last slot. -> whether they are gone.

        Tried for REMOVE_PATIENCE seconds while the last processes are on their way out.
        """
        end, pause = time.monotonic() + REMOVE_PATIENCE, 0.0005
        left = list(self.paths)
        while left := [path for path in left if not _rmdir(path)]:
            if time.monotonic() > end:
                return False
            time.sleep(pause)
            pause = min(pause * 2, 0.02)
        for path in self.paths:
            _rmdir(os.path.dirname(path))
        return True


def memory_kills(paths):
    """How many processes the kernel has killed for memory in the group with these folders."""
    return max(
        (_count(path, ("memory.events", "memory.oom_control"), "oom_kill") for path in paths), default=0
    )


def process_refusals(paths):
    """How often a process or thread was refused because of the limit of the group with these folders."""
    return max((_count(path, ("pids.events",), "max") for path in paths), default=0)


def sweep(name, *, kill=False, everywhere=False):
    """Remove the slots that a dead run left. -> how many are gone

    kill: kill what is in them; without it those that hold processes stay. everywhere: look in all of the mounted
    hierarchies, not only where this process would make its own; for runs that were started from another session.
    """
    groups = find(name, trial=False)
    if groups is None:
        return 0
    all_groups = [groups]
    if everywhere:
        all_groups += [Groups(name, {"memory": (folder, 0)}, {}) for folder in _everywhere(name)]
    gone = set()
    for groups in all_groups:
        for slot in groups.slots():
            group = groups.group(slot)
            if kill:
                group.kill()
            if (kill or not group.processes()) and group.remove():
                gone.add(slot)
        groups._remove_run()
    return len(gone)


def _find_first_version(need, mounts, own, homes, lacking):
    controller = CONTROLLERS[need]
    point, root = mounts[controller]
    folder = _below(point, root, own.get(controller, "/"))
    if os.access(folder, os.W_OK):
        homes[need] = (folder, 1)
    elif _read_only(folder):
        lacking[need] = f"control groups are mounted read-only ({point})"
    else:
        lacking[need] = (
            f"this user may make no control groups in {folder}, and with control groups of version 1 only root "
            "can change that"
        )


def _find_second_version(needs, mounts, own, homes, lacking, trial):
    if "" not in mounts:
        for need in needs:
            lacking[need] = f"no control groups with the controller {CONTROLLERS[need]} are mounted"
        return
    point, root = mounts[""]
    folder = _below(point, root, own.get("", "/"))
    wanted = {CONTROLLERS[need]: need for need in needs}
    best, most = None, frozenset()
    for candidate in _candidates(point, folder):
        could = _could_give(candidate, candidate == folder) & wanted.keys()
        if len(could) > len(most):
            best, most = candidate, could
    given = _enabled(best, most, best == folder) if best and trial else most
    for controller, need in wanted.items():
        if controller in given:
            homes[need] = (best, 2)
        else:
            lacking[need] = _why_not(controller, point, folder)


def _candidates(point, folder):
    """Folders of version 2 that may hold ours, the best first."""
    above = []
    walk = folder
    while walk != point:
        walk = os.path.dirname(walk)
        above.append(walk)
    return [folder, *above] if _delegated(folder) else [*above, folder]


def _delegated(folder):
    try:
        return os.getxattr(folder, "user.delegate") == b"1"  # systemd from 251 on
    except OSError:
        return False


def _could_give(folder, own):
    """The controllers that groups in this folder have or could be given."""
    if not os.access(folder, os.W_OK) or not os.access(os.path.join(folder, "cgroup.procs"), os.W_OK):
        return frozenset()
    has = _words(os.path.join(folder, "cgroup.subtree_control"))
    occupied = os.path.exists(os.path.join(folder, "cgroup.type")) and bool(_processes(folder))
    if (occupied and not own) or not os.access(os.path.join(folder, "cgroup.subtree_control"), os.W_OK):
        return has
    return has | _words(os.path.join(folder, "cgroup.controllers"))


def _enabled(folder, controllers, own):
    """Hand controllers on to groups in this folder. -> those for which it went well"""
    switch = os.path.join(folder, "cgroup.subtree_control")
    done = set(_words(switch) & controllers)
    for controller in sorted(controllers - done):
        for _ in range(10):  # processes may start while others are moved
            try:
                _write(switch, "+" + controller)
            except OSError as error:
                if error.errno == errno.EBUSY and own and _move_out(folder):
                    continue
                break
            done.add(controller)
            break
    return frozenset(done)


def _move_out(folder):
    """Move the processes of our own group into a leaf of it. -> whether that could be tried"""
    leaf = os.path.join(folder, _OUTSIDE)
    try:
        os.makedirs(leaf, exist_ok=True)
        for process in _processes(folder) - {0}:
            _try_write(os.path.join(leaf, "cgroup.procs"), str(process))
    except OSError:
        return False
    return True


def _why_not(controller, point, folder):
    if controller not in _words(os.path.join(point, "cgroup.controllers")):
        return f"the kernel has no controller {controller}, or it was not handed to this container"
    if _read_only(folder):
        return f"control groups are mounted read-only ({point})"
    if os.geteuid() != 0:
        return (
            f"the controller {controller} was not delegated to this user: start winnow by "
            "`systemd-run --user --scope -p Delegate=yes winnow ...`"
        )
    return f"the controller {controller} cannot be handed on from {folder}"


def _limit_memory(folder, version, limit):
    if version == 2:
        _write(os.path.join(folder, "memory.max"), "max" if limit is None else str(limit))
        # Not there where the kernel has no swap.
        _try_write(os.path.join(folder, "memory.swap.max"), "max" if limit is None else "0")
        return
    value = "-1" if limit is None else str(limit)
    memory = os.path.join(folder, "memory.limit_in_bytes")
    both = os.path.join(folder, "memory.memsw.limit_in_bytes")  # not there where swap is not accounted
    try:
        _write(memory, value)
        _try_write(both, value)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # The limit goes up: memory alone may never have more than memory with swap.
        _write(both, value)
        _write(memory, value)


def _limit_cpus(folder, version, cpus):
    quota = None if cpus is None else max(int(cpus * _PERIOD), _LEAST_QUOTA)
    if version == 2:
        _write(os.path.join(folder, "cpu.max"), f"{'max' if quota is None else quota} {_PERIOD}")
        return
    _write(os.path.join(folder, "cpu.cfs_period_us"), str(_PERIOD))
    _write(os.path.join(folder, "cpu.cfs_quota_us"), "-1" if quota is None else str(quota))


def _mounts(proc):
    """By controller, where it is mounted and which of its folders; "" is version 2. The first mount of each counts."""
    found = {}
    for line in _lines(os.path.join(proc, "mountinfo")):
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind not in ("cgroup", "cgroup2"):
            continue
        words = before.split(" ")
        place = (_unescaped(words[4]), _unescaped(words[3]))
        for controller in [""] if kind == "cgroup2" else options.split(","):
            if controller == "" or controller in CONTROLLERS.values():
                found.setdefault(controller, place)
    return found


def _own_paths(proc):
    """By controller, the group of this process; "" is version 2."""
    paths = {}
    for line in _lines(os.path.join(proc, "cgroup")):
        number, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if controller or number == "0":
                paths[controller] = path
    return paths


def _below(point, root, path):
    """The folder of a group. What is mounted may be a part of the hierarchy, and the group outside of it."""
    relative = os.path.relpath(path, root)
    folder = os.path.normpath(os.path.join(point, relative))
    outside = relative == ".." or relative.startswith("../")
    return point if outside or not os.path.isdir(folder) else folder


def _everywhere(name):
    """Every folder of the mounted hierarchies that holds one of this run."""
    points = {point for point, _ in _mounts("/proc/self").values()}
    return [folder for point in points for folder, inside, _ in os.walk(point) if "winnow-" + name in inside]


def _check(name):
    if not name or "/" in name or name.startswith("."):
        raise ValueError(f"{name!r} cannot be the name of a control group")


def _read_only(folder):
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _processes(folder):
    return {int(word) for word in _words(os.path.join(folder, "cgroup.procs"))}


def _subfolders(folder):
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
    except OSError:
        return set()


def _count(folder, files, word):
    for file in files:
        for line in _lines(os.path.join(folder, file)):
            if line.startswith(word + " "):
                return int(line.split()[1])
    return 0


def _mkdir(folder):
    try:
        os.mkdir(folder, 0o755)
    except FileExistsError:
        pass


def _rmdir(folder):
    """-> whether it is not there now"""
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True


def _words(file):
    return frozenset(word for line in _lines(file) for word in line.split())


def _lines(file):
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        parts = []
        while part := os.read(descriptor, 65536):
            parts.append(part)
    except OSError:  # the group went away meanwhile
        return []
    finally:
        os.close(descriptor)
    return os.fsdecode(b"".join(parts)).splitlines()


def _write(file, text):
    descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    except OSError as error:
        error.filename = file
        raise
    finally:
        os.close(descriptor)


def _try_write(file, text):
    try:
        _write(file, text)
    except OSError:
        pass


def _unescaped(text):
    """mountinfo writes spaces, tabs, newlines and backslashes in octal."""
    for code in ("\\040", "\\011", "\\012", "\\134"):
        text = text.replace(code, chr(int(code[1:], 8)))
    return text

"""Control groups on the real kernel, and where they go in layouts that this machine does not have."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE, wait_until

from sandbox.inside import cgroups

ROOM = Path(cgroups.__file__).parents[1]
MB = 1 << 20

PRELUDE = f"""
import os, sys, time, types
package = types.ModuleType("sandbox"); package.__path__ = [{str(ROOM)!r}]; sys.modules["sandbox"] = package
from sandbox.inside import cgroups
group = cgroups.find(sys.argv[1], trial=False).group(sys.argv[2])
"""


@pytest.fixture
def groups(monkeypatch):
    """Groups of a run of its own; what the test left of it is a failure."""
    monkeypatch.setattr(cgroups, "KILL_PATIENCE", PATIENCE)
    monkeypatch.setattr(cgroups, "REMOVE_PATIENCE", PATIENCE)
    if not sys.platform.startswith("linux"):
        pytest.skip("control groups are Linux's")
    found = cgroups.find(f"test{secrets.token_hex(4)}")
    if found is None or found.gives != {"memory", "processes", "cpus"}:
        pytest.skip(
            f"no full control groups here: {' '.join(found.lacks()) if found else 'none are mounted'}"
        )
    yield found
    cgroups.sweep(found.name, kill=True)
    assert folders_of(found) == []


def folders_of(groups):
    places = {folder for folder, _ in groups._homes.values()}
    return [folder for place in places if (folder := Path(place, f"winnow-{groups.name}")).exists()]


@contextlib.contextmanager
def start(groups, slot, code, join="group.join()\n"):
    """A process that joins the slot and then runs the code. It is killed at the end."""
    command = [sys.executable, "-I", "-S", "-c", PRELUDE + join + code, groups.name, slot]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def run(groups, slot, code):
    with start(groups, slot, code) as process:
        output, errors = process.communicate(timeout=PATIENCE)
        return process.returncode, output.strip(), errors


HOG = "x = bytearray(256 << 20)\nfor at in range(0, len(x), 4096): x[at] = 1\nprint('kept')"
SHARED_HOG = """
with open(os.memfd_create("hog"), "wb") as file:
    for _ in range(256): file.write(bytes(1 << 20))
    file.flush()
print("kept")
"""


@pytest.mark.parametrize("hog", [HOG, SHARED_HOG], ids=["of its own", "in a memory file system"])
def test_more_memory_than_the_limit_is_killed_counted_and_not_the_neighbours(groups, hog):
    small, neighbour = groups.make("small"), groups.make("neighbour")
    small.limit(64 * MB, 50, 1.0)
    neighbour.limit(None, None, None)
    with start(groups, "neighbour", "print('in', flush=True); time.sleep(999)") as beside:
        beside.stdout.readline()
        assert run(groups, "small", hog)[0] == -signal.SIGKILL
        assert small.memory_kills() == 1 == cgroups.memory_kills(small.paths)
        assert neighbour.memory_kills() == 0
        assert beside.poll() is None
        beside.kill()
    assert run(groups, "neighbour", hog)[:2] == (0, "kept")
    assert run(groups, "small", "print('again')")[:2] == (0, "again"), "the group goes on"
    assert small.remove() and neighbour.remove()


def swap(group):
    """What the group may swap (version 2), or use with swap (version 1); None on a kernel without swap."""
    files = [
        Path(path, file)
        for path in group.paths
        for file in ("memory.swap.max", "memory.memsw.limit_in_bytes")
    ]
    return next((file.read_text().strip() for file in files if file.exists()), None)


def test_limits_on_memory_go_up_and_down_and_away(groups):
    group = groups.make("a")
    for limit, ends in ((64 * MB, -9), (32 * MB, -9), (600 * MB, 0), (64 * MB, -9), (None, 0)):
        group.limit(limit, None, None)
        assert limit is None or swap(group) in (None, "0", str(limit)), "no swap on top"
        assert run(groups, "a", HOG)[0] == ends, limit
    assert group.memory_kills() == 3
    assert group.remove()


FORKS = """
made = 0
try:
    while made < 60:
        if os.fork() == 0: time.sleep(999); os._exit(0)
        made += 1
except BlockingIOError: pass
print(made)
"""
THREADS = """
import threading
made = 0
try:
    while made < 60:
        threading.Thread(target=time.sleep, args=(999,), daemon=True).start()
        made += 1
except RuntimeError: pass
print(made, flush=True); os._exit(0)
"""


@pytest.mark.parametrize("code", [FORKS, THREADS], ids=["processes", "threads"])
def test_no_more_processes_than_the_limit(groups, code):
    group = groups.make("few")
    group.limit(None, 10, None)
    assert group.process_refusals() == 0
    with start(groups, "few", code) as process:
        assert process.stdout.readline().strip() == "9", "and the first one"
    assert group.process_refusals() == cgroups.process_refusals(group.paths) >= 1
    group.kill()
    group.limit(None, None, None)
    with start(groups, "few", code) as process:
        assert process.stdout.readline().strip() == "60"
    group.kill()
    assert group.remove()


BUSY = """
before = sum(os.times()[:4])
end = time.monotonic() + 1.5
pid = os.fork()
while time.monotonic() < end: pass
if not pid: os._exit(0)
os.wait()
print((sum(os.times()[:4]) - before) / 1.5)
"""


def throttled(group):
    lines = [line for path in group.paths for line in cgroups._lines(f"{path}/cpu.stat")]
    return next(int(line.split()[1]) for line in lines if line.startswith("nr_throttled "))


def test_two_busy_processes_share_a_tenth_of_a_core(groups):
    tenth, all_there_is = groups.make("tenth"), groups.make("all")
    tenth.limit(None, None, 0.1)
    all_there_is.limit(None, None, None)
    _, limited, _ = run(groups, "tenth", BUSY)
    run(groups, "all", BUSY)
    # However little a loaded machine gives, it is more than a tenth of a core at times.
    assert throttled(tenth) > 0 == throttled(all_there_is)
    # A limited group never has more, but for what it had left of its first period.
    assert float(limited) < 0.3
    assert tenth.remove() and all_there_is.remove()


BOMB = "print('lit', flush=True)\nwhile True:\n try: os.fork()\n except OSError: pass"


def test_a_fork_bomb_under_a_limit_is_killed_whole(groups):
    group = groups.make("bomb")
    group.limit(256 * MB, 40, 0.5)
    with start(groups, "bomb", BOMB) as process:
        process.stdout.readline()
        wait_until(lambda: len(group.processes()) >= 35, "the bomb has gone off")
        group.kill()
        assert process.wait(timeout=PATIENCE) == -signal.SIGKILL
    assert group.processes() == set()
    assert group.remove()


def test_kill_takes_processes_that_ignore_signals_or_are_stopped_and_needs_none(groups):
    group = groups.make("stubborn")
    group.kill()
    assert "BlockingIOError" in run(groups, "stubborn", "os.fork()")[2], (
        "a bomb that was not seen cannot go on"
    )
    group.limit(None, None, None)
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN); os.setsid(); print('up', flush=True); "
    with start(groups, "stubborn", stubborn + "time.sleep(999)") as ignoring:
        with start(groups, "stubborn", stubborn + "os.kill(os.getpid(), signal.SIGSTOP)") as stopped:
            ignoring.stdout.readline(), stopped.stdout.readline()
            group.kill()
            assert ignoring.wait(timeout=PATIENCE) == stopped.wait(timeout=PATIENCE) == -signal.SIGKILL
    assert group.remove()


def test_kill_never_kills_what_it_cannot_see_nor_itself(groups, monkeypatch):
    group = groups.make("blind")
    killed = []
    with monkeypatch.context() as blind:
        blind.setattr(cgroups, "KILL_PATIENCE", 0.05)
        blind.setattr(group, "processes", lambda: {0, os.getpid()})
        blind.setattr(cgroups.os, "kill", lambda *what: killed.append(what))
        with pytest.raises(TimeoutError):
            group.kill()
    assert killed == []
    assert group.remove()


@pytest.mark.parametrize("threads", [0, 2])
def test_join_takes_every_thread_and_what_is_started_later(groups, threads):
    group = groups.make("joined")
    code = f"""
import threading
for _ in range({threads}): threading.Thread(target=time.sleep, args=(999,), daemon=True).start()
group.join(); group.join()
if os.fork() == 0: time.sleep(999)
print(open("/proc/self/cgroup").read() == "".join(
    open(f"/proc/self/task/{{task}}/cgroup").read() for task in os.listdir("/proc/self/task")[-1:]
), flush=True)
time.sleep(999)
"""
    with start(groups, "joined", code, join="") as process:
        assert process.stdout.readline().strip() == "True"
        for path in group.paths:
            assert len(cgroups._processes(path)) == 2 and process.pid in cgroups._processes(path)
        group.kill()
    assert group.remove()


def test_slots_are_made_twice_and_removed_twice(groups):
    first, second = groups.make("a"), groups.make("a")
    assert first.paths == second.paths == groups.group("a").paths
    groups.make("b")
    assert groups.slots() == {"a", "b"}
    assert first.remove() and second.remove()
    assert groups.slots() == {"b"} and folders_of(groups) != []
    assert groups.group("b").remove()
    assert folders_of(groups) == []
    assert groups.make("c").remove(), "after the run's folder went, too"
    assert (cgroups.memory_kills(first.paths), cgroups.process_refusals(first.paths)) == (0, 0)


def test_what_is_in_use_stays(groups, monkeypatch):
    group = groups.make("busy")
    with start(groups, "busy", "print('in', flush=True); time.sleep(999)") as process:
        process.stdout.readline()
        with monkeypatch.context() as hurried:
            hurried.setattr(cgroups, "REMOVE_PATIENCE", 0.05)
            assert not group.remove()
        assert cgroups.sweep(groups.name) == 0
        assert process.poll() is None and all(Path(path).is_dir() for path in group.paths)
        process.kill()
    assert group.remove()


def test_sweep_takes_this_run_only_and_kills_only_when_asked(groups):
    other = cgroups.find(groups.name + "b")
    try:
        kept = other.make("kept")
        for slot in ("empty", "also", "busy"):
            groups.make(slot)
        with start(groups, "busy", "print('in', flush=True); time.sleep(999)") as process:
            process.stdout.readline()
            assert cgroups.sweep(groups.name) == 2
            assert groups.slots() == {"busy"} and process.poll() is None
            assert cgroups.sweep(groups.name, kill=True) == 1
            assert process.wait(timeout=PATIENCE) == -signal.SIGKILL
        assert folders_of(groups) == []
        assert cgroups.sweep(groups.name) == 0
        assert all(Path(path).is_dir() for path in kept.paths)
    finally:
        assert other.group("kept").remove()


def test_sweep_everywhere_finds_what_another_session_left(groups):
    place = next(iter(groups._homes.values()))[0]
    elsewhere = Path(place, f"other-{groups.name}")
    elsewhere.mkdir()
    left = elsewhere / f"winnow-{groups.name}" / "slot"
    try:
        left.mkdir(parents=True)
        assert cgroups.sweep(groups.name) == 0 and left.is_dir()
        assert cgroups.sweep(groups.name, everywhere=True) == 1
        assert not left.parent.exists()
    finally:
        for folder in (left, left.parent, elsewhere):
            cgroups._rmdir(folder)


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".", ".."])
def test_a_name_that_leads_elsewhere_is_refused(name):
    with pytest.raises(ValueError):
        cgroups.find(name)
    with pytest.raises(ValueError):
        cgroups.Groups("run", {}, {}).make(name)


def test_groups_that_give_nothing_are_harmless():
    group = cgroups.Groups("run", {}, {"memory": "of a reason"}).make("slot")
    group.join()
    group.limit(1, 1, 1.0)
    group.kill()
    assert (group.paths, group.memory_kills(), group.remove()) == ((), 0, True)


# Layouts of other machines, as files.


class Machine:
    """A folder with the files of /proc/self, and hierarchies beside it."""

    def __init__(self, root):
        self.root, self.mounted, self.own = root, [], []
        (root / "proc").mkdir()

    def mount(self, kind, options, root="/", name=None):
        point = self.root / (name or options)
        point.mkdir(parents=True, exist_ok=True)
        written = str(point).replace("\\", "\\134").replace(" ", "\\040")
        self.mounted.append(f"31 23 0:28 {root} {written} rw,relatime shared:9 - {kind} {kind} rw,{options}")
        return point

    def unified(self, *groups, controllers="cpuset cpu io memory pids", handed_on="memory pids"):
        point = self.mount("cgroup2", "nsdelegate", name="unified")
        for path in ("", *groups):
            group = point / path
            group.mkdir(parents=True, exist_ok=True)
            (group / "cgroup.controllers").write_text(controllers + "\n")
            (group / "cgroup.subtree_control").write_text(handed_on + "\n")
            (group / "cgroup.procs").write_text("")
            if path:
                (group / "cgroup.type").write_text("domain\n")
        return point

    def find(self):
        (self.root / "proc/mountinfo").write_text(
            "22 1 8:1 / / rw - ext4 /dev/sda rw\n" + "\n".join(self.mounted)
        )
        (self.root / "proc/cgroup").write_text("\n".join(self.own))
        return cgroups.find("run", proc=str(self.root / "proc"), trial=False)


@pytest.fixture
def machine(tmp_path):
    folder = tmp_path / "a machine"
    folder.mkdir()
    return Machine(folder)


@pytest.fixture
def ordinary_user(monkeypatch):
    """Who may write only below the folders that the test names."""
    allowed = []
    monkeypatch.setattr(cgroups.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(
        cgroups.os, "access", lambda path, _: any(Path(path).is_relative_to(a) for a in allowed)
    )
    return allowed


def homes(groups):
    return {need: (Path(folder), version) for need, (folder, version) in groups._homes.items()}


def test_nothing_is_mounted(machine):
    assert machine.find() is None


def test_version_1_below_our_own_groups(machine):
    memory = machine.mount("cgroup", "memory") / "nested/own"
    pids = machine.mount("cgroup", "pids")
    both = machine.mount("cgroup", "cpu,cpuacct")
    memory.mkdir(parents=True)
    machine.mount("cgroup", "name=systemd")
    machine.own = ["4:memory:/nested/own", "8:pids:/", "2:cpu,cpuacct:/", "9:name=systemd:/elsewhere", "0::/"]
    groups = machine.find()
    assert homes(groups) == {"memory": (memory, 1), "processes": (pids, 1), "cpus": (both, 1)}
    assert groups.lacks() == ()


def test_version_1_all_in_one_hierarchy(machine):
    point = machine.mount("cgroup", "cpu,memory,pids")
    machine.own = ["1:cpu,memory,pids:/"]
    groups = machine.find()
    assert groups.gives == {"memory", "processes", "cpus"}
    assert groups.make("slot").paths == (str(point / "winnow-run/slot"),)


@pytest.mark.parametrize("own", ["/docker/abc", "/docker/abc/deeper", "/", "/../other", "/gone"])
def test_a_container_sees_a_part_of_the_hierarchy(machine, own):
    point = machine.mount("cgroup", "memory", root="/docker/abc")
    (point / "deeper").mkdir()
    machine.own = [f"4:memory:{own}"]
    at = point / "deeper" if own.endswith("deeper") else point
    assert homes(machine.find())["memory"] == (at, 1)


def test_hybrid_has_some_controllers_on_each(machine):
    memory = machine.mount("cgroup", "memory")
    unified = machine.unified("user/app", "user", controllers="cpu pids", handed_on="cpu pids")
    machine.own = ["4:memory:/", "0::/user/app"]
    groups = machine.find()
    assert homes(groups) == {
        "memory": (memory, 1),
        "processes": (unified / "user", 2),
        "cpus": (unified / "user", 2),
    }
    assert len(groups.group("slot").paths) == 2


def test_hybrid_without_controllers_on_version_2_says_what_is_missing(machine):
    machine.mount("cgroup", "memory")
    machine.unified(controllers="", handed_on="")
    machine.own = ["4:memory:/", "0::/"]
    groups = machine.find()
    assert groups.gives == {"memory"}
    processes, cpus = groups.lacks()
    assert "the number of processes cannot be limited" in processes and "pids" in processes
    assert "processor time cannot be limited" in cpus


USER = "user.slice/user-1000.slice/user@1000.service"


def test_an_ordinary_user_in_a_scope_of_ones_own_manager(machine, ordinary_user):
    app = machine.unified(USER, USER + "/app.slice", USER + "/app.slice/run.scope") / USER / "app.slice"
    machine.own = [f"0::/{USER}/app.slice/run.scope"]
    (app / "run.scope/cgroup.procs").write_text("4711\n")
    ordinary_user.append(app.parent)
    groups = machine.find()
    # The nearest group above that can hand on all: nothing of ours must move.
    assert homes(groups) == dict.fromkeys(("memory", "processes", "cpus"), (app, 2))


def test_a_delegated_scope_is_used_itself(machine, ordinary_user, monkeypatch):
    scope = machine.unified(USER, USER + "/run.scope") / USER / "run.scope"
    machine.own = [f"0::/{USER}/run.scope"]
    ordinary_user.append(scope.parent)
    monkeypatch.setattr(cgroups, "_delegated", lambda folder: folder == str(scope))
    assert set(homes(machine.find()).values()) == {(scope, 2)}


def test_an_ordinary_user_whose_manager_was_not_given_processor_time(machine, ordinary_user):
    unified = machine.unified(USER, USER + "/app.slice", USER + "/app.slice/run.scope")
    for folder in (unified / USER, *(unified / USER).rglob("*.s[cl]*")):
        (folder / "cgroup.controllers").write_text("memory pids\n")
    machine.own = [f"0::/{USER}/app.slice/run.scope"]
    ordinary_user.append(unified / USER)
    groups = machine.find()
    assert groups.gives == {"memory", "processes"}
    (lacking,) = groups.lacks()
    assert lacking.startswith("processor time") and "systemd-run --user --scope -p Delegate=yes" in lacking


def test_an_ordinary_user_in_a_login_session_is_told_the_way_out(machine, ordinary_user):
    machine.unified("user.slice", "user.slice/session-3.scope")
    machine.own = ["0::/user.slice/session-3.scope"]
    groups = machine.find()
    assert groups.gives == frozenset()
    assert len(groups.lacks()) == 3
    assert all("systemd-run --user --scope -p Delegate=yes" in sentence for sentence in groups.lacks())


def test_an_ordinary_user_on_version_1(machine, ordinary_user):
    machine.mount("cgroup", "memory")
    machine.own = ["4:memory:/"]
    assert "only root can change that" in machine.find().lacks()[0]


@pytest.mark.parametrize("version", [1, 2])
def test_read_only_control_groups_are_named_so(machine, ordinary_user, monkeypatch, version):
    machine.mount("cgroup", "cpu,memory,pids") if version == 1 else machine.unified()
    machine.own = ["1:cpu,memory,pids:/"] if version == 1 else ["0::/"]
    monkeypatch.setattr(cgroups, "_read_only", lambda folder: True)
    groups = machine.find()
    assert groups.gives == frozenset()
    assert all("read-only" in sentence for sentence in groups.lacks())


def test_root_beside_a_service_takes_the_nearest_that_gives_most(machine):
    unified = machine.unified("system.slice", "system.slice/ci.service", handed_on="cpu memory pids")
    machine.own = ["0::/system.slice/ci.service"]
    assert set(homes(machine.find()).values()) == {(unified / "system.slice", 2)}
    # A group with processes of its own can hand on nothing more than it does already.
    (unified / "system.slice/cgroup.procs").write_text("99\n")
    (unified / "system.slice/cgroup.subtree_control").write_text("memory\n")
    assert set(homes(machine.find()).values()) == {(unified, 2)}


def test_the_mount_point_may_have_spaces_and_only_the_first_counts(machine):
    machine.mount("cgroup", "memory", name="first of two")
    machine.mount("cgroup", "memory", name="second")
    machine.own = ["4:memory:/"]
    assert homes(machine.find())["memory"][0].name == "first of two"


def test_a_limit_that_fails_when_tried_is_lacking(machine, monkeypatch):
    machine.mount("cgroup", "memory")
    machine.mount("cgroup", "pids")
    machine.own = ["4:memory:/", "8:pids:/"]
    groups = machine.find()
    real = os.mkdir
    refuse = OSError(28, "No space left on device", "pids")
    monkeypatch.setattr(
        cgroups.os,
        "mkdir",
        lambda path, mode: (_ for _ in ()).throw(refuse) if "pids" in path else real(path, mode),
    )
    groups.try_out()
    assert groups.gives == {"memory"}
    assert "No space left on device (pids)" in groups.lacks()[0]
    assert not list(machine.root.rglob("winnow-run"))


# Version 2 by what every hybrid machine has: controllers that nobody took for version 1.


@pytest.fixture
def unified(monkeypatch):
    """A group of version 2 that may hand on a controller of the real kernel, which stands in for memory."""
    point = cgroups._mounts("/proc/self").get("")
    spare = cgroups._words(f"{point[0]}/cgroup.controllers") if point else ()
    if os.geteuid() != 0 or not spare or not os.access(point[0], os.W_OK):
        pytest.skip("needs root and a hierarchy of version 2 with a controller to spare")
    controller = sorted(spare)[0]
    before = controller in cgroups._words(f"{point[0]}/cgroup.subtree_control")
    monkeypatch.setattr(cgroups, "CONTROLLERS", {"memory": controller})
    folder = Path(point[0], f"test{secrets.token_hex(4)}")
    folder.mkdir()
    cgroups._write(f"{point[0]}/cgroup.subtree_control", "+" + controller)
    yield folder
    if not before:
        cgroups._rmdir(folder)
        cgroups._try_write(f"{point[0]}/cgroup.subtree_control", "-" + controller)
    assert not folder.exists()


def test_our_own_group_of_version_2_is_emptied_so_that_it_can_hand_on(unified, monkeypatch, tmp_path):
    monkeypatch.setattr(cgroups, "_candidates", lambda point, folder: [folder])
    (tmp_path / "mountinfo").write_text(Path("/proc/self/mountinfo").read_text())
    (tmp_path / "cgroup").write_text(f"0::/{unified.name}\n")
    with subprocess.Popen(["sleep", "999"]) as ours:
        (unified / "cgroup.procs").write_text(str(ours.pid))
        groups = cgroups.find("run", proc=str(tmp_path))
        assert groups.gives == {"memory"}, groups.lacks()
        assert cgroups._processes(unified / "winnow-outside") == {ours.pid}
        assert not (unified / "winnow-run").exists()
        again = cgroups.find("run", proc=str(tmp_path))
        slot = again.make("slot")
        assert slot.paths == (str(unified / "winnow-run/slot"),)
        with subprocess.Popen(["sleep", "999"]) as inside:
            Path(slot.paths[0], "cgroup.procs").write_text(str(inside.pid))
            slot.kill()
            assert inside.wait(timeout=PATIENCE) == -signal.SIGKILL
        assert slot.remove()
        ours.kill()
    assert (
        cgroups._rmdir(unified / "winnow-outside")
        or cgroups.Group({"memory": (str(unified / "winnow-outside"), 2)}).remove()
    )
    cgroups._rmdir(unified)

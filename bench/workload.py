"""What all arms work on: one repository, one image, one test with a set amount of work."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for, inside sandboxes and by the plain arm: the same interpreter everywhere."""

AT = "/testbed"
"""Where sandboxes show the repository."""

PATCHED = "pkg/value.py"
"""The file that a patch changes."""

TEST_CPU = 0.05
"""Seconds of CPU of one test, the interpreter's own start included."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much a run makes and measures.

    folders, files: of the repository, and in each folder. single_starts, starts: one now and then, and in a row.
    commands, output_mb: how often `bash -c true` runs, and how much one command prints. writes: of each size of file.
    copies: patched copies, one after another. columns, tests: of the matrix, the unfixed code being the first column.
    at_once, idle: sandboxes started at the same time, and the most that are left idle. helper_patience: seconds that
    an engine's helper processes get to end after their containers.
    """

    folders: int
    files: int
    single_starts: int
    starts: int
    commands: int
    output_mb: int
    writes: int
    copies: int
    columns: int
    tests: int
    at_once: int
    idle: int
    helper_patience: float


FULL = Size(
    folders=60,
    files=100,
    single_starts=3,
    starts=10,
    commands=20,
    output_mb=10,
    writes=10,
    copies=10,
    columns=10,
    tests=10,
    at_once=50,
    idle=1000,
    helper_patience=10.0,
)

QUICK = Size(
    folders=4,
    files=25,
    single_starts=1,
    starts=2,
    commands=3,
    output_mb=1,
    writes=2,
    copies=2,
    columns=3,
    tests=2,
    at_once=4,
    idle=4,
    helper_patience=2.0,
)
"""Enough to see that everything runs. A container takes a second or two to start and remove on a slow machine, and
each of six arms starts some twenty of them."""


@dataclass(frozen=True, slots=True)
class Workload:
    """run: this run's name, by which its containers are labelled. folder: scratch for the arms. repository: the
    working tree, which nobody changes. image: bare, by name, and prepared: the same with the repository at AT; both ""
    where there is no engine. loops: of the test's busy part. width: executions at once."""

    run: str
    folder: Path
    repository: Path
    size: Size
    width: int
    image: str = ""
    prepared: str = ""
    loops: int = 0

    @property
    def overlay_run(self) -> str:
        """The name by which Winnow labels what its overlay arm makes, and so for the others."""
        return f"{self.run}-overlay"

    @property
    def cold_run(self) -> str:
        return f"{self.run}-cold"

    @property
    def docker_run(self) -> str:
        return f"{self.run}-docker"

    @property
    def state(self) -> Path:
        """The folder for the layers of Winnow's overlay sandboxes."""
        return self.folder / "state"

    @property
    def temporary(self) -> Path:
        """The folder for temporary files of the arms and their libraries."""
        return self.folder / "tmp"

    @property
    def in_memory(self) -> Path:
        """A folder in memory, which is not there until an arm makes it."""
        return Path("/dev/shm", self.run) if os.path.isdir("/dev/shm") else self.folder / "in-memory"

    def dump(self) -> str:
        return json.dumps(dataclasses.asdict(self), default=str)

    @classmethod
    def load(cls, text: str) -> Workload:
        fields = json.loads(text)
        fields |= {"folder": Path(fields["folder"]), "repository": Path(fields["repository"])}
        return cls(**{**fields, "size": Size(**fields["size"])})


def value_file(value: int) -> str:
    """The patched file's text: about 10 KB, as a source file has."""
    lines = [
        f"VALUE = {value}",
        "",
        *(f"# line {number} of a file of ordinary length" for number in range(230)),
    ]
    return "\n".join(lines) + "\n"


def script(loops: int, number: int) -> str:
    """Test `number`: imports the package, prints what the patch made of it, and works for a set amount of CPU."""
    return (
        "import sys\n"
        "sys.path.insert(0, '.')\n"
        "from pkg.value import VALUE\n"
        f"print('test {number} saw', VALUE)\n"
        "total = 0\n"
        f"for step in range({loops}):\n"
        "    total += step * step % 7\n"
    )


def expected_output(number: int, value: int) -> str:
    """What test `number` prints on a tree with this value: every arm's executions are checked by it."""
    return f"test {number} saw {value}\n"


def calibrate(repository: Path) -> int:
    """Loops of the test that take TEST_CPU seconds on this machine, as a plain process."""
    few, many = 0, 400_000
    slow = min(_cpu(repository, many) for _ in range(5))
    fast = min(_cpu(repository, few) for _ in range(5))
    return max(int((TEST_CPU - fast) * many / (slow - fast)), 0)


def _cpu(repository: Path, loops: int) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    argv = ["python3", "-B", "-c", script(loops, 0)]
    subprocess.run(argv, cwd=repository, check=True, stdout=subprocess.DEVNULL, env={"PATH": PATH})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def width() -> int:
    """Executions at once: the cores that this process may use."""
    return len(os.sched_getaffinity(0))

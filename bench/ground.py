"""What all arms stand on: one repository, one image, one test with a set amount of work."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for, inside sandboxes and by the plain arm: the same interpreter everywhere."""

AT = "/testbed"
"""Where sandboxes show the repository."""

PATCHED = "pkg/value.py"
"""The file that a patch changes."""

COLUMNS, TESTS = 10, 10
"""Of the matrix: the unfixed code and nine patches, times ten tests: 100 executions."""

TEST_CPU = 0.05
"""Seconds of CPU of one test, the interpreter's own start included."""


@dataclass(frozen=True, slots=True)
class Ground:
    """folder: scratch for the arms. repository: the working tree, which nobody changes. image: bare, by name, and
    prepared: the same with the repository at AT; both "" where there is no engine. loops: of the test's busy part.
    width: executions at once. quick: fewer and smaller, to see that everything runs."""

    folder: Path
    repository: Path
    image: str
    prepared: str
    loops: int
    width: int
    quick: bool

    def dump(self) -> str:
        return json.dumps(dataclasses.asdict(self), default=str)

    @classmethod
    def load(cls, text: str) -> Ground:
        read = json.loads(text)
        return cls(**{**read, "folder": Path(read["folder"]), "repository": Path(read["repository"])})


def value_file(value: int) -> str:
    """The patched file's text: about 10 KB, as a source file has."""
    lines = [
        f"VALUE = {value}",
        "",
        *(f"# line {number} of a file of ordinary length" for number in range(230)),
    ]
    return "\n".join(lines) + "\n"


def script(loops: int, number: int) -> str:
    """Test `number`: imports the package, says what the patch made of it, and works for a set amount of CPU."""
    return (
        "import sys\n"
        "sys.path.insert(0, '.')\n"
        "from pkg.value import VALUE\n"
        f"print('test {number} saw', VALUE)\n"
        "total = 0\n"
        f"for step in range({loops}):\n"
        "    total += step * step % 7\n"
    )


def says(number: int, value: int) -> str:
    """What test `number` prints on a tree with this value: every arm's executions are checked by it."""
    return f"test {number} saw {value}\n"


def calibrated(repository: Path) -> int:
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


def say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)

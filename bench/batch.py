"""Many trajectories in one process: Winnow's batch beside mini-swe-agent's, against a server that answers at once.

    python -m bench.batch [--tasks 200] [--attempts 10] [--arms winnow,mini-local,mini-docker]

Every trajectory takes six model calls. Printed for each arm: calls a second, CPU of the process and its children for
each call, peak memory of the process, and what it left on the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .batch_server import STEPS
from .machine import described

HERE = Path(__file__).resolve().parent
PEERS = HERE.parent / ".venv-bench" / "bin" / "python"
RECIPE = 'install = "path"\ntest_command = "python -m unittest -v"\ntest_format = "unittest"\n'
TESTS = "import unittest, names\nclass N(unittest.TestCase):\n    def test_it(self):\n        self.assertTrue(names)\n"
MINI_DOCKER_SHARE = 20
"""One in so many trajectories is run with mini-swe-agent's docker environment, which takes seconds for each."""


@dataclass
class Told:
    """What one arm took. cpu: seconds of the process and its children; memory, disk: bytes."""

    arm: str
    calls: int
    seconds: float
    cpu: float
    memory: int
    disk: int

    def row(self) -> str:
        return (
            f"| {self.arm} | {self.calls:,} | {self.calls / self.seconds:.0f} | {1000 * self.cpu / self.calls:.1f} | "
            f"{self.memory / 2**20:.0f} | {self.disk / 2**20:.1f} |"
        )


@contextmanager
def server() -> Iterator[str]:
    """The server's URL while it runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.batch_server"], cwd=HERE.parent, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def timed(arm: str, command: list[str], env: dict[str, str], calls: int, left: list[Path], log: Path) -> Told:
    """Run a command to its end, and say what it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    with log.open("w") as out:
        process = subprocess.Popen(command, env=env, cwd=HERE.parent, stdout=out, stderr=subprocess.STDOUT)
        peak = watch(process)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{arm} ended with {process.returncode}: see {log}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    disk = sum(size(path) for path in left)
    return Told(arm, calls, seconds, cpu, peak, disk)


def watch(process: subprocess.Popen) -> int:
    """The process's highest resident memory in bytes, at its end."""
    peak = 0
    while process.poll() is None:
        try:
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peak = int(line.split()[1]) * 1024
        except OSError:
            pass
        time.sleep(0.2)
    return peak


def size(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size if path.exists() else 0
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def repository(folder: Path) -> str:
    """A repository of two files; its commit."""
    folder.mkdir()
    (folder / "names.py").write_text("WRONG = 1\n")
    (folder / "test_names.py").write_text(TESTS)
    git = ["git", "-c", "user.name=Bench", "-c", "user.email=bench@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], cwd=folder, check=True)
    said = subprocess.run([*git, "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True)
    return said.stdout.strip()


def winnow(folder: Path, url: str, tasks: int, attempts: int) -> Told:
    commit = repository(folder / "repo")
    row = {"repo": str(folder / "repo"), "base_commit": commit}
    issue = "names.py says WRONG = 1. " * 40
    rows = [{**row, "instance_id": f"toy__toy-{n}", "problem_statement": f"{issue}{n}"} for n in range(tasks)]
    (folder / "issues.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "recipe.toml").write_text(RECIPE)
    home = folder / "home"
    command = [
        sys.executable, "-c", "from winnow.cli import main; main()", "run", str(folder / "issues.jsonl"),
        "--model", "openai/m", "--api-base", url, "--attempts", str(attempts), "--sandbox", "overlay", "--recipe",
        str(folder / "recipe.toml"), "-o", "selection.machine=off", "-o", "selection.regressions=false",
    ]  # fmt: skip
    env = {**os.environ, "WINNOW_HOME": str(home), "OPENAI_API_KEY": "none"}
    return timed(
        "Winnow, overlay",
        command,
        env,
        tasks * attempts * STEPS,
        [home / "winnow.db", home / "winnow.db-wal"],
        folder / "winnow.log",
    )


def mini(folder: Path, url: str, kind: str, trajectories: int) -> Told:
    out, image = folder / f"mini-{kind}", bench_image() if kind == "docker" else ""
    command = [str(PEERS), str(HERE / "batch_mini.py"), url, str(out), str(trajectories), "16", kind, image]
    calls = trajectories * STEPS
    return timed(
        f"mini-swe-agent, {kind}", command, dict(os.environ), calls, [out], folder / f"mini-{kind}.log"
    )


def bench_image() -> str:
    """An image with a shell that `make bench` left with the engine."""
    shown = ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "winnow-bench"]
    said = subprocess.run(shown, capture_output=True, text=True).stdout.split()
    if not said:
        raise SystemExit("no image to run mini-swe-agent's containers from: `make bench` makes one")
    return said[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--attempts", type=int, default=10)
    parser.add_argument("--arms", default="winnow,mini-local,mini-docker")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and store")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="winnow-bench-batch-"))
    trajectories = given.tasks * given.attempts
    print(f"{described()}; load {os.getloadavg()[0]:.1f} at the start\n")
    print(
        "| arm | calls | calls/s | CPU ms/call | peak MB | on disk MB |\n|---|---|---|---|---|---|",
        flush=True,
    )
    with server() as url:
        for arm in given.arms.split(","):
            if arm == "winnow":
                print(winnow(folder, url, given.tasks, given.attempts).row(), flush=True)
            elif arm == "mini-local":
                print(mini(folder, url, "local", trajectories).row(), flush=True)
            elif arm == "mini-docker":
                print(
                    mini(folder, url, "docker", max(1, trajectories // MINI_DOCKER_SHARE)).row(), flush=True
                )
    if given.keep:
        print(f"\nkept in {folder}")
    else:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

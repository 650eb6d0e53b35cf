"""The programs that tests start: which there are, where they lie, and that no others are started.

`docker/test-programs.txt` lists them; the set-up scripts install what it says.
"""

import ctypes
import os
import shutil
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
LIST = CHECKOUT / "docker/test-programs.txt"
UNPACKED = CHECKOUT / ".venv/test-tools/usr/bin"


def listed() -> dict[str, str]:
    """The Debian package of each listed program."""
    rows = (line.split() for line in LIST.read_text().splitlines() if not line.startswith("#"))
    return {program: package for program, package, _ in rows}


PACKAGES = listed()


def program_path(program: str) -> str | None:
    """Where a listed program lies (a shared library: its name); None where it is not installed."""
    assert program in PACKAGES, f"{program} is not in {LIST.relative_to(CHECKOUT)}"
    if ".so." in program:
        return program if _loads(program) else None
    unpacked = UNPACKED / program
    return shutil.which(program) or (str(unpacked) if unpacked.exists() else None)


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing_reason(program: str) -> str:
    return f"{program} is not installed (Debian's package {PACKAGES[program]})"


def needs(program: str) -> pytest.MarkDecorator:
    """A mark that skips a test where a listed program is not installed."""
    return pytest.mark.skipif(program_path(program) is None, reason=missing_reason(program))


def refuse_unlisted_programs() -> None:
    """From now on this process starts no program of the system that is not listed: it would be missing elsewhere."""
    system = {os.path.realpath(folder) for folder in os.environ["PATH"].split(os.pathsep)}
    system -= {os.path.dirname(sys.executable)}

    def refuse(event: str, arguments: tuple) -> None:
        if event != "subprocess.Popen":
            return
        executable = os.fsdecode(arguments[0] or arguments[1][0])
        folder, program = os.path.split(executable)
        if program not in PACKAGES and (not folder or os.path.realpath(folder) in system):
            raise RuntimeError(
                f"{executable} is not in {LIST.relative_to(CHECKOUT)}: a new machine may lack it"
            )

    sys.addaudithook(refuse)

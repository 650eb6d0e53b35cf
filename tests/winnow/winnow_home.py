"""The command, run in a data folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

WINNOW = Path(sys.executable).parent / "winnow"


class Home:
    """A data folder of its own, and the command run in it."""

    def __init__(self, folder: Path):
        self.folder = folder

    @property
    def store(self) -> Path:
        return self.folder / "winnow.db"

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("WINNOW_", "OPENAI_"))}
        return {**kept, "WINNOW_HOME": str(self.folder), "COLUMNS": "160"}

    def start(self, *words: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        """Start the command in a process group of its own."""
        return subprocess.Popen(
            [WINNOW, *words],
            cwd=cwd,
            env=self.environment(),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, *words: str, cwd: Path | None = None, input: str = "") -> subprocess.CompletedProcess[str]:
        """Run the command to its end; the test's own limit is for what hangs."""
        return subprocess.run(
            [WINNOW, *words],
            cwd=cwd,
            env=self.environment(),
            text=True,
            input=input,
            capture_output=True,
        )

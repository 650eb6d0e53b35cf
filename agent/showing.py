"""How runs and the repository's outline are put into words for a prompt."""

from __future__ import annotations

from collections.abc import Sequence

from .candidate import Run
from .normalising import cut_middle
from .render import fenced
from .settings import AttemptSettings

_MEANINGS = {2: "the issue is present", 0: "the issue is solved", 1: "the script hit something unexpected"}


def shown_run(run: Run, settings: AttemptSettings) -> str:
    """One run as text: how it ended, what its exit code means, its output cut in the middle."""
    if why := stopped(run, settings.script_timeout):
        head = f"{why} (counts as a crash)."
    else:
        head = f"Exit code: {run.exit_code} ({_meaning(run.exit_code)})"
    output = cut_middle(run.output, settings.output_chars)
    return f"{head}\nOutput:\n{fenced(output)}" if output.strip() else f"{head}\nOutput: none"


def stopped(run: Run, seconds: float) -> str:
    """Which limit stopped a run, as a sentence without its full stop; "" where it ended by itself."""
    match run.ended:
        case "timeout":
            return f"It did not end within {seconds:g} seconds and was stopped"
        case "memory":
            return "It used more memory than it may and was stopped"
        case "disk":
            return "It wrote more to the disk than it may and was stopped"
    return ""


def _meaning(code: int) -> str:
    if code in _MEANINGS:
        return _MEANINGS[code]
    if code == 127:
        return "the interpreter or a program was not found"
    if code > 128:
        return f"ended by signal {code - 128}"
    return "not one of 0, 1, 2: counts as a crash"


def top_level(files: Sequence[str], most: int = 60) -> str:
    """The names at the repository's root, folders first with a slash, as one line."""
    folders = sorted({path.split("/", 1)[0] + "/" for path in files if "/" in path})
    names = folders + sorted(path for path in files if "/" not in path)
    names = [name for name in names if name.isprintable()]
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more

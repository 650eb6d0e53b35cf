"""Progress on stderr, each line with the time that has passed."""

from __future__ import annotations

import sys
import time

_STARTED = time.monotonic()


def report_progress(line: str) -> None:
    minutes, seconds = divmod(int(time.monotonic() - _STARTED), 60)
    print(f"bench {minutes}:{seconds:02}  {line}", file=sys.stderr, flush=True)

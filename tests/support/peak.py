"""How much memory a piece of code takes at most, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_CHILD = """
import json, resource, sys
sys.path.insert(0, {root!r})

def own():  # ru_maxrss would begin with the memory of whoever started us
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])

{setup}
open("/proc/self/clear_refs", "w").write("5")
before = own()
{code}
children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print("\\n" + json.dumps([result, (own() - before) / 1024, children / 1024]))
"""


def peak(setup: str, code: str) -> tuple[object, float, float]:
    """(`result` as `code` leaves it, MB that `code` takes beyond `setup`, MB of the largest process it started)."""
    script = _CHILD.format(root=str(_ROOT), setup=setup, code=code)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    result, own, children = json.loads(done.stdout.splitlines()[-1])
    return result, own, children

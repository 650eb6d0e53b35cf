"""What is made before anything is measured. Each part is made in a process of its own, which can be ended any time.

`python -m bench.prepare repository|images WORKLOAD`: answers with the fields of the workload that are known then, and
before that with lines on its progress.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from .child import ROOT
from .image import make_images
from .repository import make_repository
from .workload import Workload, calibrate

PEERS = ROOT / ".venv-bench"


def peers_installed() -> bool:
    """Whether the Makefile has installed them to the end."""
    return (PEERS / ".installed").exists()


def prepare(part: str, workload: Workload) -> dict[str, Any]:
    if part == "repository":
        make_repository(workload.repository, workload.size)
        return {"loops": calibrate(workload.repository)}
    peers = PEERS if peers_installed() else None
    image, prepared = make_images(workload, peers, lambda line: _answer(progress=line))
    return {"image": image, "prepared": prepared}


def _answer(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


def main() -> None:
    try:
        fields = prepare(sys.argv[1], Workload.load(sys.argv[2]))
    except Exception as error:
        _answer(failure=" ".join(f"{type(error).__name__}: {error}".split())[:200])
    else:
        _answer(**fields)


if __name__ == "__main__":
    main()

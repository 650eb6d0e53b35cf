"""The process of one arm: takes requests as lines of JSON on stdin, takes samples, answers on its first stdout.

`python -m bench.worker MODULE WORKLOAD`. What the arm's libraries print goes to stderr. It ends at the end of its
stdin; SIGTERM ends what it is measuring first.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any

from .arms.arm import Arm, Cannot
from .measures import measure
from .workload import Workload


async def serve(module: str, workload: Workload, answer: Callable[..., None]) -> None:
    """Open the arm, answer requests, close the arm."""
    arm: Arm = import_module(module).Arm()
    answering = asyncio.create_task(_answer_requests(arm, workload, answer))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, answering.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await answering
    finally:
        # Not in the task that is cancelled, so that nothing breaks it off. The bench removes what is left.
        try:
            await arm.close()
        except Exception:
            traceback.print_exc()


async def _answer_requests(arm: Arm, workload: Workload, answer: Callable[..., None]) -> None:
    try:
        await arm.open(workload)
    except Exception as error:
        answer(failure=_reason(error))
        return
    answer(open=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        answer(**await _take_samples(arm, workload, json.loads(line)))
        await arm.settle()


async def _take_samples(arm: Arm, workload: Workload, request: dict[str, Any]) -> dict[str, Any]:
    module = measure(request["measure"])
    try:
        if request["prepare"]:
            await module.prepare(arm, workload)
            return {"samples": {}}
        return {"samples": await module.sample(arm, workload)}
    except Exception as error:
        traceback.print_exc()
        return {"failure": _reason(error)}


def _reason(error: Exception) -> str:
    text = str(error) if isinstance(error, Cannot) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:200]


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**fields: Any) -> None:
        answers.write(json.dumps(fields) + "\n")
        answers.flush()

    try:
        asyncio.run(serve(sys.argv[1], Workload.load(sys.argv[2]), answer))
    except Exception as error:  # its module cannot be imported
        traceback.print_exc()
        answer(failure=_reason(error))
        sys.exit(1)


if __name__ == "__main__":
    main()

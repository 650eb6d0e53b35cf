"""The process of one arm: takes requests as lines of JSON on stdin, takes samples, answers on its first stdout.

`python -m bench.worker MODULE GROUND`. What the arm's libraries print goes to stderr.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from importlib import import_module

from .ground import Ground
from .measures import measure


async def serve(module: str, ground: Ground, answers) -> None:
    def answer(**told) -> None:
        answers.write(json.dumps(told) + "\n")
        answers.flush()

    try:
        arm = import_module(f"bench.arms.{module}").Arm()
        await arm.open(ground)
    except BaseException as error:
        answer(why=_reason(error))
        return
    answer(ready=True)
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            what = measure(json.loads(line)["measure"])
            try:
                if json.loads(line).get("prepare"):
                    if hasattr(what, "prepare"):
                        await what.prepare(arm, ground)
                    answer(samples={})
                else:
                    answer(samples=await what.sample(arm, ground))
            except Exception as error:
                traceback.print_exc()
                answer(why=_reason(error))
            await arm.settle()
    finally:
        await arm.close()


def _reason(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    asyncio.run(serve(sys.argv[1], Ground.load(sys.argv[2]), answers))


if __name__ == "__main__":
    main()

"""What the tests do to a store from a process of their own. Prints a line when something is done, never before."""

from __future__ import annotations

import asyncio
import hashlib
import resource
import sys

from store import Key, Part, RunBusy, Step, StoreError, open_store

WRITERS = 12


def say(line: str) -> None:
    print(line, flush=True)


async def append(file: str, task: str) -> None:
    """Steps without end, from several trajectories at once; each line is the key of one that is written."""
    with open_store(file) as store, store.lease("run-1"):
        journal = store.journal("run-1", task)

        async def trajectory(name: str) -> None:
            texts: list[Part] = []
            for index in range(1_000_000):
                texts.append(Part(f"message {index} (user)", f"{task} {name} {index} " * 20))
                key = Key(name, "editing", index)
                parts = tuple(
                    (part.label, hashlib.sha256(part.text.encode()).hexdigest()[:32]) for part in texts
                )
                if journal.recall(key, parts) is None:
                    await journal.append(Step(key, "ask", parts, f'"{key}"'), texts)
                say(str(key))

        await asyncio.gather(*(trajectory(f"attempt-{number}") for number in range(WRITERS)))


async def fill(file: str, limit: str) -> None:
    """Steps until the store refuses, then the sentence, then room is made and one more step is written."""
    with open_store(file) as store:
        journal = store.journal("run-1", "task")
        if limit != "none":
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
        written = 0
        try:
            while True:
                await journal.append(Step(Key("a", "b", written), "run", (), "x" * 900), ())
                written += 1
        except StoreError as error:
            say(f"{written} {error}")
        sys.stdin.readline()  # the parent makes room meanwhile
        if limit != "none":
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await journal.append(Step(Key("a", "b", written), "run", (), "x" * 900), ())
        say(f"{len(list(store.steps('run-1')))}")


def create(file: str) -> None:
    with open_store(file) as store:
        store.create_run("run-1", config="{}", kind="solve")
    say("created")


def hold(file: str) -> None:
    """The lease of run-1, until a line comes in."""
    try:
        with open_store(file) as store, store.lease("run-1"):
            say("held")
            sys.stdin.readline()
        say("given back")
    except RunBusy as error:
        say(f"busy {error.pid} {error}")


def open_at_once(file: str) -> None:
    """Open as soon as a line comes in, together with others."""
    say("ready")
    sys.stdin.readline()
    with open_store(file) as store:
        say(str(len(store.runs())))


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    if what in ("append", "fill"):
        asyncio.run({"append": append, "fill": fill}[what](*words))
    else:
        {"create": create, "hold": hold, "open": open_at_once}[what](*words)

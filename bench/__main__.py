"""`python -m bench`: measure the arms side by side, print the tables. Takes about twenty minutes in full."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from . import machine, report
from .arms import ARMS, About
from .driving import HERE, Driven
from .ground import Ground, calibrated, say, width
from .image import make_images
from .measures import NAMES, measure
from .repository import make_repository

PEERS = HERE / ".venv-bench"


def main() -> None:
    asked = _asked()
    if asked.kept:
        told = json.loads(Path(asked.kept).read_text())
        print(told["machine"])
        report.show(told["figures"], _titles(asked.arms), markdown=asked.markdown)
        return
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="winnow-bench-")))
        log = ends.enter_context(open(asked.log, "w"))
        arms, missing = _there(asked.arms)
        ground = _prepare(folder, any(about.engine for about in arms), asked.quick)
        say(f"{machine.described()}; load {os.getloadavg()[0]:.2f}")
        driven = {}
        for about in arms:
            say(f"starting {about.title}")
            python = PEERS / "bin/python" if about.peer else Path(sys.executable)
            driven[about.name] = Driven(about, python, ground, log)
            ends.callback(driven[about.name].end)
            if driven[about.name].why:
                say(f"{about.title} does not run: {driven[about.name].why}")
        found: dict = {}
        for name in asked.only:
            found[name] = _rounds(driven, missing, name, asked.rounds, asked.patience)
            _save(asked, found)
    print(machine.described())
    report.show(found, _titles(asked.arms), markdown=asked.markdown)


def _titles(names: list[str]) -> list[About]:
    return [about for about in ARMS if about.name in names]


def _save(asked: argparse.Namespace, found: dict) -> None:
    """Keep what was measured so far: a long benchmark that is cut off was not for nothing."""
    if asked.json:
        told = {"machine": machine.described(), "rounds": asked.rounds, "figures": found}
        Path(asked.json).write_text(json.dumps(told, indent=1) + "\n")


def _rounds(
    driven: dict[str, Driven], missing: dict[str, str], name: str, rounds: int, patience: float
) -> dict:
    """One measure, round by round, in each round every arm once, another first each time."""
    names, what = list(driven), measure(name)
    figures: dict = {key: dict(missing) for key in what.FIGURES}
    for arm in driven.values():
        arm.ask(name, prepare=True)
    count = min(rounds, what.ROUNDS)
    for number in range(count):
        say(f"{name}: round {number + 1} of {count}, load {os.getloadavg()[0]:.2f}")
        first = number % len(names)
        for arm in names[first:] + names[:first]:
            machine.wait_for_calm(patience)
            answer = driven[arm].ask(name)
            for key in what.FIGURES:
                _keep(figures[key], arm, answer["samples"][key] if "samples" in answer else answer["why"])
    return figures


def _keep(figure: dict, arm: str, samples: list[float] | str) -> None:
    """Add samples; a reason is kept only where there are none."""
    if isinstance(samples, str):
        figure.setdefault(arm, samples)
    elif isinstance(figure.get(arm), list):
        figure[arm] += samples
    else:
        figure[arm] = list(samples)


def _there(wanted: list[str]) -> tuple[list[About], dict[str, str]]:
    """The arms that can be tried here, and why the others cannot."""
    engine = (
        shutil.which("docker") and not subprocess.run(["docker", "version"], capture_output=True).returncode
    )
    arms, missing = [], {}
    for about in ARMS:
        if about.name not in wanted:
            continue
        if about.engine and not engine:
            missing[about.name] = "no Docker engine answers"
        elif about.peer and not (PEERS / "bin/python").exists():
            missing[about.name] = "the peers are not installed (`make bench` does it)"
        else:
            arms.append(about)
    return arms, missing


def _prepare(folder: Path, engine: bool, quick: bool) -> Ground:
    say("making the repository")
    repository = make_repository(folder / "repository")
    images = make_images(repository, PEERS if PEERS.exists() else None) if engine else ("", "")
    loops = calibrated(repository)
    return Ground(folder, repository, *images, loops=loops, width=width(), quick=quick)


def _asked() -> argparse.Namespace:
    names = [about.name for about in ARMS]
    parser = argparse.ArgumentParser(prog="bench", description="Measure sandboxes side by side.")
    parser.add_argument("--only", type=_words(NAMES), default=list(NAMES), help=f"of {','.join(NAMES)}")
    parser.add_argument("--arms", type=_words(names), default=names, help=f"of {','.join(names)}")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each measure (some take fewer)")
    parser.add_argument(
        "--patience", type=float, default=20.0, help="seconds to wait for a calm machine, each time"
    )
    parser.add_argument("--quick", action="store_true", help="one small round: does everything run?")
    parser.add_argument("--json", metavar="FILE", help="keep every sample here")
    parser.add_argument("--from", dest="kept", metavar="FILE", help="only print what was kept so")
    parser.add_argument("--markdown", action="store_true", help="print tables for a document")
    parser.add_argument("--log", default=os.devnull, help="what the arms print")
    asked = parser.parse_args()
    if asked.quick:
        asked.rounds, asked.patience = 1, 1.0
    return asked


def _words(known) -> callable:
    def words(text: str) -> list[str]:
        chosen = text.split(",")
        if wrong := [word for word in chosen if word not in known]:
            raise argparse.ArgumentTypeError(f"{wrong[0]!r} is none of {', '.join(known)}")
        return [name for name in known if name in chosen]

    return words


if __name__ == "__main__":
    main()

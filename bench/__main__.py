"""`python -m bench`: measure the arms side by side and print each measure's tables when it ends."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .arms import ARMS, About
from .limits import FULL, QUICK, Limits
from .measures import NAMES
from .run import Options, print_kept, run

DESCRIPTION = """Measure sandboxes side by side. In full this takes some twenty-five minutes. Each measure's tables are
printed when it ends; Ctrl-C prints what was measured so far and removes all that the run made."""


def main(
    argv: Sequence[str] | None = None, arms: Sequence[About] = ARMS, quick_limits: Limits = QUICK
) -> int:
    """-> the exit code. arms, quick_limits: others than the bench's own, for tests."""
    arguments = _parser(arms).parse_args(argv)
    chosen = [about for about in arms if about.name in arguments.arms]
    if arguments.kept:
        print_kept(Path(arguments.kept), chosen, markdown=arguments.markdown)
        return 0
    options = Options(
        measures=arguments.only,
        arms=chosen,
        rounds=1 if arguments.quick else arguments.rounds,
        patience=0.0 if arguments.quick else arguments.patience,
        quick=arguments.quick,
        json=arguments.json,
        markdown=arguments.markdown,
        log=arguments.log,
    )
    return run(options, quick_limits if arguments.quick else FULL)


def _parser(arms: Sequence[About]) -> argparse.ArgumentParser:
    names = [about.name for about in arms]
    parser = argparse.ArgumentParser(prog="bench", description=DESCRIPTION)
    parser.add_argument("--only", type=_words(NAMES), default=list(NAMES), help=f"of {','.join(NAMES)}")
    parser.add_argument("--arms", type=_words(names), default=names, help=f"of {','.join(names)}")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each measure (some take fewer)")
    parser.add_argument(
        "--patience", type=float, default=20.0, help="seconds to wait for a calm machine before each arm"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"one small round, to see that everything runs; ends within {QUICK.budget / 60:.0f} minutes, and what "
        "there is no time for is left out",
    )
    parser.add_argument("--json", metavar="FILE", help="keep every sample here")
    parser.add_argument("--from", dest="kept", metavar="FILE", help="only print what was kept so")
    parser.add_argument(
        "--markdown",
        action="store_true",
        help="print one table for a document at the end, and the tables of single measures to stderr",
    )
    parser.add_argument("--log", default=os.devnull, help="a file for what the arms print")
    return parser


def _words(known: Sequence[str]) -> Callable[[str], list[str]]:
    def words(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := [word for word in chosen if word not in known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(known)}")
        return [name for name in known if name in chosen]

    return words


if __name__ == "__main__":
    sys.exit(main())

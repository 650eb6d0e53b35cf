"""One run of the bench: prepare, start the arms, measure them in turn, print each measure when it ends, clean up."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from . import machine
from .arm_process import ArmProcess
from .arms import About
from .child import ROOT, Child, NoAnswer
from .interrupts import Interrupts
from .limits import CLEANUP, ENDING, KILL, LEFT_OUT, STOP, Deadline, Limits
from .measures import measure
from .prepare import PEERS, peers_installed
from .progress import report_progress
from .report import Report
from .workload import FULL, QUICK, Workload, width

INTERRUPTED = 130
"""Exit code, as of a program that Ctrl-C ended."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and what to do with it. patience: seconds to wait for a calm machine before each arm.

    json: the file for every sample. log: the file for what the arms print.
    """

    measures: Sequence[str]
    arms: Sequence[About]
    rounds: int
    patience: float
    quick: bool
    json: str | None
    markdown: bool
    log: str


def run(options: Options, limits: Limits) -> int:
    """-> the exit code"""
    interrupts = Interrupts()
    interrupts.install()
    deadline = Deadline(limits.budget - ENDING)
    with open(options.log, "w") as log, tempfile.TemporaryDirectory(prefix="winnow-bench-") as folder:
        current = Run(options, limits, deadline, interrupts, Path(folder), log)
        code = 0
        try:
            current.measure_all()
        except KeyboardInterrupt:
            report_progress("interrupted; here is what was measured so far")
            current.print_unfinished()
            code = INTERRUPTED
        except NoAnswer as reason:
            report_progress(f"nothing can be measured: {reason}")
            code = 1
        finally:
            current.clean_up()
    return code


class Run:
    """results: what was measured so far, by measure, figure and arm."""

    def __init__(
        self,
        options: Options,
        limits: Limits,
        deadline: Deadline,
        interrupts: Interrupts,
        folder: Path,
        log: TextIO,
    ) -> None:
        self._options, self._limits, self._deadline = options, limits, deadline
        self._interrupts, self._log = interrupts, log
        size = QUICK if options.quick else FULL
        self._workload = Workload(folder.name, folder, folder / "repository", size, width())
        self._workload.temporary.mkdir()
        # A document's tables come at the end; who waits for them sees each measure's on stderr.
        file = sys.stderr if options.markdown else sys.stdout
        self._report = Report(file, options.arms, size)
        self._document = Report(sys.stdout, options.arms, size, markdown=True)
        self._children: list[Child] = []
        self._arms: dict[str, ArmProcess] = {}
        self._missing: dict[str, str] = {}
        self._unfinished = ""
        self.results: dict[str, dict[str, dict[str, Any]]] = {}

    def measure_all(self) -> None:
        """Print each measure when it ends. Raises NoAnswer where nothing can be measured, KeyboardInterrupt."""
        print(machine.described())
        if self._options.quick:
            print("A quick run: it shows what runs here. Its figures are of few samples and small sizes.")
        print(flush=True)
        self._prepare()
        self._start_arms()
        for name in self._options.measures:
            self._unfinished = name
            self._measure(name)
            self._unfinished = ""
            self._report.measure(name, self.results[name])
            self._save()
        self._print_end()

    def print_unfinished(self) -> None:
        """Print the measure that was interrupted, as far as it came, and what else comes at the end of a run."""
        name = self._unfinished
        if name in self.results:
            if any(
                isinstance(values, list) for arms in self.results[name].values() for values in arms.values()
            ):
                self._report.measure(name, self.results[name])
            else:
                del self.results[name]
        self._save()
        self._print_end()

    def clean_up(self) -> None:
        """End all processes and remove what they made outside of the run's folder."""
        report_progress("ending the arms and removing what they made")
        for child in self._children:
            child.stop()
        end = Deadline(STOP)
        for child in self._children:
            child.wait(end.remaining())
        end = Deadline(KILL)
        if not all([child.kill(end.remaining()) for child in self._children]):
            report_progress("some processes of the arms could not be killed")
        self._remove_leftovers(CLEANUP)
        shutil.rmtree(self._workload.in_memory, ignore_errors=True)
        report_progress("removing the run's folder")

    # --- before anything is measured -----------------------------------------------------------------------------

    def _prepare(self) -> None:
        report_progress("making the repository and calibrating the test")
        fields = self._prepare_part("repository", self._deadline.remaining())
        self._workload = replace(self._workload, **fields)
        engine_arms = [about.name for about in self._options.arms if about.engine]
        if not engine_arms:
            return
        if reason := _why_no_engine():
            self._missing |= dict.fromkeys(engine_arms, reason)
            return
        report_progress("looking for the images of the docker arms")
        try:
            fields = self._prepare_part("images", min(self._limits.images, self._deadline.remaining()))
            self._workload = replace(self._workload, **fields)
        except NoAnswer as reason:
            report_progress(f"there are no images: {reason}")
            self._missing |= dict.fromkeys(engine_arms, f"its image was not made: {reason}")

    def _prepare_part(self, part: str, seconds: float) -> dict[str, Any]:
        """-> the fields of the workload that are known now. Raises NoAnswer."""
        end = Deadline(seconds)
        argv = [sys.executable, "-m", "bench.prepare", part, self._workload.dump()]
        child = self._start(argv)
        try:
            while "progress" in (fields := child.answer(end.remaining())):
                report_progress(fields["progress"])
        finally:
            child.kill()
        if "failure" in fields:
            raise NoAnswer(fields["failure"])
        return fields

    def _start(self, argv: Sequence[str]) -> Child:
        child = Child(argv, interrupts=self._interrupts, log=self._log, temporary=self._workload.temporary)
        self._children.append(child)
        return child

    def _start_arms(self) -> None:
        for about in self._options.arms:
            if about.peer and not peers_installed():
                self._missing.setdefault(
                    about.name, "the peers are not installed (`make .venv-bench/.installed`)"
                )
            if about.name in self._missing:
                continue
            if self._deadline.passed():
                self._missing[about.name] = LEFT_OUT
                continue
            report_progress(f"starting {about.title}")
            self._start_arm(about)

    def _start_arm(self, about: About) -> None:
        python = PEERS / "bin/python" if about.peer else Path(sys.executable)
        argv = [str(python), "-m", "bench.worker", about.module, self._workload.dump()]
        arm = ArmProcess(about, self._start(argv), self._limits, self._deadline)
        self._arms[about.name] = arm
        arm.wait_until_open()
        if arm.failure:
            self._drop(arm)

    def _drop(self, arm: ArmProcess) -> None:
        """What an arm that does not answer any more left would disturb the others."""
        report_progress(f"{arm.about.title} is not measured from here on ({arm.failure})")
        self._remove_leftovers(min(CLEANUP, self._deadline.remaining()), arm.about.name)

    # --- measuring -----------------------------------------------------------------------------------------------

    def _measure(self, name: str) -> None:
        """One measure, round by round, in each round every arm once, another first each time."""
        module = measure(name)
        self.results[name] = {key: dict(self._missing) for key in module.FIGURES}
        arms = list(self._arms.values())
        if hasattr(module, "prepare"):
            for arm in arms:
                if not arm.failure:
                    report_progress(f"{name}, preparing: {arm.about.title}")
                    self._ask(arm, name, prepare=True)
        rounds = min(self._options.rounds, module.ROUNDS)
        for number in range(rounds):
            first = number % len(arms) if arms else 0
            for arm in arms[first:] + arms[:first]:
                self._sample(arm, name, f"round {number + 1} of {rounds}")

    def _sample(self, arm: ArmProcess, name: str, round_name: str) -> None:
        self._wait_for_calm(arm)
        if not arm.failure and not self._deadline.passed():
            load = os.getloadavg()[0]
            report_progress(f"{name}, {round_name}: {arm.about.title} (load {load:.1f})")
        answer = self._ask(arm, name)
        for key, samples_by_arm in self.results[name].items():
            samples = answer["samples"][key] if "samples" in answer else answer["failure"]
            _add(samples_by_arm, arm.about.name, samples)

    def _ask(self, arm: ArmProcess, name: str, *, prepare: bool = False) -> dict[str, Any]:
        if self._deadline.passed():
            return {"failure": arm.failure or LEFT_OUT}
        failed_before = bool(arm.failure)
        answer = arm.ask(name, prepare=prepare)
        if arm.failure and not failed_before:
            self._drop(arm)
        return answer

    def _wait_for_calm(self, arm: ArmProcess) -> None:
        patience = min(self._options.patience, self._deadline.remaining())
        if patience and not arm.failure:
            with self._interrupts.waiting():
                machine.wait_for_calm(patience)

    # --- at the end ----------------------------------------------------------------------------------------------

    def _print_end(self) -> None:
        if self._options.markdown:
            self._document.document(self.results)
        elif not self._options.quick:
            self._report.goals(self.results)

    def _save(self) -> None:
        """Keep what was measured so far: a long run that is cut off was not for nothing."""
        if self._options.json:
            kept = {
                "machine": machine.described(),
                "quick": self._options.quick,
                "rounds": self._options.rounds,
                "figures": self.results,
            }
            Path(self._options.json).write_text(json.dumps(kept, indent=1) + "\n")

    def _remove_leftovers(self, seconds: float, arm: str = "") -> None:
        """See `leftovers`. arm: only its containers."""
        if not seconds:  # the end of the run does it
            return
        argv = [sys.executable, "-m", "bench.leftovers", self._workload.dump(), *([arm] if arm else [])]
        try:
            subprocess.run(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stderr=self._log, timeout=seconds)
        except subprocess.TimeoutExpired:
            report_progress(
                f"in {seconds:.0f} s not all was removed; containers are in "
                f"`docker ps -a --filter label=winnow-bench.run={self._workload.run}`"
            )


def print_kept(file: Path, arms: Sequence[About], *, markdown: bool) -> None:
    """Print what an earlier run kept with --json."""
    kept = json.loads(file.read_text())
    quick = kept.get("quick", False)
    report = Report(sys.stdout, arms, QUICK if quick else FULL, markdown=markdown)
    print(kept["machine"], end="\n\n")
    if markdown:
        report.document(kept["figures"])
        return
    for name, figures in kept["figures"].items():
        report.measure(name, figures)
    if not quick:
        report.goals(kept["figures"])


def _add(samples_by_arm: dict[str, Any], arm: str, samples: list[float] | str) -> None:
    """Add samples; a reason is kept only where there are none."""
    if isinstance(samples, str):
        samples_by_arm.setdefault(arm, samples)
    elif isinstance(samples_by_arm.get(arm), list):
        samples_by_arm[arm] += samples
    else:
        samples_by_arm[arm] = list(samples)


def _why_no_engine() -> str:
    """Why the docker arms cannot run; empty where they can."""
    if not shutil.which("docker"):
        return "the docker command is not installed"
    with contextlib.suppress(subprocess.TimeoutExpired):
        if subprocess.run(["docker", "version"], capture_output=True, timeout=10).returncode == 0:
            return ""
    return "no Docker engine answers"

"""The pictures of README and docs, made anew: `.venv/bin/python docs/screenshots.py`, in some three minutes.

The demo runs in a data folder of its own. What the terminal shows in its middle and at its end is drawn from its
journal by the functions that draw it while it runs; the viewer's pages are photographed in Debian's chromium.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console  # noqa: TID251 (it records its own drawing)

from store import Reader, Step, open_reader
from winnow.batch_issues import Stage
from winnow.progress import Progress
from winnow.report import print_candidates, print_choice, print_matrix, print_totals
from winnow.stored import evidence_from_json, ranking_from_json
from winnow.view.links import Links

PICTURES = Path(__file__).parent / "pictures"
WINNOW = str(Path(sys.executable).with_name("winnow"))
TASK = "humanize"
COLUMNS = 112
WIDTH, HEIGHT = 1280, 860
SVG = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""rich's picture of a terminal without the fonts that it has browsers fetch: any fixed-width font does."""
LIMITS = {".svg": 150_000, ".png": 200_000}
"""Bytes of a picture."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--home", type=Path, help="a data folder to use and keep, with the demo already in it or not"
    )
    home = parser.parse_args().home
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        made = draw((home or Path(temporary)).absolute())
    for file in made:
        size = file.stat().st_size
        print(f"{file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file}: {size:,} bytes")
        if size > LIMITS[file.suffix]:
            sys.exit(f"{file} is too large for a repository: at most {LIMITS[file.suffix]:,} bytes")


def draw(home: Path) -> list[Path]:
    """All pictures, of the demo that ran in `home`; it runs if it has not."""
    said = home / "demo.txt"
    if not said.exists():
        home.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [WINNOW, "demo"], env=environment(home), stdout=subprocess.PIPE, text=True, check=True
        )
        said.write_text(done.stdout)
    with open_reader(home / "winnow.db") as reader:
        run = reader.runs()[-1].run
        made = [live(reader, run), end(reader, run, said.read_text())]
    return made + list(pages(home, run))


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "WINNOW_HOME": str(home), "COLUMNS": str(COLUMNS)}


def live(reader: Reader, run: str) -> Path:
    """The live view at the moment when half of the attempts had made their last step."""
    steps = sorted(reader.steps(run, TASK), key=ended)
    last = {step.key.trajectory: step for step in steps}
    attempts = {name: step for name, step in last.items() if name.startswith("attempt-")}
    moment = sorted(map(ended, attempts.values()))[len(attempts) // 2]
    console = terminal(84)
    console.print(f"run {run}", style="bold", highlight=False)
    progress = Progress(console, len(attempts))
    progress.stage(TASK, Stage.ATTEMPTS)
    for step in steps:
        if ended(step) <= moment:
            progress.observe(TASK)(step, True)
            if last[step.key.trajectory] is step:
                progress.ended(TASK, step.key.trajectory, ending(reader, run, step.key.trajectory))
    progress.spent.started = time.monotonic() - (moment - min(step.started for step in steps))
    console.print(progress.picture())
    return save(console, "terminal-live.svg")


def end(reader: Reader, run: str, said: str) -> Path:
    """What the demo prints when all is decided; its last sentences as it said them."""
    console = terminal()
    evidence = evidence_from_json(reader.results(run, TASK, "evidence")[-1].body)
    ranking = ranking_from_json(reader.results(run, TASK, "choice")[-1].body)
    print_matrix(console, evidence)
    print_candidates(console, evidence, ranking)
    chosen = next((each for each in evidence.candidates if each.id == ranking.chosen), None)
    print_choice(console, chosen, ranking)
    console.print()
    print_totals(console, reader.totals(run))
    console.print(said[said.index("(the replies came") :].rstrip(), highlight=False, markup=False)
    return save(console, "terminal-end.svg")


def pages(home: Path, run: str) -> Iterator[Path]:
    """The viewer's main pages, in both themes."""
    links = Links()
    shown = {
        "run": links.run(run),
        "issue": links.issue(run, TASK),
        "trajectory": links.trajectory(run, TASK, "attempt-1"),
    }
    with viewer(home) as address, browser() as opened:
        for theme in ("light", "dark"):
            for name, path in shown.items():
                context = opened.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=theme)
                page = context.new_page()
                page.goto(address + path, wait_until="load")
                if name == "issue":
                    page.locator("#matrix-title").evaluate("title => title.scrollIntoView({block: 'center'})")
                file = PICTURES / f"viewer-{name}-{theme}.png"
                page.screenshot(path=file)
                context.close()
                yield file


@contextmanager
def viewer(home: Path) -> Iterator[str]:
    """`winnow view` on any free port; its address."""
    words = [WINNOW, "view", "--port", "0"]
    server = subprocess.Popen(words, env=environment(home), stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip().rstrip("/")
    finally:
        server.terminate()
        server.wait(10)


@contextmanager
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("there is no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        # The sandbox of chromium needs what containers often do not give; the pages are our own.
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


def terminal(width: int = COLUMNS) -> Console:
    """A terminal that nobody sees and that can be photographed."""
    return Console(
        file=io.StringIO(),
        record=True,
        width=width,
        height=40,
        force_terminal=True,
        color_system="truecolor",
    )


def save(console: Console, name: str) -> Path:
    file = PICTURES / name
    file.write_text(console.export_svg(title="winnow demo", code_format=SVG, unique_id=file.stem))
    return file


def ended(step: Step) -> float:
    """Unix time."""
    return step.started + step.seconds


def ending(reader: Reader, run: str, trajectory: str) -> str:
    row = reader.trajectory(run, TASK, trajectory)
    return str(row.ending) if row is not None and row.ending else "finished"


if __name__ == "__main__":
    main()

"""`winnow view --export`: the same pages as files, with relative links, to publish a run or to keep it.

They need no server: the table of issues is filtered and sorted by the browser itself, outputs of tests are on the
issue's page, long texts are cut. Secrets are taken out as on the server, in patches too.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from environments import patch_warning
from store import Reader

from .errors import CannotView
from .figures_page import figures_page
from .issue_page import IssuePage, issue_page, outputs_of
from .links import Links, issue_path, run_path, slug, trajectory_path
from .memory import Memory
from .rendering import Renderer, renderer
from .run_page import run_page
from .runs_page import RunsPage, line_of
from .trajectory_page import trajectory_page

STATIC = Path(__file__).parent / "static"
LEFT_OUT = ("htmx.min.js", "sse.min.js", "htmx-LICENSE", "sse-LICENSE")
"""What only a server's pages need."""
_ALL = 10**9
_EVERY = 25


def write_pages(
    reader: Reader,
    runs: Sequence[str],
    folder: Path,
    *,
    render: Renderer | None = None,
    tell: Callable[[str], None] = lambda said: None,
) -> int:
    """Write the pages of these runs into `folder`; how many there are. tell: is told how it goes on.

    Raises CannotView where the folder holds something else.
    """
    _prepare(folder)
    render = render or renderer()
    memory = Memory(reader, render.scrubber.clean)
    lines = tuple(line_of(memory, reader.run(run)) for run in runs)
    _write(folder, "", render, "runs", RunsPage(lines, "", len(lines), 1, 1))
    pages = 1
    for run in runs:
        pages += _run(memory, run, folder, render)
        names = reader.task_names(run)
        for at, task in enumerate(names, 1):
            pages += _issue(memory, run, task, folder, render, tell)
            if at % _EVERY == 0 or at == len(names):
                tell(f"{run}: {at} of {len(names)} issues, {pages} pages")
    return pages


def _prepare(folder: Path) -> None:
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            if not (folder / "static" / "view.css").is_file():
                raise CannotView(f"{folder} holds something else already: name an empty folder, or a new one")
        shutil.copytree(
            STATIC, folder / "static", dirs_exist_ok=True, ignore=shutil.ignore_patterns(*LEFT_OUT)
        )
    except OSError as error:
        raise CannotView(f"{folder} cannot be written ({error.strerror}): name another folder") from error


def _run(memory: Memory, run: str, folder: Path, render: Renderer) -> int:
    page = run_page(memory, run, {}, page=_ALL)
    _write(folder, run_path(run), render, "run", page, figures=figures_page(memory, run))
    return 1


def _issue(
    memory: Memory, run: str, task: str, folder: Path, render: Renderer, tell: Callable[[str], None]
) -> int:
    page = issue_page(memory, run, task)
    _write(folder, issue_path(run, task), render, "issue", page, outputs=outputs_of(page.evidence))
    pages = 1
    for name, patch in _trajectories(page):
        number, last = 0, 1
        while number < last:
            number += 1
            found = trajectory_page(memory, run, task, name, {"page": str(number)})
            last = found.pages
            _write(folder, trajectory_path(run, task, name, number), render, "trajectory", found)
            pages += 1
        if patch:
            file = folder / issue_path(run, task) / "trajectories" / slug(name) / "patch.diff"
            file.write_text(
                render.scrubber.clean(patch), encoding="utf-8", errors="surrogateescape", newline=""
            )
            if warning := patch_warning(patch):
                tell(f"warning: {task} {name}: {warning}")
    return pages


def _trajectories(page: IssuePage) -> Iterator[tuple[str, str]]:
    patches = {each.candidate.id: each.candidate.patch for each in page.candidates}
    for line in page.trajectories:
        yield line.row.trajectory, patches.get(line.row.trajectory, "")


def _write(folder: Path, path: str, render: Renderer, template: str, page: object, **more: object) -> None:
    html = render(template, Links(path, static=True), page=page, live=False, **more)
    place = folder / path
    place.mkdir(parents=True, exist_ok=True)
    (place / "index.html").write_text(html, encoding="utf-8")

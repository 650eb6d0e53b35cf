"""What `winnow report` does: read the facts of a run, make its figures, print or write them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from store import Store

from .console import Console
from .figures_gather import Facts, gather
from .figures_printing import print_summary
from .figures_summary import Summary, summarize
from .figures_tables import as_json, write_csv
from .paths import open_users_store
from .showing import print_outcome


class NoPlots(Exception):
    """What draws figures is not installed; the message says how it is."""


def report(
    run: str,
    *,
    json: bool,
    csv: Path | None,
    figures: Path | None,
    md: Path | None,
    html: Path | None,
    store: str | None,
) -> None:
    """Print the report of a run, as text or as one JSON object, and write its tables, figures and documents where that
    is asked for. Raises NoPlots, OSError.
    """
    if (figures or html) and find_spec("matplotlib") is None:
        raise NoPlots("figures are drawn by matplotlib, which is not here: pip install 'winnow[plots]'")
    opened = open_users_store(store)
    console = Console(stderr=json)
    facts = gather(opened, run)
    summary = summarize(facts)
    if json:
        print(as_json(facts, summary), end="")
    else:
        if facts.row.kind in ("solve", "demo"):
            _candidates(console, opened, facts.row.run)
        print_summary(console, summary)
    if csv is not None:
        files = write_csv(facts, summary, csv)
        console.print(f"Written to {csv}: {', '.join(file.name for file in files)}", highlight=False)
    if figures or md or html:
        _documents(console, opened, facts, summary, figures=figures, md=md, html=html)


def _documents(
    console: Console,
    store: Store,
    facts: Facts,
    summary: Summary,
    *,
    figures: Path | None,
    md: Path | None,
    html: Path | None,
) -> None:
    from .plots.data import figures_of
    from .plots.document import html as as_html
    from .plots.document import markdown, relative
    from .plots.files import write_figures
    from .plots.read import known_of

    found = list(figures_of(known_of(store, facts, summary)))
    for figure in found:
        if figure.missing:
            console.print(f'No figure "{figure.title}": {figure.missing}.', style="dim", highlight=False)
    if figures is not None:
        files = write_figures(found, figures)
        console.print(f"Written to {figures}: {len(files)} files", highlight=False)
    if md is not None:
        there = [] if figures is None else [figure for figure in found if not figure.missing]
        pictures = {f.name: relative(figures / f"{f.name}.svg", md) for f in there if figures is not None}
        _write(console, md, markdown(summary, found, pictures))
    if html is not None:
        _write(console, html, as_html(summary, found))


def _write(console: Console, file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    console.print(f"Written: {file}", highlight=False)


def _candidates(console: Console, store: Store, run: str) -> None:
    """A run of one issue: its candidates are what one wants to see first."""
    for task in store.tasks(run):
        print_outcome(console, store, run, task.task)

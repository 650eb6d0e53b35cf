"""`winnow export`: what a run made, in the forms that others read.

No secret and nothing of a reference is in any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from environments import patch_warning
from store import Store

from .export_candidates import ALL, Handed, handed
from .export_errors import CannotExport
from .export_patches import write_patches, write_predictions_lines, write_predictions_list
from .export_places import new_folder, write_lines, write_shown
from .export_secrets import Scrubber
from .export_sft import Only, Rule, write_sft
from .export_submission import write_submission
from .figures_gather import Facts, gather
from .figures_summary import Summary, summarize
from .figures_tables import as_json, csv_texts

Format = Literal["predictions-jsonl", "predictions-json", "submission", "patches", "sft", "csv", "json"]
FORMATS: tuple[str, ...] = get_args(Format)


@dataclass(frozen=True, slots=True)
class Asked:
    """What to export. which: "" for the chosen patches, a candidate's name, or "all". name: of the system, for
    predictions; "" for one made of Winnow's and the model's. logs: of the official harness, for a submission.
    strategy: whose choices are the chosen patches; "" for the run's own. least, steps: see export_sft.Rule.
    """

    format: Format
    out: Path
    which: str = ""
    only: Only = "resolved"
    name: str = ""
    logs: Path | None = None
    strategy: str = ""
    least: float = 0.0
    steps: bool = True


def export(
    store: Store, run: str, asked: Asked, warn: Callable[[str], None] = lambda said: None
) -> list[str]:
    """Export a run; what was written and what was left out, a sentence each. Raises CannotExport and NoSuchRun.

    warn: is told of each patch that holds characters which its reader would not see.
    """
    facts = gather(store, run, asked.strategy)
    if asked.strategy and facts.strategy != asked.strategy:
        raise CannotExport(
            f"run {facts.row.run} has no choices by {asked.strategy!r}: "
            f"`winnow select {facts.row.run} --strategy {asked.strategy}` makes them"
        )
    summary = summarize(facts)
    scrubber = Scrubber()
    said = _write(store, facts, summary, asked, scrubber, warn)
    return said + scrubber.said()


def _write(
    store: Store,
    facts: Facts,
    summary: Summary,
    asked: Asked,
    scrubber: Scrubber,
    warn: Callable[[str], None],
) -> list[str]:
    out, which = asked.out, asked.which
    patches = _watched(handed(store, facts, which), warn)
    name = asked.name or _name(facts, summary, which)
    of = f" of {name}" if name else ""
    match asked.format:
        case "predictions-jsonl" | "predictions-json":
            write = write_predictions_lines if asked.format == "predictions-jsonl" else write_predictions_list
            count = write(out, patches, name, which, scrubber)
            ending = "." + asked.format.removeprefix("predictions-")
            warned = (
                [] if out.suffix == ending else [f"SWE-bench's harness wants a name that ends in {ending}"]
            )
            return [f"{count} predictions{of} written to {out}", *_missing(facts, which, count), *warned]
        case "patches":
            count, empty = write_patches(out, patches, which, scrubber)
            left = [f"{empty} empty patches have no file"] if empty else []
            return [f"{count} patches written to {out}", *left, *_missing(facts, which, count + empty)]
        case "submission":
            if which == ALL:
                raise CannotExport(
                    "a submission has one patch for each issue: say --candidate NAME, or nothing"
                )
            count, official = write_submission(
                out, store, facts, summary, patches, name, which, scrubber, asked.logs
            )
            return [
                f"{count} predictions{of} written to {out}, with traces and logs ({official} of the official harness)",
                *_missing(facts, which, count),
                "metadata.yaml and README.md say what is still to be filled in",
            ]
        case "sft":
            rule = Rule(asked.only, asked.least, asked.steps)
            count, left_out = write_sft(out, store, facts, rule, scrubber)
            return [
                f"{count} conversations ({asked.only}) written to {out}",
                *(f"left out: {number} {why}" for why, number in left_out.items()),
            ]
        case "json":
            write_lines(out, [scrubber.clean(as_json(facts, summary))])
            return [f"figures written to {out}"]
        case "csv":
            with new_folder(out) as folder:
                texts = csv_texts(facts, summary)
                for file, text in texts.items():
                    write_shown(folder / file, scrubber.clean(text))
            return [f"figures written to {out}: {', '.join(texts)}"]


def _watched(patches: Iterator[Handed], warn: Callable[[str], None]) -> Iterator[Handed]:
    for each in patches:
        if warning := patch_warning(each.patch):
            warn(f"{each.task} {each.candidate}: {warning}")
        yield each


def _missing(facts: Facts, which: str, count: int) -> list[str]:
    missing = len(facts.issues) - count
    if which == ALL or missing <= 0:
        return []
    return [f"{missing} of {len(facts.issues)} issues have none"]


def _name(facts: Facts, summary: Summary, which: str) -> str:
    """The name of the system: an imported one keeps its own."""
    if facts.row.kind == "import":
        names = {attempt.name for issue in facts.issues for attempt in issue.attempts}
        return "" if which == ALL else which or min(names, default="import")
    model = summary.model.rpartition("/")[2].rpartition(":")[2]
    return f"winnow-{model}" if model else "winnow"

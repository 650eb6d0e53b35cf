"""The card of a set of training samples: what is in it, from where, by which rule, and what its maker must say."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from environments import json_text

from .figures_gather import Facts
from .markdown_text import markdown_text

FILE = "train.jsonl"


@dataclass(slots=True)
class Tally:
    """What was written, counted while it is."""

    samples: int = 0
    issues: set[str] = field(default_factory=set)
    messages: int = 0
    characters: int = 0
    kinds: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, row: Mapping[str, object], messages: int, characters: int) -> None:
        self.samples += 1
        self.issues.add(str(row["instance_id"]))
        self.messages += messages
        self.characters += characters
        self.kinds[str(row["kind"]), str(row["part"]).partition("/")[0], str(row["protocol"])] += 1


def card(file: Path, facts: Facts, tally: Tally, rule: str) -> str:
    """The card's text: front matter as dataset hubs read it, then the rest for people. file: the data."""
    data = facts.settings.get("data")
    dataset = f"{data['dataset']} ({data['digest']})" if isinstance(data, dict) else "one issue, no dataset"
    preset = str(facts.settings.get("preset", ""))
    lines = [
        "---",
        "license: other  # yours to choose: see below",
        "task_categories: [text-generation]",
        "tags: [code, software-engineering, winnow]",
        "configs:",
        "- config_name: default",
        f"  data_files: [{{split: train, path: {FILE}}}]",
        "---",
        "",
        f"# Training samples from the Winnow run {markdown_text(facts.row.run)}",
        "",
        "| | |",
        "|---|---|",
        f"| samples | {tally.samples}, from {len(tally.issues)} issues |",
        f"| size | {tally.messages} messages, {tally.characters} characters |",
        f"| preset | {markdown_text(preset)} |",
        f"| model that wrote them | {markdown_text(facts.model)} |",
        f"| issues from | {markdown_text(dataset)} |",
        f"| rule | {markdown_text(rule)} |",
        f"| SHA-256 of {FILE} | {hashlib.sha256(file.read_bytes()).hexdigest()} |",
        "",
        "## What is in it",
        "",
        "| sample of | part | protocol | samples |",
        "|---|---|---|---|",
        *(
            f"| {kind} | {markdown_text(part)} | {how} | {n} |"
            for (kind, part, how), n in sorted(tally.kinds.items())
        ),
        "",
        "Each line is a JSON object: `messages` in OpenAI's form, the last one the model's; `tools` where the model "
        "called the server's tools (`protocol` says how it acted: native calls, calls in text, or blocks between "
        "marker lines, as the system message explains them); `reason`, why it is here; and where it comes from. Equal "
        "conversations are there once.",
        "",
        "## What was left out",
        "",
        *([f"- {number} {why}" for why, number in sorted(tally.left_out.items())] or ["Nothing."]),
        "",
        "## What its maker must say",
        "",
        "- The licence. The samples hold text of the issues, code of the repositories they are about, under their own "
        "licences, and words of the model, whose terms may forbid training on them.",
        "- Whether issues or repositories are part of a benchmark that a model trained on this will be measured by.",
        "",
        "Keys and passwords were looked for and removed; no reference patch and no hidden test is in it.",
        "",
        "```json",
        json_text({"graded": facts.graded, "run": facts.row.run, "strategy": facts.strategy}),
        "```",
        "",
    ]
    return "\n".join(lines)

"""`winnow presets`: what each preset is made of, and what it takes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from rich.table import Table

from agent import Calls
from environments import json_text
from selection import SelectionSettings

from .configuration import Configuration, configure, preset_file, presets
from .configuration_sources import changed_keys
from .console import Console
from .costs import IssueCost, cost_of

MODEL = "MODEL"
"""Stands for the model, which no preset names."""
AGENTS = {
    "codemonkeys": "CodeMonkeys' machines: a test first, then edits that are tried with it",
    "tools": "an agent that calls tools",
    "samples": "direct patches: one reply with edits, nothing is run",
    "first-finish": "an agent that calls tools; the first that finish end the others",
    "refine": "an agent that calls tools, told the best patch so far",
    "distil": "an agent that calls tools, in two waves, the second told the best of the first",
    "evoscale": "direct patches in generations, shown the survivors of the last",
    "agentless": "direct patches from places that were found level by level",
    "reasoner": "direct patches after a search through understandings and localisations",
    "archon": "layers",
}
"""By way: how candidates are made."""


def list_presets(*, as_json: bool) -> None:
    """Print every preset with its cost."""
    console = Console()
    if as_json:
        body = {name: _described(name) for name in presets()}
        print(json_text(body, indent=2))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("preset")
    for name in ("least", "typical", "most"):
        table.add_column(name, justify="right")
    table.add_column("what it is", ratio=1)
    for name, about in presets().items():
        calls = cost_of(_bare(name)).all
        table.add_row(name, f"{calls.lower:,}", f"{calls.typical:,}", f"{calls.upper:,}", about)
    console.print(table)
    console.print()
    console.print(
        "Model calls for one issue, judges and selection included. Where the repository's source does not fit into "
        "the model's window, presets that choose files first take one more for each source file. "
        "`winnow presets show NAME` says what each is made of.",
        style="dim",
        highlight=False,
        soft_wrap=not console.is_terminal,
    )


def show_preset(name: str, *, as_json: bool) -> None:
    """Print one preset's composition. Raises WrongConfiguration for an unknown name."""
    found = _described(name)
    if as_json:
        print(json_text(found, indent=2))
        return
    console = Console()

    def say(title: str, text: str) -> None:
        console.print(f"{title:<10} {text}", highlight=False, markup=False, soft_wrap=True)

    console.print(name, style="bold", highlight=False)
    console.print(found["about"], highlight=False, markup=False, soft_wrap=True)
    console.print()
    say("paper", found["paper"])
    say("way", f"{found['way']}, {found['attempts']} attempts")
    say("agent", found["agent"])
    say("evidence", ", ".join(found["evidence"]))
    if found["weighing"]:
        say("on the way", ", ".join(found["weighing"]))
    say("strategy", found["strategy"])
    calls = cost_of(_bare(name))
    say(
        "calls",
        f"{_range(calls.all)}: {_range(calls.way)} to make candidates, {_range(calls.selection)} to weigh them",
    )
    if calls.context:
        say(
            "",
            f"and to choose files, one for each source file and {calls.rankings} more (none where all source fits)",
        )
    console.print()
    console.print("settings that are not the defaults:", highlight=False)
    for key, value in found["settings"].items():
        console.print(f"  {key} = {json.dumps(_short(value))}", highlight=False, markup=False, soft_wrap=True)


def _described(name: str) -> dict[str, Any]:
    """A preset as plain data."""
    configuration = _bare(name)
    said = [line.lstrip("# ").rstrip() for line in preset_file(name).splitlines() if line.startswith("#")]
    plain = Configuration.model_validate({"model": {"name": MODEL}, "preset": name})
    changed = changed_keys(plain, configuration)
    return {
        "about": said[0],
        "paper": said[1].removeprefix("Source: ") if len(said) > 1 else "",
        "notes": said[2:],
        "way": configuration.way,
        "attempts": configuration.attempts,
        "agent": agent_of(configuration),
        "evidence": evidence_of(configuration.selection),
        "weighing": evidence_of(configuration.weighed_by) if configuration.weighing else [],
        "strategy": configuration.selection.strategy,
        "calls": _counts(cost_of(configuration)),
        "settings": {
            key: after for key, (_, after) in sorted(changed.items()) if key not in ("preset", "way")
        },
    }


def agent_of(configuration: Configuration) -> str:
    """How candidates are made, in words; of layers which they are."""
    if configuration.way != "archon":
        return AGENTS[configuration.way]
    numbers = configuration.archon.numbers(configuration.most_attempts)
    words = []
    for layer, made in zip(configuration.archon.layers, numbers, strict=True):
        count = len(made) or layer.samples or 1
        words.append(
            layer.kind + (f" {count}" if count > 1 else "") + (f", keep {layer.keep}" if layer.keep else "")
        )
    return "layers: " + " -> ".join(words)


def evidence_of(settings: SelectionSettings) -> list[str]:
    """What candidates are weighed by, in words."""
    found = []
    if settings.regressions:
        which = {"all": "", "near": " near the change", "covering": " that cover the change"}[
            settings.existing
        ]
        found.append(f"existing tests{which}")
    found.append("the attempts' own tests, where they have some")
    for number, what in (
        (settings.reproduction_files, "files of reproduction cases"),
        (settings.extra_tests, "further tests for ties, at most"),
    ):
        if number:
            found.append(f"{number} {what}")
    for on, what in (
        (settings.judge, "a judge"),
        (settings.tournament, "a tournament of summaries"),
        (settings.asks_machine, f"the selection machine over {settings.keep}"),
    ):
        if on:
            found.append(what)
    return found


def _counts(cost: IssueCost) -> dict[str, Any]:
    return {**asdict(cost), "all": asdict(cost.all)}


def _bare(name: str) -> Configuration:
    """The preset's configuration, without a model."""
    return configure(name, {"model": {"name": MODEL}})


def _short(value: Any) -> Any:
    """A setting for people: of a table in a list without what is not said in it."""
    if isinstance(value, list):
        return [_short(each) for each in value]
    if isinstance(value, dict):
        return {key: below for key, below in value.items() if below not in (None, "", False)}
    return value


def _range(calls: Calls) -> str:
    """All three numbers, or one where they are the same."""
    if calls.lower == calls.upper:
        return f"{calls.typical:,}"
    return f"{calls.typical:,} ({calls.lower:,} to {calls.upper:,})"

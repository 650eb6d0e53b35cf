"""How one attempt is made: context, testing and editing machine (CodeMonkeys in full), or an agent that calls tools.

May import environments, sandbox and models. Hands on `Candidate`: a patch, the attempt's own test, its
ending.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .candidate import Candidate, Ending, Run, Script

_HOMES = {
    "attempts": "attempt",
    "blocks": "Block Form ReplyError read_blocks write_block",
    "calls": "Calls",
    "context": "Context ContextFile gather_context merge_rankings",
    "conversation": "Conversation",
    "editing": "Edited write_edit",
    "edits": "Applied Create Delete Edit EditError Replace apply_edits parse_edits write_edits",
    "endings": "KilledSandbox Stopped ending_of",
    "grammar": "reply_form words_form",
    "localising": "Located LocalisingSettings localise",
    "judging": "JUDGE_TOKENS Verdict judge",
    "normalising": "cut_middle normalise",
    "patching": "patch_of",
    "proposing": "Proposal first_replies patch_opening propose shown_files",
    "render": "fenced renderer shown_file shown_issue",
    "scripts": "ScriptError parse_script run_script",
    "settings": "AttemptSettings ContextSettings PatchSettings ToolSettings",
    "showing": "shown_run stopped top_level",
    "testing": "Tested normaliser write_test",
    "side_by_side": "together",
    "tool_agent": "tool_attempt",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = ["Candidate", "Ending", "Run", "Script", *_HOME]


def __getattr__(name: str) -> Any:
    """Names come when they are asked for, so that the door opens at once."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value

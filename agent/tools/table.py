"""The table of tools: what a model is told of each, how its arguments are checked, which function does it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .bash import bash
from .editor import create, insert, replace, undo, view
from .search import search
from .submit import submit
from .workplace import ToolError, Workplace

Kind = Literal["text", "number", "texts"]


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a tool. body: in the text protocol it stands in the block, not on its first line."""

    about: str
    kind: Kind = "text"
    required: bool = True
    body: bool = False


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool as a model knows it."""

    about: str
    arguments: Mapping[str, Argument]
    do: Callable[..., Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that a reply calls. wrong: why its arguments cannot be read, "" where they can. id: the server's."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    wrong: str = ""
    id: str = ""


_PATH = Argument("Path of the file, relative to the repository's root.")

TOOLS: Mapping[str, Tool] = {
    "bash": Tool(
        "Run a command in a new bash at the repository's root, and see its output and exit code. "
        "Nothing of an earlier command's shell is kept (folder, variables), files are.",
        {"command": Argument("The command or script.", body=True)},
        bash,
    ),
    "view": Tool(
        "Show lines of a file with their numbers, or list a folder.",
        {
            "path": Argument("Path of a file or folder, relative to the repository's root."),
            "start": Argument("First line, from 1.", "number", required=False),
            "end": Argument("Last line.", "number", required=False),
        },
        view,
    ),
    "create": Tool(
        "Write a new file.",
        {"path": _PATH, "text": Argument("The whole text of the file.", body=True)},
        create,
    ),
    "replace": Tool(
        "Replace the one place of a file where a text stands, exactly and only once.",
        {
            "path": _PATH,
            "find": Argument("The text to find, copied from the file exactly, indentation too.", body=True),
            "replace": Argument("What is put in its place.", body=True),
        },
        replace,
    ),
    "insert": Tool(
        "Put lines into a file after a line.",
        {
            "path": _PATH,
            "line": Argument("The line to insert after; 0: at the beginning of the file.", "number"),
            "text": Argument("The lines.", body=True),
        },
        insert,
    ),
    "undo": Tool("Take back the last change that the editor made to a file.", {"path": _PATH}, undo),
    "search": Tool(
        "Find lines that match a regular expression in the repository's files.",
        {
            "pattern": Argument("The regular expression.", body=True),
            "path": Argument("A file or folder to search in; all where it is left out.", required=False),
            "files": Argument('Names of files to search in, such as "*.py".', required=False),
        },
        search,
    ),
    "submit": Tool(
        "Say that the issue is solved. The change in the repository's files is taken as it stands; nothing more can "
        "be done after.",
        {
            "scratch": Argument(
                "Files in the repository that you made only for yourself, which are no part of the change.",
                "texts",
                required=False,
                body=True,
            )
        },
        submit,
    ),
}
EDITOR = ("view", "create", "replace", "insert", "undo")

_SCHEMAS: Mapping[Kind, Mapping[str, Any]] = {
    "text": {"type": "string"},
    "number": {"type": "integer"},
    "texts": {"type": "array", "items": {"type": "string"}},
}


def chosen(groups: Collection[str]) -> tuple[str, ...]:
    """Names of the tools of these groups ("bash", "editor", "search"); submit always is."""
    names = {name for group in groups for name in (EDITOR if group == "editor" else (group,))} | {"submit"}
    return tuple(name for name in TOOLS if name in names)


def schemas(names: Collection[str]) -> tuple[dict[str, Any], ...]:
    """The tools as OpenAI's chat completions take them, always in the same order."""
    return tuple(_schema(name, tool) for name, tool in TOOLS.items() if name in names)


def read_arguments(name: str, text: str, names: Collection[str]) -> Call:
    """The call that a model wrote as JSON; one that is `wrong` where it cannot be read."""
    if name not in names:
        return Call(name, wrong=f"There is no tool {name!r}: there are {', '.join(names)}.")
    try:
        given = json.loads(text or "{}", strict=False)
    except (ValueError, RecursionError) as error:
        return Call(name, wrong=f"The arguments are no JSON ({error}): send the call again, complete.")
    if not isinstance(given, dict):
        return Call(name, wrong="The arguments must be a JSON object.")
    return checked(Call(name, given))


def checked(call: Call) -> Call:
    """The call with its arguments as their kinds are, and `wrong` where one is missing, unknown or another kind."""
    known = TOOLS[call.name].arguments
    arguments: dict[str, Any] = {}
    for name, value in call.arguments.items():
        if name not in known:
            return Call(call.name, wrong=f"{call.name} has no argument {name!r}: it has {', '.join(known)}.")
        if value is None and not known[name].required:
            continue
        try:
            arguments[name] = _as(known[name].kind, value)
        except (TypeError, ValueError, OverflowError):
            word = {"text": "a text", "number": "a whole number", "texts": "a list of texts"}[
                known[name].kind
            ]
            return Call(call.name, wrong=f"{call.name}: {name} must be {word}.")
    missing = [name for name, argument in known.items() if argument.required and name not in arguments]
    if missing:
        return Call(call.name, wrong=f"{call.name} lacks {' and '.join(missing)}.")
    return Call(call.name, arguments, "", call.id)


async def perform(work: Workplace, call: Call) -> str:
    """Carry out a call: what the model sees of it, also where it was wrong. Raises what the sandbox raises."""
    if call.wrong:
        return f"Error: {call.wrong}"
    try:
        return await TOOLS[call.name].do(work, **call.arguments)
    except ToolError as error:
        return f"Error: {error}"


def _schema(name: str, tool: Tool) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": {
            key: {**_SCHEMAS[argument.kind], "description": argument.about}
            for key, argument in tool.arguments.items()
        },
        "required": [key for key, argument in tool.arguments.items() if argument.required],
        "additionalProperties": False,
    }
    return {
        "type": "function",
        "function": {"name": name, "description": tool.about, "parameters": parameters},
    }


def _as(kind: Kind, value: Any) -> Any:
    """The value as its kind is: models write numbers as texts and lists as one text. Raises TypeError, ValueError."""
    if kind == "number":
        if isinstance(value, bool) or (isinstance(value, float) and value != int(value)):
            raise ValueError
        return int(value)
    if kind == "texts":
        values = [value] if isinstance(value, str) else list(value)
        return tuple(_text(each) for each in values)
    return _text(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value.encode("utf-8", "replace").decode()

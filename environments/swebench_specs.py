"""The official harness's way with logs, in a process of its own: `python -m environments.swebench_specs`.

It needs the extra `swebench`, reads one JSON object from stdin and writes one to stdout. Winnow never imports swebench
in its own process: that takes seconds, and reads .env files. It knows versions 4 (commands by repository and version)
and 5 (rows bring their scripts).

    {"ask": "has"}                                         -> {"version": "5.0.2"}
    {"ask": "command", "repo", "version", "test_patch"}    -> {"command": "...", or "" where it knows none}
    {"ask": "parse", "log", "repo", "version", "parser"}   -> {"results": {name: "PASSED"}} or {"results": null}
"""

from __future__ import annotations

import contextlib
import importlib
import json
import re
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

_MARKS = (">>>>> Start Test Output", ">>>>> End Test Output")


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Answer one question. Raises ImportError where there is no swebench."""
    if asked["ask"] == "has":
        return {"version": importlib.import_module("swebench").__version__}
    if asked["ask"] == "command":
        return {"command": _command(asked["repo"], asked["version"], asked["test_patch"])}
    parser = _parser(asked.get("parser", ""), asked["repo"])
    return {"results": _parse(parser, asked) if parser else None}


def _command(repo: str, version: str, test_patch: str) -> str:
    constants = importlib.import_module("swebench.harness.constants")
    specs = getattr(constants, "MAP_REPO_VERSION_TO_SPECS", {}).get(repo, {}).get(version)
    if not specs:
        return ""
    command = specs["test_cmd"]
    command = command[-1] if isinstance(command, list) else command
    return " ".join([command, *_directives(repo, test_patch)])


def _directives(repo: str, test_patch: str) -> list[str]:
    """The files of the test patch as the runner wants them: by the harness, where it has a rule, else as they are."""
    with contextlib.suppress(ImportError, AttributeError):
        rules = importlib.import_module("swebench.harness.test_spec.python")
        return list(rules.get_test_directives({"repo": repo, "test_patch": test_patch}))
    return re.findall(r"^diff --git a/.* b/(.*)$", test_patch, re.MULTILINE)


def _parser(name: str, repo: str) -> Callable[..., dict[str, str]] | None:
    """By its name, else by the repository (version 5 keeps these tables in the languages' own modules)."""
    parsers = importlib.import_module("swebench.harness.log_parsers")
    places = [parsers, *(part for part in vars(parsers).values() if isinstance(part, ModuleType))]
    tables = [
        value for part in places for key, value in vars(part).items() if key.startswith("MAP_REPO_TO_PARSER")
    ]
    by_name = getattr(parsers, "PARSER_REGISTRY", {})
    by_repo = next((table[repo] for table in tables if repo in table), None)
    return by_name.get(name) or getattr(parsers, name or "-", None) or by_repo


def _parse(parser: Callable[..., dict[str, str]], asked: dict[str, Any]) -> dict[str, str]:
    log = asked["log"]
    if all(mark in log for mark in _MARKS):
        log = log.split(_MARKS[0])[1].split(_MARKS[1])[0]
    return parser(log, _spec(asked))


def _spec(asked: dict[str, Any]) -> Any:
    """What parsers are handed beside the log; most do not look at it."""
    return SimpleNamespace(
        repo=asked["repo"], version=asked.get("version", ""), instance_id="", log_parser=""
    )


def main() -> int:
    try:
        said = answer(json.loads(sys.stdin.buffer.read()))
    except ImportError as error:
        print(json.dumps({"missing": str(error)}))
        return 3
    print(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())

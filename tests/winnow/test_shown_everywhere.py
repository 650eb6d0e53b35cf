"""Every command, page and export over a store of hostile texts: none of their characters comes out raw."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import hostile_run
import httpx
import pytest
from hostile_run import BAD, BATCH, DRAWING, IMPORTED, OTHER, RUN, TASKS, raw

from environments import visible
from store import open_reader
from winnow.cli import COMMANDS
from winnow.view.app import _PATHS, viewer
from winnow.view.links import slug
from winnow.view.rendering import renderer

CHILD = Path(__file__).with_name("shown_child.py")


class Place:
    """A folder with all that commands are given."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.store = folder / "hostile.db"
        hostile_run.write(self.store)
        self.rows = hostile_run.write_rows(folder)
        self.predictions = hostile_run.write_predictions(folder)
        (folder / "mirrors").mkdir()
        self.bad_toml = folder / "bad.toml"
        self.bad_toml.write_text(json.dumps(f"key {BAD}") + " = 1\n")

    def words(self, out: str) -> dict[str, list[list[str]]]:
        """By command, what it is started with. A command that is missing here fails the test."""
        store, mirrors = ["--store", str(self.store)], ["--repos", str(self.folder / "mirrors")]
        rows, name = str(self.rows), self.folder / out
        name.mkdir()
        one = ("--candidate", "attempt-1")
        return {
            "solve": [
                [str(self.folder / BAD.replace("/", "")), "--issue", BAD, "--model", "m", *store],
                [".", "--issue", BAD, "--model", "m", "--config", str(self.bad_toml), *store],
                [".", "--issue", BAD, "--model", f"nobody/{BAD}", "-o", f"{BAD}=1", *store],
            ],
            "run": [
                [rows, "--model", "openai/m", "--api-base", "http://127.0.0.1:9", *mirrors, *store,
                 "--price", "1,1,1", "--patience", "0", "--filter", "repo=x"],
                [rows, "--model", "openai/m", "--config", str(self.bad_toml), *store],
                [f"none{BAD}", "--model", "openai/m", "--api-base", "http://127.0.0.1:9", "--price", "1,1,1", *store],
            ],
            "build": [[rows, *mirrors, "--sandbox", "overlay"]],
            "status": [[RUN, *store], [*store], [RUN, "--json", *store], [BATCH, *store], [BAD, *store]],
            "tail": [[RUN, "--no-follow", *store], [RUN, TASKS[3], "--no-follow", *store]],
            "view": [[RUN, "--export", str(name / "site"), *store], [BAD, *store]],
            "demo": [["--preset", BAD, *store]],
            "resume": [
                [BATCH, *store], [BAD, *store], [BATCH, "--redo", BAD, *store], [BATCH, "-o", f"{BAD}=1", *store],
            ],
            "runs": [[*store]],
            "show": [
                [RUN, *store], [RUN, TASKS[3], *store], [RUN, BAD, *store], [IMPORTED, *store],
                [RUN, TASKS[3], "--steps", "attempt-1", *store],
            ],
            "grade": [
                [RUN, "--dataset", rows, "--sandbox", "overlay", *mirrors, *store],
                [RUN, "--dataset", rows, "--json", "--sandbox", "overlay", *mirrors, *store],
                [str(self.predictions), "--dataset", rows, "--sandbox", "overlay", *mirrors, *store],
            ],
            "select": [
                [RUN, *store], [RUN, "--cards", *store], [RUN, "--json", *store], [RUN, "--compare", *store],
                [RUN, "--task", BAD, *store], [RUN, "--strategy", "votes", "--cards", *store],
                ["--predictions", str(self.predictions), "--dataset", rows, *store],
            ],
            "report": [
                [RUN, *store], [RUN, "--json", *store], [IMPORTED, *store],
                [RUN, "--md", str(name / "r.md"), "--html", str(name / "r.html"), "--csv", str(name / "csv"),
                 "--figures", str(name / "figures"), *store],
                [IMPORTED, "--md", str(name / "i.md"), "--html", str(name / "i.html"), *store],
                [BATCH, "--md", str(name / "b.md"), "--html", str(name / "b.html"), *store],
            ],
            "import": [
                [str(self.predictions), "--dataset", rows, *store],
                [str(self.predictions), "--dataset", rows, "--json", *store],
            ],
            "export": [
                [RUN, "--format", kind, "--out", str(name / f"x-{kind}{end}"), *more, *store]
                for kind, end, *more in (
                    ("predictions-jsonl", ".jsonl", *one), ("predictions-json", ".json", *one),
                    ("submission", "", *one), ("patches", "", *one),
                    ("sft", "", "--only", "all"), ("csv", ""), ("json", ".json"),
                )
            ] + [[RUN, "--format", BAD, "--out", "x", *store], [RUN, "--format", "patches", "--candidate", BAD, "--out",
                 str(name / "no"), *store]] + [
                [IMPORTED, "--format", kind, "--candidate", f"system {BAD}", "--out", str(name / f"i-{kind}"), *store]
                for kind in ("submission", "patches", "csv")
            ],
            "presets": [[], ["show", BAD], ["show", "codemonkeys", "--json"]],
            "doctor": [[]],
            "images": [[]],
            "clean": [["--dry-run", "--unused", "1"], [BAD, *store]],
            "datasets": [[], [rows], [rows, "--ids"], [f"{BAD}.jsonl"]],
        }  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("hostile"))


def started(place: Place, out: str) -> tuple[list[list[str]], list[str], dict[str, str]]:
    """Every command's words, what starts them all, and its environment."""
    table = place.words(out)
    assert set(table) == set(COMMANDS), "every command is given something hostile"
    every = [[command, *words] for command, several in table.items() for words in several]
    file = place.folder / f"{out}.json"
    file.write_text(json.dumps(every))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WINNOW_", "OPENAI_"))}
    more = {"WINNOW_HOME": str(place.folder / "home"), "COLUMNS": "160", "PAGER": "cat", "TERM": "xterm-256color",
            "OPENAI_API_KEY": "none", "HF_HUB_OFFLINE": "1"}  # fmt: skip
    return every, [sys.executable, str(CHILD), str(file)], {**kept, **more}


def by_command(text: str, every: list[list[str]]) -> list[tuple[str, str]]:
    parts = re.split(r"^=== \d+\r?\n", text, flags=re.M)[1:]
    assert len(parts) == len(every), text[-3000:]
    return [(" ".join(words)[:200], part) for words, part in zip(every, parts, strict=True)]


def check(said: list[tuple[str, str]]) -> None:
    wrong = [(words, sorted(map(ascii, raw(text)))) for words, text in said if raw(text)]
    assert not wrong, "\n".join(f"{ascii(words)}: {found}" for words, found in wrong)
    failed = [f"{ascii(words)}\n{text}" for words, text in said if "Traceback" in text]
    assert not failed, failed[0]


@pytest.mark.overlay
def test_nothing_raw_comes_through_a_pipe(place):
    every, command, environment = started(place, "pipe")
    done = subprocess.run(command, env=environment, capture_output=True, cwd=place.folder)
    out, err = by_command(done.stdout.decode(), every), by_command(done.stderr.decode(), every)
    check(out)
    check(err)
    both = {words: a + b for (words, a), (_, b) in zip(out, err, strict=True)}
    for command in (
        "runs",
        "show",
        "tail",
        "report",
        "select",
        "status",
        "import",
        "grade",
        "datasets",
        "build",
    ):
        shown = [text for words, text in both.items() if words.split()[0] == command]
        assert any(r"\x1b" in text or r"\u001b" in text for text in shown), f"{command} shows nothing hostile"
    for words, text in out:
        if "--json" in words.split() and text.strip() and not words.startswith("presets"):
            json.loads(text)
    warned = "".join(text for words, text in err if words.startswith("export"))
    assert "U+202E RIGHT-TO-LEFT OVERRIDE in src/mod.py" in warned
    _check_files(place.folder / "pipe")


def _check_files(folder: Path) -> None:
    """What was written to be read is fit; patches are what the store has, byte for byte."""
    patches = 0
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        assert not raw(str(file.relative_to(folder))), ascii(file)
        if "static" in file.parts or file.suffix == ".png":
            continue
        text = file.read_bytes().decode("utf-8", "surrogateescape")
        if file.suffix in (".patch", ".diff"):
            patches += BAD in text
            continue
        assert not raw(text), f"{ascii(file.relative_to(folder))}: {sorted(map(ascii, raw(text)))}"
        if file.suffix == ".json":
            json.loads(text)
        if file.suffix == ".jsonl" and "predictions" in file.name:
            assert any(BAD in json.loads(line)["model_patch"] for line in text.splitlines())
    assert patches >= 3


@pytest.mark.overlay
def test_nothing_raw_comes_to_a_terminal(place):
    every, command, environment = started(place, "terminal")
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(place.folder)
        os.execve(command[0], command, environment)
    seen = bytearray()
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:  # the other side is closed
            break
        if not data:
            break
        seen += data
    os.waitpid(pid, 0)
    text = DRAWING.sub("", re.sub(r"^=== \d+\r?\n=== ", "=== ", seen.decode(), flags=re.M))
    check(by_command(text, every))
    assert r"\x1b]52;c;" in text and r"\u202e" in text and "a[/nope]b" in text


def test_every_path_of_the_viewer_is_fit(place):
    ids = {
        "run": RUN,
        "task": slug(TASKS[3]),
        "candidate": "attempt-1",
        "test": "test-2",
        "trajectory": "attempt-1",
    }
    with open_reader(place.store) as reader:
        step = next(iter(reader.steps_since(RUN, 0, 500, TASKS[3])))
        digest = next(d for s in _steps(place) for label, d in s.parts if label != "settings")
        numbers = {"digest": digest, "number": str(step.number)}
        paths = [
            re.sub(r"\{(\w+)(:\w+)?\}", lambda m: {**ids, **numbers}[m[1]], path) for path in _PATHS.values()
        ]
        paths += [f"/compare/?a={RUN}&b={OTHER}", f"/compare/?a={RUN}&b={OTHER}&task={slug(TASKS[3])}", "/nothing",
                  f"/?q={'%1b%e2%80%ae'}", f"/runs/{slug(BAD)}/", f"/runs/{IMPORTED}/"]  # fmt: skip
        application, hostile = viewer(reader, render=renderer({})), 0

        async def get(path: str) -> httpx.Response:
            transport = httpx.ASGITransport(application)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765") as client:
                return await client.get(path)

        for path in paths:
            answer = asyncio.run(get(path))
            assert answer.status_code in (200, 404), (path, answer.status_code)
            if path.endswith("patch.diff"):
                assert BAD in answer.content.decode()
                continue
            text = answer.content.decode()
            assert not raw(text), (path, sorted(map(ascii, raw(text))))
            assert not raw(str(answer.headers))
            hostile += visible("\x1b]52") in text
            if path.endswith(("/trajectories/attempt-1/", f"/issues/{slug(TASKS[3])}/")):
                assert (
                    "Warning: the patch holds" in text
                    and "U+202E RIGHT-TO-LEFT OVERRIDE in src/mod.py" in text
                )
        assert hostile >= 8


def _steps(place: Place):
    from store import open_store

    with open_store(place.store) as store:
        return list(store.steps(RUN, TASKS[3], "attempt-1"))

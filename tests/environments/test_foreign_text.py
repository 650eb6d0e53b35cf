"""Logs, settings, source and rows that were written to take hours or all memory: each is read at once, or refused."""

from __future__ import annotations

import configparser
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peak import peak

from environments import freeze
from environments.datasets import rows_of
from environments.detection import detect
from environments.foreign_text import parse_ini, parse_json, parse_python, parse_toml
from environments.grading.machinery import _test_settings
from environments.test_logs import FORMATS, read_log, read_titles

N = 1_000_000  # what a sandbox's output has at most

LOGS = {
    "a summary's brackets": "=== short test summary info ===\nFAILED a::b"
    + "] -" * (N // 3) + "\n=== 1 failed in 0.1s ===\n",
    "counts": "1 passed, " * (N // 10) + "\n",
    "blanks after a word": "a::b PASSED" + " " * N + "x\n",
    "blanks after a worker's test": "[gw0] [ 1%] PASSED a" + " " * N + "b\n",
    "blanks": " " * N + "x\n",
    "blanks in a listing": "a.py[1]\ntest_x " + " " * N + "x\n",
    "verdicts in a listing": "a.py[1]\ntest_x" + " [OK]" * (N // 5) + "x\n",
    "dots": "test " + " ... " * (N // 5) + "\n",
    "panics": "test " + " - should panic ... " * (N // 20) + "\n",
    "words after dots": "test a ..." + " ok" * (N // 3) + "x\n",
    "empty lines": "\n" * N,
    "signs": "=" * N + "x\n",
    "ends": "tests finished: " + ",  in 1 seconds" * (N // 14) + "x\n",
    "hashes": "ok 1 " + "# " * (N // 2) + "\n",
    "escapes": "\x1b]" * (N // 2),
    "nested JSON": '{"Action": "run"}\n{"Action":' + "[" * (N - 100),
    "JSON nested to its end": '{"Action": "run"}\n{"Action":' + "[" * (N // 2) + "]" * (N // 2) + "}",
}  # fmt: skip


@pytest.mark.timeout(180)  # each of these took hours, or ended in an error of ours
@pytest.mark.parametrize("log", LOGS)
def test_logs_are_read_at_once(log):
    for test_format in FORMATS:
        assert read_log(test_format, LOGS[log])[1] in (True, False)
        read_titles(test_format, LOGS[log])


@pytest.mark.parametrize(
    "line, read",
    [
        ("test a ... ok", {"a": "passed"}),
        ("test a - should panic ... ok", {"a": "passed"}),
        ("test a ... noise ... ignored, why", {"a": "skipped"}),
        ("test a b ... noise FAILED", {"a b": "failed"}),
        ("test a ... nook", {}),
        ("test  ... ok", {}),
    ],
)
def test_cargos_lines(line, read):
    assert read_log("cargo", line + "\n")[0] == read


def test_other_lines_are_read_as_before():
    assert read_log("pytest", "[gw1] [ 10%] PASSED a.py::t[x y]  \n")[0] == {"a.py::t[x y]": "passed"}
    listing = "a.py[2]\ntest_x ok   [OK]\ntest_y F [FAIL]  \n== tests finished: 1 passed, in 0.1 seconds ==\n"
    assert read_log("listing", listing) == ({"a.py::test_x": "passed", "a.py::test_y": "failed"}, True)


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "text",
    [
        "a" + " " * 200_000 + "b", "[a]\nb" + "\t" * 200_000 + "c", "[a]\nb =" + " \f" * 100_000 + "c", "[" * 200_000,
        "a" * 10**7, "[a]\nb\n  c",
    ],
)  # fmt: skip
def test_settings_in_ini(text):
    parse_ini(text, allow_no_value=True)
    _test_settings("setup.cfg", text.encode())


@given(st.text(alphabet="ab =:[]\n \t#;", max_size=60))
def test_ini_is_read_as_python_reads_it(text):
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        assert parse_ini(text) is None
    else:
        found = parse_ini(text)
        assert {s: dict(found[s]) for s in found} == {s: dict(parser[s]) for s in parser}


@pytest.mark.parametrize(
    "nested", ["a = " + "[" * 100_000, "a = " + "[" * 100_000 + "]" * 100_000, "a = 1" + "0" * 10**6]
)
def test_settings_in_toml(nested):
    assert parse_toml(nested) is None and _test_settings("pyproject.toml", nested.encode()) == nested


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 50_000 + "1" + "}" * 50_000, " " * 10**6 + "1"])
def test_json(text):
    assert parse_json(text) is None


def test_a_package_that_is_nested(tmp_path, repo_at):
    repo = repo_at(tmp_path / "project")
    repo.write({"package.json": "[" * 250_000, "a.js": "x\n"})
    repo.commit()
    tree = freeze(repo.folder, tmp_path / "frozen").tree
    assert detect(tree, at="/w", environ={"PATH": "/usr/bin"}).test_command is None


SOURCES = {
    "numbers": '"x = [" + "0," * 2_000_000 + "]"',
    "statements": '"0\\n" * 2_000_000',
    "formatted": '"f\'" + "{0}" * 1_000_000 + "\'"',
    "a sum": '"x = " + "1+" * 190_000 + "1"',
    "attributes": '"x = a" + ".a" * 190_000',
    "calls": '"x = a" + "()" * 190_000',
    "signs": '"x = " + "-" * 390_000 + "1"',
    "functions": '"lambda:" * 50_000 + "0"',
    "choices": '"if 0: 0\\n" + "elif 0: 0\\n" * 35_000',
}


@pytest.mark.parametrize("source", SOURCES)
def test_memory_for_source_is_bounded(source):
    _, taken, _ = peak(
        f"from environments.foreign_text import parse_python\nsource = {SOURCES[source]}",
        "result = parse_python(source) is None",
    )
    assert taken < 350


def test_source_is_parsed():
    assert parse_python("a = 1").body and parse_python(b"# coding: latin-1\na = '\xe9'").body
    assert parse_python("a = (") is None and parse_python("a\0b") is None


ROWS = {
    "a.json.gz": 'b"[" + b" " * 900_000_000',
    "one.json.gz": 'b"{" + b" " * 900_000_000',
    "nested.json.gz": 'b"[" * 200_000_000',
    "list.json.gz": 'b"{\\"a\\": [" + b"[]," * 60_000_000 + b"0]}"',
    "a.jsonl.gz": 'b"{" + b" " * 900_000_000',
    "lists.jsonl.gz": 'b"{\\"a\\": [" + b"[]," * 60_000_000 + b"0]}"',
    "emoji.jsonl.gz": '"\\U0001f600".encode() * 100_000_000',
}


@pytest.mark.parametrize("name", ROWS)
def test_memory_for_rows_is_bounded(tmp_path, name):
    file = tmp_path / name
    peak(
        f"import gzip\ncontent = {ROWS[name]}",
        f"gzip.open({str(file)!r}, 'wb', 1).write(content)\nresult = 0",
    )
    assert file.stat().st_size < 8_000_000
    said, taken, _ = peak(
        f"from environments.datasets import rows_of, BadRow\nfrom pathlib import Path\nfile = Path({str(file)!r})",
        "result = [row.sentence if isinstance(row, BadRow) else '' for row in rows_of(file)]",
    )
    assert taken < 900 and len(said) == 1 and said[0]


def test_usual_rows_are_read(tmp_path):
    row = {"instance_id": "a", "patch": "x" * 3_000_000}
    with gzip.open(tmp_path / "a.json.gz", "wt") as file:
        json.dump([row] * 20, file)
    assert [found.values for found in rows_of(tmp_path / "a.json.gz")] == [row] * 20

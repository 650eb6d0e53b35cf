"""Rows of one file: JSON, JSON lines, either of them gzipped, or parquet. A bad row ends nothing but itself."""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from .dataset import BadRow, DatasetError
from .row import Row, is_text

ENDINGS = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz", ".json", ".json.gz", ".parquet")

_LONGEST_LINE = 16 * 1024 * 1024  # characters; longer is no row, and reading on must not take all memory
_LARGEST_JSON = (
    256 * 1024 * 1024
)  # characters of a file that is read as a whole, which may be a few bytes compressed
_LARGEST_OBJECT = 64 * 1024 * 1024  # characters of one that is a single object


def is_data(path: Path) -> bool:
    """Whether the file's name is one of a file of rows."""
    return path.name.lower().endswith(ENDINGS)


def rows_of(path: Path, shown: str = "") -> Iterator[Row | BadRow]:
    """The rows of a file, in order, read as they are asked for.

    shown: how sentences name the file. A file that cannot be read is a bad row. Raises DatasetError for a file whose
    name is that of no kind of these, and for parquet without pyarrow.
    """
    shown = shown or str(path)
    name = path.name.lower()
    if not is_data(path):
        raise DatasetError(f"{shown} is none of the kinds that can be read: {', '.join(ENDINGS)}")
    try:
        if name.endswith(".parquet"):
            from .parquet import parquet_rows

            yield from parquet_rows(path, shown)
        elif name.removesuffix(".gz").endswith(".json"):
            yield from _json_rows(path, shown)
        else:
            with _opened(path) as stream:
                yield from _line_rows(stream, shown)
    except OSError as error:
        yield BadRow(shown, f"the file cannot be read: {error.strerror or error}")


def _opened(path: Path) -> IO[str]:
    """The file as text: lines end with LF, CRLF or CR, as they come; bytes that are no UTF-8 are kept as surrogates."""
    opened = gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb")
    return io.TextIOWrapper(opened, encoding="utf-8-sig", errors="surrogateescape", newline=None)


def _line_rows(stream: IO[str], shown: str) -> Iterator[Row | BadRow]:
    number = 0
    while True:
        number += 1
        place = f"{shown}, line {number}"
        try:
            line = stream.readline(_LONGEST_LINE)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            yield BadRow(
                place, f"the compressed file is damaged or cut off here ({error}), what follows is lost"
            )
            return
        if not line:
            return
        if len(line) == _LONGEST_LINE:
            yield BadRow(
                place, f"the line is longer than {_LONGEST_LINE:,} characters, what follows is not read"
            )
            return
        if line.strip():
            yield _row(line, place, last=not line.endswith("\n"))


def _row(text: str, place: str, *, last: bool = False) -> Row | BadRow:
    if not is_text(text):
        return BadRow(place, "the row is no UTF-8 text")
    try:
        values = json.loads(text)
    except RecursionError:
        return BadRow(place, "the row is nested too deeply")
    except ValueError as error:
        cut = "the last line is cut off" if last else "the row is no JSON"
        return BadRow(place, f"{cut} ({_why(error)})")
    if not isinstance(values, dict):
        return BadRow(place, f"the row is {_said(values)}, not an object with columns")
    return Row(place, values)


def _json_rows(path: Path, shown: str) -> Iterator[Row | BadRow]:
    """A list of rows, one row, rows by their id, or JSON lines in a file that is called .json."""
    damage = ""
    with _opened(path) as stream:
        pieces: list[str] = []
        try:
            while piece := stream.read(1 << 20):
                pieces.append(piece)
                if len(pieces) << 20 > _LARGEST_JSON:
                    yield BadRow(shown, _too_large(_LARGEST_JSON))
                    return
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            damage = f"the compressed file is damaged or cut off ({error})"
    text = "".join(pieces)
    if text.lstrip()[:1] == "[":
        yield from _list_rows(text, shown)
    elif text.strip():
        yield from _object_rows(text, shown)
    if damage:
        yield BadRow(shown, f"{damage}, what follows is lost")


def _list_rows(text: str, shown: str) -> Iterator[Row | BadRow]:
    """The elements of a JSON list one by one: those before a mistake are good, and each has its line."""
    decoder, blank = json.JSONDecoder(), re.compile(r"[\s,]*")
    at, line, counted = text.index("[") + 1, 1, 0
    while True:
        at = blank.match(text, at).end()  # type: ignore[union-attr]  # it matches everywhere
        line, counted = line + text.count("\n", counted, at), at
        place = f"{shown}, line {line}"
        if text.startswith("]", at):
            return
        if at == len(text):
            yield BadRow(place, "the list is cut off: its closing bracket is missing")
            return
        try:
            values, end = decoder.raw_decode(text, at)
        except RecursionError:
            yield BadRow(place, "the row is nested too deeply, what follows is not read")
            return
        except ValueError as error:
            yield BadRow(place, f"the row is no JSON or is cut off ({_why(error)}), what follows is not read")
            return
        if not is_text(text[at:end]):
            yield BadRow(place, "the row is no UTF-8 text")
        elif isinstance(values, dict):
            yield Row(place, values)
        else:
            yield BadRow(place, f"the row is {_said(values)}, not an object with columns")
        at = end


def _object_rows(text: str, shown: str) -> Iterator[Row | BadRow]:
    if len(text) > _LARGEST_OBJECT:
        if "\n" in text.strip():
            yield from _line_rows(io.StringIO(text), shown)
        else:
            yield BadRow(shown, _too_large(_LARGEST_OBJECT))
        return
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        yield from _line_rows(io.StringIO(text), shown)
        return
    if not isinstance(whole, dict):
        yield BadRow(shown, f"the file is {_said(whole)}, not a list of rows")
    elif whole and all(isinstance(value, dict) for value in whole.values()):
        for key, values in whole.items():
            yield Row(f"{shown}, key {key}", {"instance_id": key, **values})
    else:
        yield _row(text, f"{shown}, line 1")


def _too_large(limit: int) -> str:
    return (
        f"the file has more than {limit:,} characters: give its rows as JSON lines, which are read one by one"
    )


def _why(error: ValueError) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)[:100]


def _said(value: Any) -> str:
    return "null" if value is None else f"a JSON {type(value).__name__}"

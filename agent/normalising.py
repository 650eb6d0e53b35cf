"""Making output the same from run to run: durations, addresses, process ids, temporary paths, times of day.

Only what stands in a phrase that is known to vary is replaced. A number that a test asserts, a date in the
past, a path of the repository's own stay as they are: they may be what the issue is about.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_NUMBER = r"\d+(?:\.\d+)?"
_UNIT = r"(?:ns|µs|us|ms|s|secs?|seconds?|milliseconds?|m|mins?|minutes?)\b"
_YEAR = r"20[2-9]\d"
_CLOCK = r"\d\d:\d\d:\d\d"
_LEVEL = r"(?= *[-|:]? *\[?(?:DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL|TRACE)\b)"
# Where a path begins; unittest prints its letters right before what goes to the other stream.
_HERE = r"(^[.EFsxu]*[EFsxu]|(?<![\w>./-]))"
_FOLDERS = r"(?:/[^/\s\"'<>:|,;()\[\]{}`]{1,255}){0,20}?"

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.MULTILINE), replacement)
    for pattern, replacement in (
        # Durations, in the words of test runners and build tools.
        (
            rf"\b(in|took|elapsed:?|[Tt]ime:|[Dd]uration:?)(\s+)\d+\.\d+\s?{_UNIT}(?: \(\d+:\d\d:\d\d\))?",
            r"\1\2<time>",
        ),
        (
            rf"\b(in|took|elapsed:?|Time:|Duration:?|duration:)(\s+){_NUMBER}\s?(?:m?s|µs|us|ns)\b",
            r"\1\2<time>",
        ),
        (r"^(real|user|sys)(\s+)\d+m\d+\.\d+s$", r"\1\2<time>"),
        (rf"\({_NUMBER}\s?(?:ns|µs|us|ms|s)\)", "(<time>)"),
        (r"\b\d+\.\d{3,} (seconds|secs)\b", r"<time> \1"),
        (r"^(ok\s+\S+\s+)\d+\.\d+s$", r"\1<time>"),
        (r"\b(duration_ms:?\s+|time=)\d+(?:\.\d+)?(?:ms|s)?\b", r"\1<time>"),
        (r"^\d+\.\d+s (call|setup|teardown)\b", r"<time> \1"),
        (r"\b\d+(?:\.\d+)? ([mun]?sec per loop)\b", r"<time> \1"),
        # Addresses and identities.
        (r"\bat 0x[0-9a-fA-F]{5,16}\b", "at <address>"),
        (r"\b0x0*(?:7[ef]|5[56])[0-9a-f]{10}\b|\b0xc0[0-9a-f]{8}\b", "<address>"),
        (r"^==\d+==", "==<pid>=="),
        (r"\b(pid|PID|Pid|process id)(\s*[=:#]?\s*)\d+\b", r"\1\2<pid>"),
        (r"\b(started(?: daemon)? )\d{6,}\b", r"\1<id>"),
        (r"\b(127\.0\.0\.1|localhost|\[::1\])(:|['\"], )(?:3[3-9]|4\d|5\d|6[0-5])\d{3}\b", r"\1\2<port>"),
        (
            r"((?:randomly-seed=|PYTHONHASHSEED=|\b[Rr]andomi[sz]ed with seed|\brandom seed[:=]?)\s*)\d+\b",
            r"\1<seed>",
        ),
        # Times of day, only of these years, only where a log puts them or a clock was read to the fraction.
        (rf"^\[(?:{_YEAR}-\d\d-\d\d[T ])?{_CLOCK}(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]", "[<now>]"),
        (rf"^(?:{_YEAR}-\d\d-\d\d[T ])?{_CLOCK}(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?{_LEVEL}", "<now>"),
        (rf"\b{_YEAR}-\d\d-\d\d[T ]{_CLOCK}[.,](?!000)\d{{3,9}}(?:Z|[+-]\d\d:?\d\d)?", "<now>"),
        (rf"\b(Date: )?\w{{3}}, \d\d \w{{3}} {_YEAR} {_CLOCK} GMT", r"\1<now>"),
        (rf"\b\w{{3}} \w{{3}} [ \d]\d {_CLOCK} (?:\w+ )?{_YEAR}\b", "<now>"),
        # Places: of the interpreter, of its packages, of temporary files.
        (rf"{_HERE}\.?{_FOLDERS}/lib(?:64)?/python\d[\d.]*/(?:site|dist)-packages(?=/|\b)", r"\1<packages>"),
        (rf"{_HERE}\.?{_FOLDERS}/lib(?:64)?/python\d[\d.]*(?=/)", r"\1<python>"),
        (rf"{_HERE}\.?{_FOLDERS}/bin/(python[\d.]*\b)", r"\1<bin>/\2"),
        (rf"{_HERE}{_FOLDERS}/\.cargo/registry/src/[^/\s]+(?=/)", r"\1<cargo>"),
        (rf"{_HERE}(?:/private)?(?:/var)?/tmp/pytest-of-[^/\s]+/pytest-\d+", r"\1<tmp>"),
        (rf"{_HERE}/var/folders/\w+/\w+/T/[\w.-]+", r"\1<tmp>"),
        (rf"{_HERE}(?:/private)?(?:/var)?/tmp/(?![A-Za-z_-]+\.[A-Za-z]{{1,5}}\b)[\w.-]*\w", r"\1<tmp>"),
    )
)


def normalise(output: str, at: str = "") -> str:
    """`output` without what differs from run to run.

    at: the repository's absolute path in the sandbox, shown as ".". Applying it twice changes nothing more.
    """
    text = _ESCAPES.sub("", output.replace("\r\n", "\n"))
    if "\r" in text:
        text = "\n".join(_last_shown(line) for line in text.split("\n"))
    text = _CONTROLS.sub("", text).encode("utf-8", "replace").decode()
    here = at.rstrip("/")
    if here:
        text = re.sub(rf"(?m)(?:file://|{_HERE}){re.escape(here)}(?=/|[^\w.-]|\.(?:\W|$)|$)", r"\1.", text)
    return _until_stable(text, _by_rules)


def cut_middle(text: str, limit: int) -> str:
    """At most `limit` characters of a text: head and tail, a line between them on how much was left out."""
    if len(text) <= limit:
        return text
    word = f"\n[... {len(text) - limit + 60} of {len(text)} characters left out here ...]\n"
    kept = max(0, limit - len(word))
    head = kept - kept // 2
    word = f"\n[... {len(text) - kept} of {len(text)} characters left out here ...]\n"
    return (text[:head] + word + text[len(text) - kept // 2 :])[: max(limit, len(word))]


def _by_rules(text: str) -> str:
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def _until_stable(text: str, change: Callable[[str], str]) -> str:
    """Replacements can meet and make a new phrase; a few rounds settle it (each leaves less to replace)."""
    while (changed := change(text)) != text:
        text = changed
    return text


def _last_shown(line: str) -> str:
    """What a terminal shows of a line whose progress was written over with carriage returns."""
    return next((part for part in reversed(line.split("\r")) if part), "")

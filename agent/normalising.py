"""Making output the same from run to run: durations, addresses, process ids, temporary paths, times of day.

Only what stands in a phrase that is known to vary is replaced. A number that a test asserts, a date in the
past, a path of the repository's own stay as they are: they may be what the issue is about.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_NUMBER = r"\d+(?:\.\d+)?"
_UNIT = r"(?:ns|µs|us|ms|s|secs?|seconds?|milliseconds?|m|mins?|minutes?)\b"
_YEAR = r"20[2-9]\d"
_CLOCK = r"\d\d:\d\d:\d\d"
_LEVELS = ("DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "CRITICAL", "FATAL", "TRACE")
_LEVEL = rf"(?= *[-|:]? *\[?(?:{'|'.join(_LEVELS)})\b)"
# Where a path begins; unittest prints its letters right before what goes to the other stream.
_HERE = r"(^[.EFsxu]*[EFsxu]|(?<![\w>./-]))"
_FOLDERS = r"(?:/[^/\s\"'<>:|,;()\[\]{}`]{1,255}){0,20}?"

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class _Rule:
    """words: whatever matches holds one of them (none: no such word is known). Looking for a word costs a hundredth
    of trying the pattern at every place of a long output."""

    pattern: re.Pattern[str]
    replacement: str
    words: tuple[str, ...]

    def apply(self, text: str) -> str:
        if self.words and not any(word in text for word in self.words):
            return text
        return self.pattern.sub(self.replacement, text)


def _rule(pattern: str, replacement: str, *words: str) -> _Rule:
    return _Rule(re.compile(pattern, re.MULTILINE), replacement, words)


_RULES: tuple[_Rule, ...] = (
    # Durations, in the words of test runners and build tools.
    _rule(
        rf"\b(in|took|elapsed:?|[Tt]ime:|[Dd]uration:?)(\s+)\d+\.\d+\s?{_UNIT}(?: \(\d+:\d\d:\d\d\))?",
        r"\1\2<time>",
    ),
    _rule(
        rf"\b(in|took|elapsed:?|Time:|Duration:?|duration:)(\s+){_NUMBER}\s?(?:m?s|µs|us|ns)\b",
        r"\1\2<time>",
    ),
    _rule(r"^(real|user|sys)(\s+)\d+m\d+\.\d+s$", r"\1\2<time>", "real", "user", "sys"),
    _rule(rf"\({_NUMBER}\s?(?:ns|µs|us|ms|s)\)", "(<time>)", "s)"),
    _rule(r"\b\d+\.\d{3,} (seconds|secs)\b", r"<time> \1", " seconds", " secs"),
    _rule(r"^(ok\s+\S+\s+)\d+\.\d+s$", r"\1<time>", "ok"),
    _rule(r"\b(duration_ms:?\s+|time=)\d+(?:\.\d+)?(?:ms|s)?\b", r"\1<time>", "duration_ms", "time="),
    _rule(r"^\d+\.\d+s (call|setup|teardown)\b", r"<time> \1", "s call", "s setup", "s teardown"),
    _rule(r"\b\d+(?:\.\d+)? ([mun]?sec per loop)\b", r"<time> \1", "sec per loop"),
    # Addresses and identities.
    _rule(r"\bat 0x[0-9a-fA-F]{5,16}\b", "at <address>", "at 0x"),
    _rule(r"\b0x0*(?:7[ef]|5[56])[0-9a-f]{10}\b|\b0xc0[0-9a-f]{8}\b", "<address>", "0x"),
    _rule(r"^==\d+==", "==<pid>==", "=="),
    _rule(r"\b(pid|PID|Pid|process id)(\s*[=:#]?\s*)\d+\b", r"\1\2<pid>", "pid", "PID", "Pid", "process id"),
    _rule(r"\b(started(?: daemon)? )\d{6,}\b", r"\1<id>", "started "),
    _rule(
        r"\b(127\.0\.0\.1|localhost|\[::1\])(:|['\"], )(?:3[3-9]|4\d|5\d|6[0-5])\d{3}\b",
        r"\1\2<port>",
        "127.0.0.1",
        "localhost",
        "[::1]",
    ),
    _rule(
        r"((?:randomly-seed=|PYTHONHASHSEED=|\b[Rr]andomi[sz]ed with seed|\brandom seed[:=]?)\s*)\d+\b",
        r"\1<seed>",
        "seed",
        "SEED",
    ),
    # Times of day, only of these years, only where a log puts them or a clock was read to the fraction.
    _rule(rf"^\[(?:{_YEAR}-\d\d-\d\d[T ])?{_CLOCK}(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]", "[<now>]", "["),
    _rule(
        rf"^(?:{_YEAR}-\d\d-\d\d[T ])?{_CLOCK}(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?{_LEVEL}", "<now>", *_LEVELS
    ),
    _rule(rf"\b{_YEAR}-\d\d-\d\d[T ]{_CLOCK}[.,](?!000)\d{{3,9}}(?:Z|[+-]\d\d:?\d\d)?", "<now>", "-"),
    _rule(rf"\b(Date: )?\w{{3}}, \d\d \w{{3}} {_YEAR} {_CLOCK} GMT", r"\1<now>", " GMT"),
    _rule(rf"\b\w{{3}} \w{{3}} [ \d]\d {_CLOCK} (?:\w+ )?{_YEAR}\b", "<now>", " 20"),
    # Places: of the interpreter, of its packages, of temporary files.
    _rule(
        rf"{_HERE}\.?{_FOLDERS}/lib(?:64)?/python\d[\d.]*/(?:site|dist)-packages(?=/|\b)",
        r"\1<packages>",
        "-packages",
    ),
    _rule(rf"{_HERE}\.?{_FOLDERS}/lib(?:64)?/python\d[\d.]*(?=/)", r"\1<python>", "/python"),
    _rule(rf"{_HERE}\.?{_FOLDERS}/bin/(python[\d.]*\b)", r"\1<bin>/\2", "/bin/python"),
    _rule(rf"{_HERE}{_FOLDERS}/\.cargo/registry/src/[^/\s]+(?=/)", r"\1<cargo>", "/.cargo/"),
    _rule(rf"{_HERE}(?:/private)?(?:/var)?/tmp/pytest-of-[^/\s]+/pytest-\d+", r"\1<tmp>", "/tmp/pytest-of-"),
    _rule(rf"{_HERE}/var/folders/\w+/\w+/T/[\w.-]+", r"\1<tmp>", "/var/folders/"),
    _rule(
        rf"{_HERE}(?:/private)?(?:/var)?/tmp/(?![A-Za-z_-]+\.[A-Za-z]{{1,5}}\b)[\w.-]*\w", r"\1<tmp>", "/tmp/"
    ),
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
    if here and here in text:
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
    for rule in _RULES:
        text = rule.apply(text)
    return text


def _until_stable(text: str, change: Callable[[str], str]) -> str:
    """Replacements can meet and make a new phrase; a few rounds settle it (each leaves less to replace)."""
    while (changed := change(text)) != text:
        text = changed
    return text


def _last_shown(line: str) -> str:
    """What a terminal shows of a line whose progress was written over with carriage returns."""
    return next((part for part in reversed(line.split("\r")) if part), "")

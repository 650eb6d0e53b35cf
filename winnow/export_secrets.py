"""Secrets never leave: what an export writes is searched for this machine's own, and for what looks like a key.

Exact values come from the environment's variables with telling names; forms of keys from what their issuers publish. In
patches only exact values are replaced: a test's made-up key may be what the patch is about; such are counted and said.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_TELLING = re.compile(r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL", re.IGNORECASE)
_SHORTEST = 8
"""Characters: shorter values are words that would be found everywhere."""

_FORMS = tuple(
    (mark, re.compile(form, re.DOTALL))
    for mark, form in (
        ("sk-", r"\bsk-[A-Za-z0-9_-]{20,}"),  # OpenAI, Anthropic, OpenRouter and others
        ("gsk_", r"\bgsk_[A-Za-z0-9]{24,}"),  # Groq
        ("xai-", r"\bxai-[A-Za-z0-9]{24,}"),
        ("hf_", r"\bhf_[A-Za-z0-9]{24,}"),  # Hugging Face
        ("pplx-", r"\bpplx-[A-Za-z0-9]{24,}"),  # Perplexity
        ("gh", r"\bgh[pousr]_[A-Za-z0-9]{36,}"),
        ("github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{40,}"),
        ("glpat-", r"\bglpat-[A-Za-z0-9_-]{20,}"),
        ("AKIA", r"\bAKIA[A-Z0-9]{16}\b"),
        ("ASIA", r"\bASIA[A-Z0-9]{16}\b"),
        ("AIza", r"\bAIza[A-Za-z0-9_-]{35}"),
        ("xox", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
        ("pypi-", r"\bpypi-[A-Za-z0-9_-]{50,}"),
        ("npm_", r"\bnpm_[A-Za-z0-9]{36}"),
        (
            "PRIVATE KEY",
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.{0,20000}?-----END [A-Z ]{0,30}PRIVATE KEY-----",
        ),
        ("Bearer ", r"(?<=Bearer )[A-Za-z0-9._~+/-]{20,}=*"),
        ("://", r"(?<=://)[^\s/:@\"'\\]{1,80}:[^\s/@\"'\\]{1,200}(?=@)"),  # a password in a URL
    )
)
"""Marks that make a text worth searching, which most have none of, and forms of keys."""


@dataclass(slots=True)
class Scrubber:
    """Takes secrets out of texts and counts them. environment: where this machine's own are, os.environ by default."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    removed: int = 0
    suspicious: int = 0
    _exact: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.environment.items():
            value = value.strip()
            if _TELLING.search(name) and _is_secret(value):
                self._exact[value] = name
                self._exact[json.dumps(value)[1:-1]] = name

    def clean(self, text: str) -> str:
        """The text without this machine's secrets and without anything that has a key's form."""
        text = self._without_exact(text)
        for form in _forms_in(text):
            text, found = form.subn("[removed: a key]", text)
            self.removed += found
        return text

    def clean_patch(self, patch: str) -> str:
        """A patch without this machine's secrets; what else has a key's form is counted as suspicious and stays."""
        patch = self._without_exact(patch)
        self.suspicious += sum(1 for form in _forms_in(patch) for _ in form.finditer(patch))
        return patch

    def said(self) -> list[str]:
        """What was found, a sentence each."""
        found = []
        if self.removed:
            found.append(f"{self.removed} secrets were removed")
        if self.suspicious:
            found.append(f"{self.suspicious} places in patches look like keys and were kept: look at them")
        return found

    def _without_exact(self, text: str) -> str:
        for value, name in self._exact.items():
            count = text.count(value)
            if count:
                text = text.replace(value, f"[removed: {name}]")
                self.removed += count
        return text


def _forms_in(text: str) -> list[re.Pattern[str]]:
    return [form for mark, form in _FORMS if mark in text]


def _is_secret(value: str) -> bool:
    """Whether a variable's value is one: not a word, a path or a switch that merely has a telling name."""
    if len(value) < _SHORTEST or value.startswith(("/", "~", "./")):
        return False
    return any(character.isdigit() for character in value) or len(value) >= 2 * _SHORTEST

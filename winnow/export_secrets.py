"""Secrets never leave: what an export writes or a page shows is searched once more, and what was found is counted.

What a secret is, `models.secrets` says. In patches only exact values are replaced: a test's made-up key may be what the
patch is about; such are counted and said.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from models.secrets import KNOWN, KnownSecrets, strip_urls
from models.secrets.words import forms_in

_A_KEY = "[removed: a key]"


@dataclass(slots=True)
class Scrubber:
    """Takes secrets out of texts and counts them. environment: where this machine's own are, os.environ by default."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    removed: int = 0
    suspicious: int = 0
    _known: KnownSecrets = field(default_factory=KnownSecrets)

    def __post_init__(self) -> None:
        self._known.learn_environment(self.environment)
        if self.environment is os.environ:
            self._known.learn_all(KNOWN)

    def clean(self, text: str) -> str:
        """The text without this machine's secrets and without anything that has a key's form."""
        text = self._without_exact(text)
        for form in forms_in(text):
            text, found = form.subn(_A_KEY, text)
            self.removed += found
        return strip_urls(text, self._count_removed, _A_KEY)

    def clean_patch(self, patch: str) -> str:
        """A patch without this machine's secrets; what else has a key's form is counted as suspicious and stays."""
        patch = self._without_exact(patch)
        self.suspicious += sum(1 for form in forms_in(patch) for _ in form.finditer(patch))
        strip_urls(patch, self._count_suspicious)
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
        text, found = self._known.replaced(text, lambda name: f"[removed: {name or 'a key'}]")
        self.removed += found
        return text

    def _count_removed(self, credential: str) -> None:
        self.removed += 1

    def _count_suspicious(self, credential: str) -> None:
        self.suspicious += 1

"""Credentials: which texts are one, where they stand in URLs, and how they are kept out of what is stored and shown.

`words` says what counts as a credential, `urls` finds them in URLs, `known` holds those of this process and takes them
out of texts, `settings` keeps a URL usable whose credentials are nowhere but in memory, `replies` cleans what a server
answers. Everything that stores, prints or exports uses these and has no rules of its own.
"""

from __future__ import annotations

from .known import KNOWN, KnownSecrets
from .urls import strip_urls
from .words import HIDDEN

__all__ = ["HIDDEN", "KNOWN", "KnownSecrets", "strip_urls"]

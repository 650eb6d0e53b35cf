"""What an export refuses."""

from __future__ import annotations


class CannotExport(Exception):
    """There is nothing to export, or nowhere to put it. The message is a sentence that says what to do."""

"""Replies kept to a form by the server: for models that are too small to keep to one by themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from .gguf_file import is_gguf
from .protocol import Bounds, Model, Reply, Request

When = Literal["auto", "always", "never"]
"""auto: models that are gguf files; always: every model, whose server must be llama.cpp's, or take its `grammar`."""


class Forcing:
    """`inner`, asked with the grammar of the replies that the asker can read, where it says what they are.

    Stands outside of the journal: the grammar is part of what is asked. Where tools are given the server has a grammar
    of its own for them, and takes no other.
    """

    def __init__(self, inner: Model, bounds: Bounds):
        self.name = inner.name
        self._inner = inner
        self._bounds = bounds

    async def ask(self, request: Request, at: str = "") -> Reply:
        if request.form is not None and not request.tools:
            request = replace(request, grammar=request.form(self._bounds))
        return await self._inner.ask(request, at)


def forced(model: Model, when: When, bounds: Bounds) -> Model:
    """The model, kept to forms where `when` says so of it."""
    return Forcing(model, bounds) if when == "always" or (when == "auto" and is_gguf(model.name)) else model

"""The conversation of a tool-calling attempt, in native calls or in text. It grows at its end; only to make room are
old observations cut.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace

from environments import Task
from models import (
    ContextOverflow,
    Message,
    Model,
    ModelError,
    Reply,
    Request,
    ToolCall,
    estimate_tokens,
    left_out,
)

from .blocks import ReplyError
from .candidate import Ending
from .condensing import condense
from .endings import Stopped, ending_of
from .grammar import tools_form
from .render import render, shown_issue
from .settings import ToolSettings
from .showing import top_level
from .tool_text import read_call
from .tools import Call, chosen, schemas
from .tools.table import read_arguments

AT = "agent"
MOST_CALLS = 8
"""Calls of one reply that are carried out; the others are answered so."""
_ROOM = 0.6
"""Share of the window that a conversation is cut down to: it is cut seldom, since each cut costs a cached prefix."""


class ToolTalk:
    """What was said, how tools are called, and what is left of steps. seconds: that the model has taken.

    guidance: what is said after the issue, "" for nothing.
    """

    def __init__(self, model: Model, task: Task, settings: ToolSettings, guidance: str = ""):
        self.names = chosen(settings.use)
        self.native = settings.calls != "text"
        self.steps = 0
        self.seconds = 0.0
        self._model = model
        self._task = task
        self._settings = settings
        self._guidance = _plain(guidance)
        self._called = False
        self._unusable = 0
        self._window = settings.context_window
        self._open()

    @property
    def left(self) -> int:
        """Model calls that may still be made."""
        return self._settings.steps - self.steps

    async def ask(self) -> list[Call]:
        """The calls of the model's next reply; it is asked again, within its steps, where there is none.

        Raises Stopped for the endings that are a result, and the model's own errors for those that are not.
        """
        while True:
            reply = await self._ask()
            if self.native and self._settings.calls == "auto" and left_out("tools") in reply.notes:
                self._speak_text()
                continue
            try:
                calls = self._read(reply)
            except ReplyError as error:
                self._unusable += 1
                if self._unusable >= self._settings.unusable:
                    why = f"{self._unusable} replies in a row had no usable call: {error}"
                    raise Stopped(Ending.MALFORMED, why) from None
                if self.native and self._settings.calls == "auto" and not self._called and self._unusable > 1:
                    self._speak_text()
                else:
                    self._say(render("agent_mend", reason=str(error), left=self.left))
                continue
            self._called, self._unusable = True, 0
            return calls

    def answer(self, calls: Sequence[Call], seen: Sequence[str], more: str = "") -> None:
        """What came of the last reply's calls, in their order. more: a word that follows the last."""
        last = render("agent_step", more=more, step=self.steps, steps=self._settings.steps, left=self.left)
        texts = [*seen[:-1], f"{seen[-1]}\n\n{last}"]
        for call, text in zip(calls, texts, strict=True):
            self._observations.append(len(self.messages))
            role, id = ("tool", call.id) if self.native else ("user", None)
            self.messages.append(Message(role, _plain(text), tool_call_id=id))
        # The next request begins with all of this: providers that want marks cache what has grown.
        self.messages[-1] = replace(self.messages[-1], cache=True)

    def _open(self) -> None:
        """The opening: the first message is the same for all issues, the second for all attempts at one.

        Guidance follows the issue in the same message: many chat templates refuse two messages of one role in a row.
        """
        system = render(
            "agent_system",
            native=self.native,
            tools=self.names,
            seconds=f"{self._settings.command_timeout:g}",
            steps=self._settings.steps,
        )
        recipe = self._task.recipe
        task = render(
            "agent_task",
            issue=shown_issue(self._task.issue, self._settings.issue_chars),
            languages=recipe.languages,
            top_level=top_level(self._task.snapshot.files()),
            test_command=recipe.test_command or "",
        )
        if self._guidance:
            task = f"{task}\n{self._guidance}"
        self.messages = [Message("system", system, cache=True), Message("user", task, cache=True)]
        self._observations: list[int] = []
        self._counted = estimate_tokens(json.dumps(schemas(self.names))) if self.native else 0
        self._counted_messages = 0

    def _speak_text(self) -> None:
        """Begin anew in text: what was said so far knew nothing of its form."""
        self.native = False
        self._unusable = 0
        self._open()

    def _say(self, text: str) -> None:
        self.messages.append(Message("user", _plain(text)))

    async def _ask(self) -> Reply:
        if self.left <= 0:
            raise Stopped(Ending.STEP_LIMIT, f"{self._settings.steps} model calls were made.")
        self._make_room()
        try:
            reply = await self._send()
        except ContextOverflow as error:
            reply = await self._send_shorter(error)
        self.steps += 1
        self.seconds += reply.seconds
        if reply.usage.prompt:
            self._counted = reply.usage.prompt
            self._counted_messages = len(self.messages)
        return reply

    async def _send(self) -> Reply:
        request = Request(
            messages=tuple(self.messages),
            temperature=self._settings.temperature,
            max_tokens=self._settings.max_tokens,
            tools=schemas(self.names) if self.native else (),
            form=None if self.native else tools_form(self.names),
        )
        try:
            return await self._model.ask(request, at=AT)
        except ContextOverflow:
            raise
        except ModelError as error:
            ending = ending_of(error)
            if ending is not None and ending.is_result:
                raise Stopped(ending, str(error)) from error
            raise

    async def _send_shorter(self, error: ContextOverflow) -> Reply:
        """Once more with less: the server's window is smaller than it is said to be. Raises Stopped."""
        tokens = self._tokens()
        self._window = min(self._window, tokens + (self._settings.max_tokens or 0))
        if not self._free(int(tokens * (1 - _ROOM))):
            raise Stopped(Ending.CONTEXT_LIMIT, str(error)) from error
        try:
            return await self._send()
        except ContextOverflow as again:
            raise Stopped(Ending.CONTEXT_LIMIT, str(again)) from again

    def _tokens(self) -> int:
        """Of all messages: the server's count of the last request, and an estimate of what came after."""
        return self._counted + sum(map(_tokens_of, self.messages[self._counted_messages :]))

    def _make_room(self) -> None:
        """Cut old observations where the next reply would not fit into the window any more. Raises Stopped."""
        reply = self._settings.max_tokens or 0
        tokens = self._tokens()
        if tokens + reply <= self._window:
            return
        freed = self._free(tokens - int((self._window - reply) * _ROOM))
        if tokens + reply - freed > self._window:
            why = f"about {tokens + reply - freed} tokens do not fit a window of {self._window}."
            raise Stopped(Ending.CONTEXT_LIMIT, why)

    def _free(self, wanted: int) -> int:
        """Cut old observations until about `wanted` tokens are free; how many are."""
        tokens, freed = self._tokens(), 0
        for keep in (self._settings.keep_observations, 1):
            if freed < wanted:
                self.messages, more = condense(self.messages, self._observations, wanted - freed, keep)
                freed += more
        self._counted, self._counted_messages = tokens - freed, len(self.messages)
        return freed

    def _read(self, reply: Reply) -> list[Call]:
        """The reply's calls, and the reply as it joins the conversation. Raises ReplyError."""
        choice = reply.choices[0]
        said = choice.message
        text = _plain(said.content or "")
        cut = (
            " (The reply was cut at its longest: write less at a time.)" if choice.finish == "length" else ""
        )
        if self.native and said.tool_calls:
            given = _with_ids(said.tool_calls, f"call_{self.steps}")
            calls = [_call(call, self.names, cut) for call in given]
            sendable = tuple(_sendable(call) for call in given)
            self.messages.append(replace(said, role="assistant", content=text, tool_calls=sendable))
            return calls
        self.messages.append(Message("assistant", text or "(no text)", thinking=said.thinking))
        if self.native:
            raise ReplyError(f"The reply calls no tool.{cut}")
        try:
            return [read_call(text, self.names)]
        except ReplyError as error:
            raise ReplyError(f"{error}{cut}") from None


def _call(given: ToolCall, names: Sequence[str], cut: str) -> Call:
    call = read_arguments(given.name, given.arguments, names)
    return replace(call, id=given.id, wrong=call.wrong + cut if call.wrong else "")


def _with_ids(calls: Sequence[ToolCall], stem: str) -> list[ToolCall]:
    """The calls, each with an id of its own: some servers give none, or the same to all."""
    ids: set[str] = set()
    made = []
    for i, call in enumerate(calls, 1):
        made.append(call if call.id and call.id not in ids else replace(call, id=f"{stem}_{i}"))
        ids.add(made[-1].id)
    return made


def _sendable(call: ToolCall) -> ToolCall:
    """The call as servers take it back: they read its arguments, so these must be a JSON object, and check its name."""
    try:
        readable = isinstance(json.loads(call.arguments or "{}"), dict)
    except (ValueError, RecursionError):
        readable = False
    arguments = (
        _plain(call.arguments or "{}")
        if readable
        else json.dumps({"unreadable": _plain(call.arguments[:500])})
    )
    return replace(
        call, name=re.sub(r"[^\w-]", "_", call.name, flags=re.ASCII)[:64] or "_", arguments=arguments
    )


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _tokens_of(message: Message) -> int:
    calls = sum(estimate_tokens(call.name + call.arguments) for call in message.tool_calls)
    return estimate_tokens(message.content) + calls + 8

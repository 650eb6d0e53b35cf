"""A conversation that grows at its end only: each call's prefix is the call before it, and is cached."""

from __future__ import annotations

from models import Message, Model, ModelError, ReplyForm, Request, estimate_tokens

from .candidate import Ending
from .endings import Stopped, ending_of
from .render import render
from .settings import AttemptSettings


class Conversation:
    """What was said so far, and how many calls are left."""

    def __init__(self, model: Model, at: str, settings: AttemptSettings, calls: int, *opening: Message):
        self.messages: list[Message] = list(opening)
        self.calls = 0
        self.usable = 0
        self._model = model
        self._at = at
        self._settings = settings
        self._most = calls
        self._counted = 0
        self._counted_messages = 0

    @property
    def left(self) -> int:
        """Model calls that may still be made."""
        return self._most - self.calls

    @property
    def tokens(self) -> int:
        """Of all messages: the server's count of the last call, and an estimate of what came after."""
        return self._counted + sum(
            estimate_tokens(message.content) + 8 for message in self.messages[self._counted_messages :]
        )

    def tell(self, text: str) -> None:
        """Add a message of the user's."""
        self.messages.append(Message("user", text.encode("utf-8", "replace").decode()))

    def answer(self, text: str) -> None:
        """Add a message as if the model had said it."""
        self.messages.append(Message("assistant", text))

    def mend(self, reason: str) -> None:
        """Say why the last reply cannot be used."""
        self.tell(render("mend", reason=reason, left=self.left))

    async def ask(self, form: ReplyForm | None = None) -> str:
        """The model's next reply, which joins the conversation. form: of the replies that can be read (`grammar`).

        Raises Stopped for the endings that are a result (no call left, window or budget at an end), and the
        model's own errors for those that are not.
        """
        if self.left <= 0:
            raise Stopped(Ending.STEP_LIMIT, f"{self._at}: {self._most} model calls were made.")
        needed = self.tokens + (self._settings.max_tokens or 0)
        if needed > self._settings.context_window:
            window = self._settings.context_window
            raise Stopped(
                Ending.CONTEXT_LIMIT, f"{self._at}: about {needed} tokens do not fit a window of {window}."
            )
        request = Request(
            messages=tuple(self.messages),
            temperature=self._settings.temperature,
            max_tokens=self._settings.max_tokens,
            form=form,
        )
        try:
            reply = await self._model.ask(request, at=self._at)
        except ModelError as error:
            ending = ending_of(error)
            if ending is not None and ending.is_result:
                raise Stopped(ending, str(error)) from error
            raise
        self.calls += 1
        said = reply.choices[0].message
        text = (said.content or "").encode("utf-8", "replace").decode()
        self.messages.append(Message("assistant", text or "(no text)", thinking=said.thinking))
        if reply.usage.prompt:
            self._counted = reply.usage.prompt + reply.usage.completion
            self._counted_messages = len(self.messages)
        return text

"""Every OpenAI-compatible endpoint: OpenAI itself, vLLM, Ollama, llama.cpp's server, LM Studio, gateways."""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qsl, quote

from .chat import Chat
from .classify import Asked
from .prices import Price
from .protocol import Reply, Request
from .quirks import Quirks
from .secrets import KNOWN
from .secrets.settings import hide, reveal

TIMEOUT = 900.0
"""Seconds for one reply. Replies are not streamed, and a long thought takes minutes."""
_CONNECT = 15.0
STEP_HEADER = "X-Winnow-Step"
"""Names the step ("attempt-2/editing/3", percent-encoded), so that a server's log can be read beside the journal."""
_STEP: ContextVar[str] = ContextVar("step", default="")


class OpenAIClient:
    """A model behind chat completions. Plain: no retries, no limit (see `stack`)."""

    def __init__(
        self,
        name: str,
        model: str,
        *,
        api_base: str | None = None,
        api_key: str = "none",
        price: Price | None = None,
        timeout: float = TIMEOUT,
        key_variable: str = "",
    ):
        """name: as the user wrote it; model: as the server knows it; api_base: None is OpenAI itself; seconds."""
        from openai import AsyncOpenAI, Timeout

        self.name = name
        self.price = price
        KNOWN.learn(api_key, key_variable)
        shown, whole = hide(api_base or ""), reveal(api_base or "")
        # The path of a call goes to the end of the address, so its parameters are given apart from it.
        plain, _, parameters = whole.partition("#")[0].partition("?")
        self._client = AsyncOpenAI(
            api_key=api_key,
            base_url=plain or None,
            default_query=dict(parse_qsl(parameters, keep_blank_values=True)) or None,
            max_retries=0,
            timeout=Timeout(timeout, connect=min(timeout, _CONNECT)),
        )
        self._chat = Chat(
            model=model,
            asked=Asked(name, shown, key_variable),
            send=self._send,
            price=price,
            # OpenAI takes the newer name for every model; most other servers know only the older one.
            quirks=Quirks("max_tokens" if api_base else "max_completion_tokens"),
        )

    async def ask(self, request: Request, at: str = "") -> Reply:
        _STEP.set(at)
        return await self._chat.ask(request)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _send(self, body: dict[str, Any]) -> Any:
        # The SDK's documented way past its types: validating a prompt of 128,000 tokens and building pydantic objects
        # from the reply would cost more than the call itself, and servers' own fields must come through.
        headers = {STEP_HEADER: quote(_STEP.get(), safe="/~")}
        answer = await self._client.post(
            "/chat/completions", body=body, cast_to=object, options={"headers": headers}
        )
        return json.loads(answer) if isinstance(answer, str) else answer

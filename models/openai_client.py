"""Every OpenAI-compatible endpoint: OpenAI itself, vLLM, Ollama, llama.cpp's server, LM Studio, gateways."""

from __future__ import annotations

import json
from typing import Any

from .chat import Chat
from .classify import Asked
from .prices import Price
from .protocol import Reply, Request
from .quirks import Quirks

TIMEOUT = 900.0
"""Seconds for one reply. Replies are not streamed, and a long thought takes minutes."""
_CONNECT = 15.0


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
        self._client = AsyncOpenAI(
            api_key=api_key,
            base_url=api_base,
            max_retries=0,
            timeout=Timeout(timeout, connect=min(timeout, _CONNECT)),
        )
        self._chat = Chat(
            model=model,
            asked=Asked(name, api_base or "", key_variable),
            send=self._send,
            price=price,
            # OpenAI takes the newer name for every model; most other servers know only the older one.
            quirks=Quirks("max_tokens" if api_base else "max_completion_tokens"),
        )

    async def ask(self, request: Request, at: str = "") -> Reply:
        return await self._chat.ask(request)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _send(self, body: dict[str, Any]) -> Any:
        # The SDK's documented way past its types: validating a prompt of 128,000 tokens and building pydantic objects
        # from the reply would cost more than the call itself, and servers' own fields must come through.
        answer = await self._client.post("/chat/completions", body=body, cast_to=object)
        return json.loads(answer) if isinstance(answer, str) else answer

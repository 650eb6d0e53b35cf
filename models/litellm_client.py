"""Every other provider, through litellm, which is imported by the first call (two seconds, in a thread)."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

from .chat import Chat
from .classify import Asked
from .openai_client import TIMEOUT
from .prices import Price
from .protocol import Reply, Request
from .secrets import KNOWN
from .secrets.settings import hide, reveal


class LitellmClient:
    """A model behind litellm, named "provider/model". Plain: no retries, no limit (see `stack`)."""

    def __init__(
        self,
        name: str,
        *,
        api_base: str | None = None,
        api_key: str | None = None,
        price: Price | None = None,
        timeout: float = TIMEOUT,
        key_variable: str = "",
    ):
        """name: litellm's "provider/model"; without api_key, litellm reads the provider's variable."""
        self.name = name
        self.price = price
        self._litellm: Any = None
        KNOWN.learn(api_key, key_variable)
        self._given = {"api_base": reveal(api_base or ""), "api_key": api_key}
        self._timeout = timeout
        self._chat = Chat(
            model=name,
            asked=Asked(name, hide(api_base or ""), key_variable),
            send=self._send,
            price=price,
            # Anthropic's models are those that need marks, wherever they are served; others cache by themselves (and
            # for Gemini a mark would make litellm create a paid cache object in a call of its own).
            marks="claude" in name.lower() or name.startswith("anthropic/"),
        )

    async def ask(self, request: Request, at: str = "") -> Reply:
        return await self._chat.ask(request)

    async def close(self) -> None:
        """Close litellm's connections, which all of its clients share."""
        if self._litellm is not None:
            await self._litellm.close_litellm_async_clients()

    async def _send(self, body: dict[str, Any]) -> Any:
        if self._litellm is None:
            self._litellm = await asyncio.to_thread(load_litellm)
        answer = await self._litellm.acompletion(
            **body,
            **{key: value for key, value in self._given.items() if value},
            timeout=self._timeout,
            num_retries=0,
            max_retries=0,
            drop_params=False,
            # With tools, litellm would load its gateway for MCP servers, and that needs a package which litellm does
            # not depend on.
            **({"_skip_mcp_handler": True} if "tools" in body else {}),
        )
        return answer.model_dump()


def load_litellm() -> Any:
    """The package, imported so that it asks no network for prices, reads no stray .env file and prints nothing."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["LITELLM_MODE"] = "PRODUCTION"
    import litellm

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    litellm.drop_params = False
    logging.getLogger("LiteLLM").setLevel(logging.ERROR)
    return litellm

"""A conversation in the form that trainers and chat templates take: OpenAI's messages, with the tools given."""

from __future__ import annotations

import json
from typing import Any, Literal

from .export_conversations import Conversation, flattened

Protocol = Literal["native calls", "calls in text", "blocks"]
"""How the model acted: by the server's tool calls; by a tool's fenced block in its text; by blocks between markers."""


def chat(conversation: Conversation) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(messages, tools). Calls are `tool_calls` of the assistant's messages, each answered by one of role tool."""
    replies = {flattened(message): message for message in conversation.said}
    messages: list[dict[str, Any]] = []
    waiting: list[str] = []
    for number, message in enumerate(conversation.messages):
        calls = (
            replies.get(message["content"], {}).get("tool_calls") if message["role"] == "assistant" else None
        )
        if calls:
            content = replies[message["content"]].get("content") or ""
            made = [_call(call, f"call_{number}_{i}") for i, call in enumerate(calls)]
            waiting = [call["id"] for call in made]
            messages.append({"role": "assistant", "content": content, "tool_calls": made})
        elif message["role"] == "tool" and waiting:
            messages.append({**message, "tool_call_id": waiting.pop(0)})
        else:
            messages.append(dict(message))
    return messages, json.loads(conversation.settings).get("tools") or []


def protocol(conversation: Conversation) -> Protocol:
    """How the model acted in it."""
    if json.loads(conversation.settings).get("tools"):
        return "native calls"
    return "calls in text" if conversation.branch == "agent" else "blocks"


def _call(call: dict[str, Any], otherwise: str) -> dict[str, Any]:
    function = {"name": call["name"], "arguments": call["arguments"]}
    return {"id": call.get("id") or otherwise, "type": "function", "function": function}

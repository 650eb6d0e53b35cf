"""How many tokens a text takes, without a tokenizer: good to a fifth for code and prose."""

from __future__ import annotations


def estimate_tokens(text: str) -> int:
    """UTF-8 bytes by 3.3, rounded up: a little above what common vocabularies take for code, on purpose."""
    return -(-len(text.encode("utf-8", "replace")) * 10 // 33)

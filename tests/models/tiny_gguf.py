"""A language model of a few hundred kilobytes, written on the spot: llama's architecture and random weights.

What it says means nothing, but it says it by real tokens with real log-probabilities. Its words are those of Winnow's
own prompts, so that a prompt takes as few tokens as with a real vocabulary.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

WIDTH, HEADS, HIDDEN = 32, 2, 64
CHAT = "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}\n{% endfor %}<|assistant|>\n"
CONTROL, NORMAL, UNKNOWN = 3, 1, 2
_MOST = 1_000


def write_tiny_gguf(path: Path, *, window: int = 65_536, seed: int = 1) -> Path:
    """Write the model; it needs the package gguf."""
    import gguf
    import numpy

    chance = numpy.random.default_rng(seed)
    tokens, kinds = vocabulary()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(window)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(1)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("rwkv")  # the longest known piece first: no merges to be made up
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_unk_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT)

    def add(name: str, *shape: int, scale: float = 0.2) -> None:
        writer.add_tensor(name, (scale * chance.standard_normal(shape)).astype(numpy.float32))

    add("token_embd.weight", len(tokens), WIDTH)
    add("output.weight", len(tokens), WIDTH)
    add("blk.0.attn_q.weight", WIDTH, WIDTH)
    add("blk.0.attn_k.weight", WIDTH // HEADS, WIDTH)
    add("blk.0.attn_v.weight", WIDTH // HEADS, WIDTH)
    add("blk.0.attn_output.weight", WIDTH, WIDTH)
    add("blk.0.ffn_gate.weight", HIDDEN, WIDTH)
    add("blk.0.ffn_up.weight", HIDDEN, WIDTH)
    add("blk.0.ffn_down.weight", WIDTH, HIDDEN)
    for name in ("output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight"):
        writer.add_tensor(name, numpy.ones(WIDTH, dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def vocabulary() -> tuple[list[str], list[int]]:
    """(tokens, their kinds): three special ones, ASCII, the commonest words of the prompts with the space before."""
    tokens = ["<s>", "</s>", "<unk>"]
    kinds = [CONTROL, CONTROL, UNKNOWN]
    plain = [chr(code) for code in (9, 10, *range(32, 127))]
    words = Counter(
        word for text in _prompts() for word in re.findall(r" ?[A-Za-z]{2,}|[ \n]{2,8}|-{2,}", text)
    )
    plain += [word for word, _ in words.most_common(_MOST)]
    tokens += [
        repr(piece)[1:-1] for piece in dict.fromkeys(plain)
    ]  # how this vocabulary's files write a token
    return tokens, kinds + [NORMAL] * (len(tokens) - len(kinds))


def _prompts() -> list[str]:
    root = Path(__file__).parent.parent.parent
    return [
        file.read_text()
        for room in ("agent", "selection")
        for file in sorted((root / room / "prompts").glob("*.j2"))
    ]

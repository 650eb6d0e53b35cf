"""What a gguf file says of the model in it, read from its head alone (the format is ggml's, versions 2 and 3)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from .errors import Refused

_MAGIC = b"GGUF"
_NUMBERS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9
_SERVERS = ("vllm/", "ollama/", "llamacpp/", "lmstudio/", "openai/", "huggingface/", "hosted_vllm/")
_CACHE_BYTES = 2
"""Of a number in the cache of keys and values: llama.cpp keeps it in 16 bits."""


@dataclass(frozen=True, slots=True)
class GgufFile:
    """window: tokens that the model was trained to read. size: bytes of the file.

    cache: bytes that each token of the window takes in memory, for one conversation.
    """

    architecture: str
    window: int
    size: int
    cache: int


def is_gguf(name: str) -> bool:
    """Whether a model's name is a gguf file's on this machine: a server's name for one begins with its provider."""
    return name.lower().endswith(".gguf") and not name.startswith(_SERVERS)


def read_gguf(path: Path) -> GgufFile:
    """The file's facts. Raises Refused, in a sentence, where there is no file, or where it is no gguf of a model."""
    try:
        with path.open("rb") as file:
            if file.read(4) != _MAGIC:
                raise Refused(f"The file {path} is no gguf: its first four bytes are not GGUF.")
            said = _metadata(file)
    except OSError as error:
        raise Refused(f"The model {path} cannot be read: {(error.strerror or str(error)).lower()}.") from None
    except (struct.error, UnicodeDecodeError, KeyError, MemoryError):
        raise Refused(f"The file {path} is cut off or damaged: fetch it again.") from None
    architecture = str(said.get("general.architecture", ""))
    window = said.get(f"{architecture}.context_length")
    if not isinstance(window, int):
        raise Refused(f"The file {path} is a gguf, but of no language model: it names no length of context.")
    return GgufFile(architecture, window, path.stat().st_size, _cache(said, architecture))


def _metadata(file: BinaryIO) -> dict[str, Any]:
    """Keys and values up to the vocabulary, which is long, and comes after what is wanted here."""
    version, _, count = struct.unpack("<IQQ", file.read(20))
    if version not in (2, 3):
        raise KeyError(version)
    said: dict[str, Any] = {}
    for _ in range(count):
        key = _text(file)
        if key.startswith("tokenizer.") and any(name.endswith(".context_length") for name in said):
            break
        said[key] = _value(file, _number(file, 4))
    return said


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _text(file)
    if kind == _ARRAY:
        inner, count = _number(file, 4), _number(file, 10)
        return [_value(file, inner) for _ in range(count)]
    return _number(file, kind)


def _number(file: BinaryIO, kind: int) -> Any:
    form = _NUMBERS[kind]
    return struct.unpack(form, file.read(struct.calcsize(form)))[0]


def _text(file: BinaryIO) -> str:
    length = _number(file, 10)
    content = file.read(length) if length < 1 << 24 else b""
    if len(content) != length:
        raise struct.error("cut off")
    return content.decode()


def _cache(said: Mapping[str, Any], architecture: str) -> int:
    """Bytes of keys and values of one token in all layers."""

    def of(key: str, otherwise: int) -> int:
        value = said.get(f"{architecture}.{key}", otherwise)
        return max(value, default=otherwise) if isinstance(value, list) else int(value)

    layers, width = of("block_count", 0), of("embedding_length", 0)
    heads = max(1, of("attention.head_count", 1))
    groups = of("attention.head_count_kv", heads)
    key, value = of("attention.key_length", width // heads), of("attention.value_length", width // heads)
    return layers * groups * (key + value) * _CACHE_BYTES

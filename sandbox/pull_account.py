"""How far a pull is and how much disk it still needs, read from the lines that the engine sends while it pulls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UNPACKED = 3.0
"""Bytes on disk for each byte of a compressed layer. Distributions' images have 2.2 to 2.9 (gzip of programs and
Python packages); what is beyond is margin, since a disk that runs full takes everybody's work with it."""

_BEGINS = ("Pulling fs layer", "Waiting", "Downloading")
_DOWNLOADED = ("Verifying Checksum", "Download complete", "Extracting")


@dataclass(slots=True)
class _Layer:
    """Compressed bytes in all, fetched, and unpacked; total is 0 until the engine has begun to fetch it."""

    total: int = 0
    fetched: int = 0
    unpacked: int = 0
    done: bool = False


class PullAccount:
    """One pull's layers. Totals become known as their downloads begin, a few at a time."""

    def __init__(self) -> None:
        self._layers: dict[str, _Layer] = {}
        self._last: dict[str, tuple[Any, ...]] = {}

    def take(self, line: Mapping[str, Any]) -> bool:
        """Take one line of the engine's. -> whether it says anything new, so that the pull is alive."""
        name, status = str(line.get("id", "")), str(line.get("status", ""))
        detail = line.get("progressDetail") or {}
        current, total = (max(0, detail.get(what) or 0) for what in ("current", "total"))
        news = self._last.get(name) != (status, current)
        self._last[name] = (status, current)
        if name in self._layers or status in _BEGINS or status == "Already exists":
            self._enter(self._layers.setdefault(name, _Layer()), status, int(current), int(total))
        return news

    def _enter(self, layer: _Layer, status: str, current: int, total: int) -> None:
        if status == "Downloading" and total > 0:
            layer.total, layer.fetched = total, min(current, total)
        elif status in _DOWNLOADED:
            layer.fetched = layer.total
            if status == "Extracting" and total == layer.total:  # other stores count seconds here
                layer.unpacked = min(current, total)
        elif status in ("Pull complete", "Already exists"):
            layer.fetched = layer.unpacked = layer.total
            layer.done = True

    @property
    def needed(self) -> int:
        """Bytes that the layers known so far will still take: the rest of each download, and what it unpacks to."""
        rest = [
            (layer.total - layer.fetched) + UNPACKED * (layer.total - layer.unpacked)
            for layer in self._layers.values()
            if not layer.done
        ]
        return int(sum(rest))

    def words(self) -> str:
        """ "45 of 120 MB, 2 of 7 layers", "unpacking, 5 of 7 layers"; empty before the first bytes."""
        layers = self._layers.values()
        done = f"{sum(layer.done for layer in layers)} of {len(layers)} layers"
        fetched, total = (
            sum(getattr(layer, what) for layer in layers) / 1e6 for what in ("fetched", "total")
        )
        if not total:
            return ""
        if all(layer.done or (layer.total and layer.fetched == layer.total) for layer in layers):
            return f"unpacking, {done}"
        return f"{fetched:.0f} of {total:.0f} MB, {done}"

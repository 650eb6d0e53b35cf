"""Figures drawn with matplotlib: colours that colour-blind people tell apart, and never by colour alone.

Colours: Okabe and Ito, "Color Universal Design" (2008); of the grid cividis (Nuñez et al. 2018).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from .data import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX"
_LOOK = {
    "svg.hashsalt": "winnow",  # ids in the file follow from it: the same run, the same bytes
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "svg.fonttype": "path",
    "figure.dpi": 120,
}
_ABOUT = {"svg": {"Date": None, "Creator": "Winnow"}, "png": {"Software": "Winnow"}}
"""Nothing that differs from one time to the next."""


def drawn(figure: Figure, kind: str) -> bytes:
    """The figure as "svg" or "png". It must not be missing."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    with matplotlib.rc_context(_LOOK):
        canvas = Canvas(figsize=(7.0, 4.2), layout="constrained")
        axes = canvas.add_subplot()
        _DRAW[figure.name](axes, figure.table.rows)
        axes.set_title(figure.title)
        out = io.BytesIO()
        canvas.savefig(out, format=kind, metadata=_ABOUT[kind])
    return out.getvalue()


def _coverage(axes: Any, rows: list[tuple[Any, ...]]) -> None:
    seen = [row for row in rows if row[1] is not None]
    ks = [row[0] for row in seen]
    axes.plot(ks, [row[1] for row in seen], marker="o", color=COLOURS[0], label="pass@k")
    axes.fill_between(
        ks, [r[2] for r in seen], [r[3] for r in seen], color=COLOURS[0], alpha=0.15, label="95 % interval"
    )
    law = [(row[0], row[4]) for row in rows if row[4] is not None]
    if law:
        axes.plot(*zip(*law, strict=True), "--", color=COLOURS[1], label="fitted law")
    if ahead := [row for row in rows if row[1] is None]:
        k, _, low, high, value, _ = ahead[0]
        axes.errorbar(
            [k],
            [value],
            [[max(0, value - low)], [max(0, high - value)]],
            fmt="x",
            color=COLOURS[1],
            capsize=3,
        )
    axes.set_xscale("log")
    _whole_numbers(axes.xaxis, [row[0] for row in rows])
    axes.set_xlabel("attempts (k)")
    _share(axes.yaxis, axes.set_ylim, "share of issues")
    axes.legend(frameon=False, loc="lower right")


def _grid(axes: Any, rows: list[tuple[Any, ...]]) -> None:
    turns, ks = sorted({row[0] for row in rows}), sorted({row[1] for row in rows})
    values = {(turn, k): share for turn, k, share in rows}
    table = [[values[turn, k] for k in ks] for turn in turns]
    shown = axes.imshow(
        table, origin="lower", aspect="auto", cmap="cividis", vmin=0, vmax=max(map(max, table)) or 1
    )
    for y, row in enumerate(table):
        for x, value in enumerate(row):
            dark = value < 0.5 * (max(map(max, table)) or 1)
            axes.text(
                x, y, f"{value:.0%}", ha="center", va="center", color="white" if dark else "black", fontsize=8
            )
    axes.set_xticks(range(len(ks)), [str(k) for k in ks])
    axes.set_yticks(range(len(turns)), [str(turn) for turn in turns])
    axes.set_xlabel("parallel attempts")
    axes.set_ylabel("serial model calls of an attempt, at most")
    axes.figure.colorbar(shown, ax=axes, format=lambda value, _: f"{value:.0%}")


def _strategies(axes: Any, rows: list[tuple[Any, ...]]) -> None:
    for place, (name, value, low, high, *_) in enumerate(rows):
        bound = name in ("random", "oracle")
        axes.errorbar(
            [value], [place], xerr=[[max(0, value - low)], [max(0, high - value)]],
            fmt="s" if bound else "o", color=COLOURS[6] if bound else COLOURS[0], capsize=3,
        )  # fmt: skip
        if bound:
            axes.axvline(value, color=COLOURS[6], linestyle=":", linewidth=1)
    axes.set_yticks(range(len(rows)), [f"{row[0]}  {row[1]:.0%}" for row in rows])
    _share(axes.xaxis, axes.set_xlim, "share of issues resolved")


def _best_at(axes: Any, rows: list[tuple[Any, ...]]) -> None:
    names = list(dict.fromkeys(row[0] for row in rows))
    for place, name in enumerate(names):
        points = [(k, share) for who, k, share in rows if who == name]
        look = {"color": COLOURS[place % 7], "marker": MARKERS[place % 7]}
        axes.plot(*zip(*points, strict=True), label=name, linestyle=":" if name == "random" else "-", **look)
    _whole_numbers(axes.xaxis, [row[1] for row in rows])
    axes.set_xlabel("candidates to choose among (K)")
    axes.set_ylabel("share of issues resolved")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.legend(frameon=False, ncols=2)


def _lost(axes: Any, rows: list[tuple[Any, ...]]) -> None:
    looks, left = (
        zip((COLOURS[2], COLOURS[4], COLOURS[1], COLOURS[5]), ("", "//", "xx", ".."), strict=True),
        0,
    )
    for (what, count), (colour, hatch) in zip(rows[:4], looks, strict=True):
        said = f"{what}: {count}"
        axes.barh([0], [count], left=left, color=colour, hatch=hatch, edgecolor="white", label=said)
        left += count
    axes.set_yticks([])
    axes.set_xlabel("issues")
    axes.set_ylim(-0.6, 1.9)
    axes.legend(frameon=False, loc="upper left")


def _costs(axes: Any, rows: list[tuple[Any, ...]]) -> None:
    usd, tokens = [row[2] for row in rows], [row[3] + row[5] for row in rows]
    values, label = (usd, "USD") if any(usd) else (tokens, "tokens")
    if not any(values):
        values, label = [row[6] for row in rows], "executions"
    axes.barh(range(len(rows)), values, color=COLOURS[0])
    said = [f"{row[0]}  ({row[1]:,} calls)" for row in rows]
    axes.set_yticks(range(len(rows)), said)
    axes.invert_yaxis()
    axes.set_xlabel(label)


def _reliability(axes: Any, rows: list[tuple[Any, ...]]) -> None:
    axes.plot([0, 1], [0, 1], ":", color=COLOURS[6], label="as sure as right")
    axes.plot(
        [row[3] for row in rows], [row[4] for row in rows], marker="o", color=COLOURS[0], label="choices"
    )
    for _, _, count, said, right in rows:
        axes.annotate(str(count), (said, right), textcoords="offset points", xytext=(6, -10), fontsize=8)
    _share(axes.xaxis, axes.set_xlim, "said")
    _share(axes.yaxis, axes.set_ylim, "right")
    axes.legend(frameon=False)


def _share(axis: Any, limit: Callable[..., Any], label: str) -> None:
    limit(0, 1.03)
    axis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axis.set_label_text(label)


def _whole_numbers(axis: Any, values: list[int]) -> None:
    """Ticks at values that are there, of which so many are shown as there is room for."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    shown = [value for value in sorted(set(values)) if value < 10 or value % 10 == 0 or value == max(values)]
    axis.set_major_locator(FixedLocator(shown[:: 1 + len(shown) // 16]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


_DRAW: dict[str, Callable[[Any, list[tuple[Any, ...]]], None]] = {
    "coverage": _coverage,
    "compute_grid": _grid,
    "strategies": _strategies,
    "best_at_k": _best_at,
    "lost": _lost,
    "cost_by_stage": _costs,
    "reliability": _reliability,
}

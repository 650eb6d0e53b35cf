"""Templates, strictly: everything that comes from a store is escaped, searched for secrets, and fit to be shown."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from environments.shown_text import visible

from ..clock import clock
from ..export_secrets import Scrubber
from .links import Links, output_anchor, slug
from .table import SHOWS, SORTS, VERDICTS, verdicts_of

HERE = Path(__file__).parent
_SHORT = 8
"""Characters of a text in which no secret can be (export_secrets)."""


@dataclass(frozen=True)
class Renderer:
    """Templates by name, and the scrubber that they use, for what is sent without a template."""

    jinja: Environment
    scrubber: Scrubber

    def __call__(self, template: str, links: Links, **values: Any) -> str:
        """HTML. A name without a value is jinja2.UndefinedError."""
        # The whole page: a value cannot pass by, in whichever place a template prints it.
        return visible(self.jinja.get_template(f"{template}.html").render(url=links, **values))


def renderer(environment: Mapping[str, str] | None = None) -> Renderer:
    """environment: where this machine's secrets are, os.environ by default.

    Every value that a template prints goes through the scrubber first,
    then is escaped; only what templates themselves made is taken as HTML.
    """
    scrubber = Scrubber() if environment is None else Scrubber(environment)

    def scrubbed(value: Any) -> Any:
        if isinstance(value, str) and not isinstance(value, Markup) and len(value) >= _SHORT:
            return scrubber.clean(value)
        return value

    jinja = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        undefined=StrictUndefined,
        autoescape=True,
        finalize=scrubbed,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters |= {
        "number": number,
        "money": money,
        "percent": percent,
        "seconds": seconds,
        "moment": moment,
        "iso": iso,
        "size": size,
        "slug": slug,
        "json": json.dumps,
        "in_order": in_order,
    }
    jinja.globals |= {
        "output_anchor": output_anchor,
        "sorts": {name: title for name, (title, _) in SORTS.items()},
        "verdicts": {name: said for name, (said, _) in VERDICTS.items()},
        "row_verdicts": verdicts_of,
        "shows": SHOWS,
    }

    return Renderer(jinja, scrubber)


def number(value: float) -> str:
    """With thousands apart; large ones short: "12.3 M"."""
    if value >= 10_000_000:
        return f"{value / 1_000_000:,.1f} M"
    if value >= 100_000:
        return f"{value / 1_000:,.0f} k"
    return f"{value:,.0f}"


def money(value: float) -> str:
    return "$0" if not value else f"${value:,.2f}" if value >= 1 else f"${value:.4f}"


def percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}" if value in (0.0, 1.0) else f"{value:.1%}"


def seconds(value: float | None) -> str:
    """ "0.3 s", "48 s", then as a clock."""
    if value is None:
        return ""
    return f"{value:.1f} s" if value < 10 else f"{value:.0f} s" if value < 90 else clock(value)


def in_order(names: Sequence[str]) -> str:
    """Names from best to worst; what all begin with ("attempt-") is said once."""
    common = "attempt-"
    if len(names) > 1 and all(name.startswith(common) for name in names):
        names = [names[0], *(name.removeprefix(common) for name in names[1:])]
    return " \u203a ".join(names)


def moment(unix: float) -> str:
    """Local time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(unix))


def iso(unix: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix))


def size(chars: int) -> str:
    return f"{chars:,} characters"

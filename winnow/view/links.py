"""Where each page is: absolute paths on the server, relative ones to files in an export."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

_PLAIN = re.compile(r"[A-Za-z0-9_-]|(?<!^)\.", re.ASCII)


def slug(name: str) -> str:
    """A name as one piece of a path: fit for URLs and file systems, and told back by `unslug`. Others are "~2F"."""
    return "".join(
        found if _PLAIN.match(name, at) else "".join(f"~{byte:02X}" for byte in _bytes(found))
        for at, found in enumerate(name)
    )


def unslug(piece: str) -> str:
    """The name that a piece of a path stands for."""
    found = re.sub(rb"~([0-9A-Fa-f]{2})", lambda hit: bytes([int(hit[1], 16)]), _bytes(piece))
    return found.decode("utf-8", "surrogatepass") if _is_text(found) else piece


@dataclass(frozen=True, slots=True)
class Links:
    """Links as seen from one page. at: that page's own path ("runs/R/", "" for the first). static: in an export."""

    at: str = ""
    static: bool = False

    def runs(self) -> str:
        return self._to("")

    def run(self, run: str) -> str:
        return self._to(run_path(run))

    def figures(self, run: str) -> str:
        return self._to(f"{run_path(run)}figures/")

    def issue(self, run: str, task: str) -> str:
        return self._to(issue_path(run, task))

    def trajectory(self, run: str, task: str, trajectory: str, turn: int | None = None, page: int = 1) -> str:
        """turn: to go straight there; page: on which it is."""
        path = self._to(trajectory_path(run, task, trajectory, page if self.static else 1))
        asked = f"?page={page}" if page > 1 and not self.static else ""
        return path + asked + (f"#turn-{turn}" if turn is not None else "")

    def output(self, run: str, task: str, candidate: str, test: str) -> str:
        """In an export all outputs are on the issue's page itself."""
        if self.static:
            return f"#{output_anchor(candidate, test)}"
        return self._to(f"{issue_path(run, task)}outputs/{slug(candidate)}/{slug(test)}/")

    def patch(self, run: str, task: str, candidate: str) -> str:
        path = f"{issue_path(run, task)}trajectories/{slug(candidate)}/patch.diff"
        return f"{'../' * self.at.count('/')}{path}" if self.static else f"/{path}"

    def text(self, run: str, task: str, digest: str) -> str:
        """A long text in full; an export has none of these."""
        return "" if self.static else self._to(f"{issue_path(run, task)}texts/{digest}/")

    def answer(self, run: str, task: str, number: int) -> str:
        return "" if self.static else self._to(f"{issue_path(run, task)}answers/{number}/")

    def compare(self, first: str = "", second: str = "", task: str = "") -> str:
        asked = {key: value for key, value in (("a", first), ("b", second), ("task", task)) if value}
        return self._to("compare/") + (f"?{urlencode(asked)}" if asked else "")

    def asset(self, name: str) -> str:
        return f"{'../' * self.at.count('/')}static/{name}" if self.static else f"/static/{name}"

    def _to(self, path: str) -> str:
        return f"{'../' * self.at.count('/')}{path}index.html" if self.static else f"/{path}"


def run_path(run: str) -> str:
    return f"runs/{slug(run)}/"


def issue_path(run: str, task: str) -> str:
    return f"{run_path(run)}issues/{slug(task)}/"


def trajectory_path(run: str, task: str, trajectory: str, page: int = 1) -> str:
    """page: of a long one in an export, which has a folder for each."""
    further = f"page-{page}/" if page > 1 else ""
    return f"{issue_path(run, task)}trajectories/{slug(trajectory)}/{further}"


def output_anchor(candidate: str, test: str) -> str:
    return f"output-{slug(candidate)}--{slug(test)}"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True

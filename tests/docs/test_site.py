"""The docs as a site: it builds with every link and anchor right, holds every page, and asks nobody for anything."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site; a warning (a link that leads nowhere, a page that the navigation lacks) is an error."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_there_and_linked(site):
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")}
    first = (site / "index.html").read_text()
    assert pages and {name for name in pages if f'href="{name}.html"' in first or name == "index"} == pages


def test_nothing_is_fetched_from_elsewhere(site):
    fetched = re.compile(
        r"""<(?:script|img|iframe|link\b[^>]*rel="?(?:stylesheet|preload|icon))[^>]*(?:src|href)="?https?:"""
    )
    wrong = {page.name: fetched.findall(page.read_text()) for page in site.rglob("*.html")}
    assert not [name for name, found in wrong.items() if found]
    assert "https://fonts" not in "".join(p.read_text(errors="replace") for p in site.rglob("*.css"))

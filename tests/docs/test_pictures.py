"""The pictures in README and docs: there, shown, small, and asking nobody for anything."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PICTURES = sorted((ROOT / "docs" / "pictures").iterdir())
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = re.compile(r"""!\[[^\]]*\]\(([^)]+)\)|(?:src|srcset)="([^"]+)\"""")
NAMED = ("http://www.w3.org/", "https://www.textualize.io", "http://www.w3.org/1999/xhtml")
"""Addresses that are names or stand in comments: nothing is fetched from them."""


def shown(page: Path) -> set[Path]:
    found = (first or second for first, second in SHOWN.findall(page.read_text()))
    return {(page.parent / path).resolve() for path in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_picture_of_a_page_is_there(page):
    assert [path for path in shown(page) if not path.is_file()] == []


def test_the_readme_shows_terminal_and_viewer_and_no_picture_is_left_over():
    names = {path.name for path in shown(ROOT / "README.md")}
    assert {"terminal-live.svg", "terminal-end.svg", "viewer-issue-light.png"} <= names
    assert set(PICTURES) == set().union(*(shown(page) for page in PAGES))


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_is_small_and_fetches_nothing(picture):
    assert picture.stat().st_size <= (150_000 if picture.suffix == ".svg" else 200_000)
    if picture.suffix == ".svg":
        text = picture.read_text()
        for name in NAMED:
            text = text.replace(name, "")
        assert not re.search(r"https?:|@import|@font-face|<script|xlink:href", text)

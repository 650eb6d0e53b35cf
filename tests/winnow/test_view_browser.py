"""The viewer in a real browser: Debian's chromium, driven by playwright, against `winnow view` as a process of its own.

Screenshots of the main pages, at two widths in both themes, are left in build/screenshots.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import viewed_run
from programs import needs, program_path
from viewed_run import OTHER, RUN, TASKS
from waiting import PATIENCE

from winnow.view.links import slug

playwright_api = pytest.importorskip("playwright.sync_api", reason="needs playwright (the extra dev)")
expect = playwright_api.expect
LONGEST = 1000 * PATIENCE
"""Milliseconds for a page, an action, or what is expected of a page."""
expect.set_options(timeout=LONGEST)
# Playwright's own node is linked with libatomic.
pytestmark = [needs("chromium"), needs("libatomic.so.1"), pytest.mark.xdist_group("browser")]
SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
WINNOW = str(Path(sys.executable).with_name("winnow"))
ISSUE = f"/runs/{RUN}/issues/{slug(TASKS[0])}/"
BAD = f"/runs/{RUN}/issues/{slug(TASKS[3])}/"
PAGES = {
    "runs": "/",
    "run": f"/runs/{RUN}/",
    "issue": ISSUE,
    "trajectory": f"{ISSUE}trajectories/attempt-2/",
    "hostile-issue": BAD,
    "hostile-trajectory": f"{BAD}trajectories/attempt-1/#turn-2",
    "output": f"{BAD}outputs/attempt-1/test-1/",
    "figures": f"/runs/{RUN}/figures/",
    "compare": f"/compare/?a={RUN}&b={OTHER}",
    "compare-issue": f"/compare/?a={RUN}&b={OTHER}&task={TASKS[0]}",
    "wrong": "/nothing",
}
_CHECKS = (Path(__file__).parent / "page_checks.js").read_text()
INJECTED, FAULTS, CONTRAST = (
    f"() => {{ {_CHECKS} return {name}(); }}" for name in ("injected", "faults", "contrast")
)
SHOWN = ("runs", "run", "issue", "trajectory")


class Server:
    """`winnow view` over a store, by its address."""

    def __init__(self, file: Path):
        self._process = subprocess.Popen(
            [WINNOW, "view", "--store", str(file), "--port", "0"], stdout=subprocess.PIPE, text=True
        )
        self.at = self._process.stdout.readline().strip().rstrip("/")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    where = tmp_path_factory.mktemp("browsed") / "b.db"
    viewed_run.write(where)
    viewed_run.write(where, OTHER, otherwise=True)
    return where


@pytest.fixture(scope="module")
def server(file):
    opened = Server(file)
    yield opened.at
    opened.close()


@pytest.fixture(scope="module")
def browser():
    with playwright_api.sync_playwright() as playwright:
        # The sandbox of chromium needs what containers often do not give; the pages are our own.
        opened = playwright.chromium.launch(
            executable_path=program_path("chromium"), args=["--no-sandbox"], timeout=LONGEST
        )
        yield opened
        opened.close()


@pytest.fixture
def visit(browser):
    """`visit(width, theme)` -> a page; in the end nothing may have gone wrong, or gone elsewhere, in any of them."""
    contexts, wrong = [], []

    def page(width: int = 1280, theme: str = "light", expected: tuple[str, ...] = ()):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        context.set_default_timeout(LONGEST)
        contexts.append(context)
        opened = context.new_page()

        def console(message):
            allowed = any(words in message.text for words in expected)
            if message.type in ("error", "warning") and not allowed:
                wrong.append(message.text)

        opened.on("console", console)
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        opened.on("request", lambda request: wrong.append(request.url) if _elsewhere(request.url) else None)
        return opened

    yield page
    for context in contexts:
        context.close()
    assert wrong == []


def _elsewhere(url: str) -> bool:
    found = urlsplit(url)
    return not (found.scheme in ("data", "file") or found.hostname == "127.0.0.1")


def go(page, address: str) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")


def test_every_page_is_whole_harmless_and_usable_by_all(server, visit):
    """No script of an agent's text runs or becomes a tag; names, labels, landmarks, contrast; no sideways scroll."""
    page = visit(expected=("status of 404",))
    for name, path in PAGES.items():
        go(page, server + path)
        assert page.evaluate("window.hacked") is None, name
        assert page.evaluate(INJECTED) == [], name
        assert page.evaluate(FAULTS) == [], name


def test_that_check_finds_faults(server, visit):
    """What the checks above look for, put into a page, is found: they can fail."""
    page = visit(expected=("Content Security Policy",))
    for fault in (
        "document.querySelector('h1').remove()",
        "document.querySelector('label').replaceWith(document.querySelector('input[type=search]'))",
        "document.querySelector('.brand').innerHTML = '<svg></svg>'",
        "document.querySelector('h1').style.color = '#ccc'",
        "document.body.append(document.getElementById('main').cloneNode())",
    ):
        go(page, f"{server}/")
        page.evaluate(fault)
        assert page.evaluate(FAULTS), fault
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<svg onload=1></svg>')")
    assert page.evaluate(INJECTED)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 390])
def test_screenshots_in_both_themes_at_two_widths(server, visit, theme, width):
    page = visit(width, theme)
    SHOTS.mkdir(parents=True, exist_ok=True)
    for name in SHOWN:
        go(page, server + PAGES[name])
        if name == "trajectory":
            page.keyboard.press("e")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, "scrolls sideways")
        assert page.evaluate(CONTRAST) == [], name
        file = SHOTS / f"{name}-{theme}-{width}.png"
        page.screenshot(path=file, full_page=True)
        assert file.stat().st_size > 10_000


def rows(page) -> list[str]:
    return page.locator("#issues [data-row]:visible").all_text_contents()


def test_filters_sort_and_search_live_in_the_url(server, visit):
    page = visit()
    go(page, f"{server}/runs/{RUN}/")
    assert len(rows(page)) == 5
    page.fill("[data-search]", "missed")
    page.wait_for_url("**q=missed**")
    expect(page.locator("#issues [data-row]")).to_have_count(1)
    assert page.evaluate("document.activeElement.id") == "q"  # whoever types goes on typing
    page.reload()
    assert rows(page) == ["missed-2"] and page.input_value("[data-search]") == "missed"
    page.fill("[data-search]", "")
    expect(page.locator("#issues [data-row]")).to_have_count(5)
    page.select_option("#f-verdict", "resolved")
    page.wait_for_url("**verdict=resolved**")
    expect(page.locator("#issues [data-row]")).to_have_count(1)
    assert rows(page) == [TASKS[0]]
    page.go_back()
    expect(page.locator("#issues [data-row]")).to_have_count(5)
    page.click("#sort-cost")
    page.wait_for_url("**sort=cost&dir=down**")
    page.wait_for_selector("[data-sort=cost][aria-sort=descending]")
    assert set(rows(page)[-2:]) == {"nothing-3", "waiting-5"}


def test_a_cell_opens_its_output_in_place(server, visit):
    page = visit()
    go(page, server + BAD)
    page.click("[aria-label^='test-2 on attempt-1']")
    page.wait_for_selector("#output pre")
    assert "attempt-1 test-2 says <script>" in page.inner_text("#output pre")
    assert page.evaluate("document.activeElement.id") == "output" and page.url.endswith(BAD)
    assert page.evaluate("window.hacked") is None


def test_the_chart_is_drawn_with_its_numbers_beside_it(server, visit):
    page = visit()
    go(page, f"{server}/runs/{RUN}/")
    page.wait_for_selector("#figures canvas")
    assert "coverage" in page.get_attribute("[data-chart]", "aria-label").lower()
    page.click("text=Numbers")
    assert page.locator("#figures details table tbody tr").count() == 3


def test_keys_move_open_search_and_can_be_switched_off(server, visit):
    page = visit()
    go(page, f"{server}/runs/{RUN}/")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.textContent") == "missed-2"
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{ISSUE}")
    page.keyboard.press("]")
    page.wait_for_url("**/missed-2/")
    page.keyboard.press("u")
    page.wait_for_url(f"**/runs/{RUN}/")
    page.keyboard.press("/")
    page.keyboard.type("jkt")
    assert page.input_value("[data-search]") == "jkt"
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    assert page.get_attribute("html", "data-theme") == "light"
    page.keyboard.press("?")
    assert page.locator("dialog[open]").count() == 1
    page.uncheck("[data-keys-on]")
    page.keyboard.press("Escape")
    page.reload()
    assert page.get_attribute("html", "data-theme") == "light"  # remembered, and so are the keys
    page.keyboard.press("t")
    assert page.get_attribute("html", "data-theme") == "light"


def test_a_link_to_a_turn_unfolds_it(server, visit):
    page = visit()
    go(page, f"{server}{ISSUE}trajectories/attempt-2/#turn-2")
    assert [page.get_attribute(f"#turn-{n}", "open") for n in (1, 2, 3)] == [None, "", None]
    page.locator(".timeline a").last.click()
    page.wait_for_selector("#turn-3[open]")


def test_a_run_at_work_is_followed_without_a_reload(tmp_path, visit):
    file = tmp_path / "live.db"
    viewed_run.write(file, running=True)
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(file), RUN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )
    server = None
    try:
        assert writer.stdout.readline() == "leased\n"
        server = Server(file)
        page = visit()
        page.add_init_script(NOTED)
        page.goto(f"{server.at}/runs/{RUN}/")
        page.evaluate("window.same = true")
        page.wait_for_selector("#progress:has-text('4 of 5 over')")
        page.wait_for_selector("html[data-followed]")
        # The table is waited for too: a change that comes while it is being fetched may not be fetched itself.
        for said, progress, row in (
            ("begin", "1 attempts", ":has-text('attempts')"),
            ("attempt", "29", ":has(td[data-value='2'])"),
            ("end", "5 of 5 over", ":has-text('patch chosen')"),
        ):
            writer.stdin.write(f"{said}\n")
            writer.stdin.flush()
            page.wait_for_selector(f"#progress:has-text('{progress}')")
            page.wait_for_selector(f"#issues tr:has-text('waiting-5'){row}")
        writer.stdin.write("over\n")
        writer.stdin.flush()
        page.wait_for_selector("html[data-over]")  # nothing is asked for any more, so the server may go
        assert page.evaluate("window.same") is True
        assert writer.stdout.readline() == "over\n"
    finally:
        writer.kill()
        writer.wait()
        if server is not None:
            server.close()


def test_an_export_is_the_same_pages_as_files(file, visit, tmp_path):
    folder = tmp_path / "published"
    done = subprocess.run(
        [WINNOW, "view", RUN, "--store", str(file), "--export", str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    page = visit()
    checked = [folder / "index.html"]
    for at in checked:
        page.goto(at.as_uri())
        assert page.evaluate("window.hacked") is None and page.evaluate(INJECTED) == []
        for link in page.evaluate(LINKS):
            target = Path(link.removeprefix("file://").split("#")[0].split("?")[0].replace("%7E", "~"))
            assert target.is_file() and target.is_relative_to(folder), (at, link)
            if target.suffix == ".html" and target not in checked:
                checked.append(target)
    assert len(checked) == 2 + 5 + 10
    page.goto((folder / "runs" / RUN / "index.html").as_uri() + "?q=missed")
    assert rows(page) == ["missed-2"]
    page.fill("[data-search]", "")
    assert len(rows(page)) == 5
    page.click("#sort-issue")
    assert rows(page)[-1] == "waiting-5"
    page.wait_for_selector("canvas")
    page.goto((folder / BAD.strip("/") / "index.html").as_uri())
    page.click("[aria-label^='test-1 on attempt-1']")
    page.wait_for_selector("details.output[open] pre:visible")


LINKS = "[...document.querySelectorAll('a[href]')].map((a) => new URL(a.getAttribute('href'), document.baseURI).href)"

NOTED = """
addEventListener("htmx:sseMessage", () => { document.documentElement.dataset.followed = "" });
addEventListener("htmx:sseClose", () => { document.documentElement.dataset.over = "" });
"""
"""Says in the page when the first news of a run has come, and when no more will."""

WRITER = """
import asyncio, sys, time
import viewed_run
from store import open_store
file, run = sys.argv[1:]
with open_store(file) as store, store.lease(run):
    print("leased", flush=True)
    for said in sys.stdin:
        work = {
            "begin": lambda: viewed_run.begin_issue(store, run, viewed_run.TASKS[4]),
            "attempt": lambda: viewed_run.attempt(store, run, viewed_run.TASKS[4], 1, "new", turns=2),
            "end": lambda: viewed_run.end_issue(store, run, viewed_run.TASKS[4]),
        }.get(said.strip())
        if work is None:
            store.set_run(run, status="finished", ended=time.time())
            break
        asyncio.run(work())
print("over", flush=True)
sys.stdin.read()
"""

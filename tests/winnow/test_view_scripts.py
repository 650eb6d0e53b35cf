"""The viewer in a real browser with escaping switched off: what texts of agents bring to a page still does not run."""

from __future__ import annotations

import threading

import pytest
import uvicorn
import viewed_run
from programs import needs, program_path
from viewed_run import RUN, TASKS
from waiting import PATIENCE, wait_until

from store import open_reader
from winnow.view.app import viewer
from winnow.view.links import slug
from winnow.view.rendering import renderer
from winnow.view.serving import _listen

playwright_api = pytest.importorskip("playwright.sync_api", reason="needs playwright (the extra dev)")
pytestmark = [needs("chromium"), needs("libatomic.so.1"), pytest.mark.xdist_group("browser")]
BAD = f"/runs/{RUN}/issues/{slug(TASKS[3])}/"


@pytest.fixture
def unescaped(tmp_path):
    """The address of a viewer whose templates escape nothing."""
    viewed_run.write(tmp_path / "v.db")
    render = renderer({})
    render.jinja.autoescape = False
    with open_reader(tmp_path / "v.db") as reader:
        sock = _listen("127.0.0.1", 0)
        server = uvicorn.Server(
            uvicorn.Config(viewer(reader, render=render), log_level="error", lifespan="off")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        wait_until(lambda: server.started, "the server listens")
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        server.should_exit = True
        thread.join(PATIENCE)
        sock.close()


def test_no_script_in_a_page_runs(unescaped):
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program_path("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        for path in (BAD, f"{BAD}trajectories/attempt-1/"):
            page.goto(unescaped + path)
            page.wait_for_load_state("load")
            assert "<script>window.hacked" in page.content()
            assert page.evaluate("window.hacked") is None, path
        browser.close()

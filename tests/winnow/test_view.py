"""The viewer's pages without a browser: what they show, whom they answer, what they never show."""

from __future__ import annotations

import asyncio
import html
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
import viewed_run
from viewed_run import HOSTILE, OTHER, RUN, SECRET, TASKS

from store import Reader, open_reader, open_store
from winnow.view.app import viewer
from winnow.view.guard import guarded
from winnow.view.links import slug
from winnow.view.rendering import renderer

HOST = "http://127.0.0.1:8765"
ISSUE = f"/runs/{RUN}/issues/{slug(TASKS[0])}/"
BAD = f"/runs/{RUN}/issues/{slug(TASKS[3])}/"
PAGES = {
    "runs": "/",
    "run": f"/runs/{RUN}/",
    "figures": f"/runs/{RUN}/figures/",
    "issue": ISSUE,
    "hostile issue": BAD,
    "issue without a patch": f"/runs/{RUN}/issues/{slug(TASKS[2])}/",
    "issue not begun": f"/runs/{RUN}/issues/{slug(TASKS[4])}/",
    "output": f"{BAD}outputs/attempt-1/test-2/",
    "trajectory": f"{ISSUE}trajectories/attempt-2/",
    "hostile trajectory": f"{BAD}trajectories/attempt-1/",
    "compare": f"/compare/?a={RUN}&b={OTHER}",
    "compare an issue": f"/compare/?a={RUN}&b={OTHER}&task={TASKS[0]}",
    "nothing": "/compare/",
}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    where = tmp_path_factory.mktemp("viewed") / "v.db"
    viewed_run.write(where)
    viewed_run.write(where, OTHER, otherwise=True)
    return where


@pytest.fixture(scope="module")
def get(file):
    """`get(path, **headers)` -> the response of the viewer over the store."""
    with open_reader(file) as reader:
        yield _asker(viewer(reader, render=renderer({})))


def _asker(app):
    def get(path: str, method: str = "GET", **headers: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOST) as client:
                return await client.request(method, path, headers=headers)

        return asyncio.run(ask())

    return get


def injected(html: str) -> list[str]:
    """Tags that only hostile texts have."""
    return re.findall(r"<script>|<img|<svg onload|</textarea>|<a href=javascript|-->|>49<", html)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_escapes_what_agents_said_and_shows_no_secret(get, name):
    page = get(PAGES[name])
    assert page.status_code == 200
    assert injected(page.text) == []
    assert SECRET not in page.text
    if "hostile" in name or name == "output":
        assert "&lt;script&gt;window.hacked" in page.text


def test_that_check_fails_where_escaping_is_switched_off(file):
    render = renderer({})
    render.jinja.autoescape = False
    with open_reader(file) as reader:
        get = _asker(viewer(reader, render=render))
        for name in ("run", "hostile issue", "hostile trajectory", "output", "compare"):
            assert injected(get(PAGES[name]).text), name


def test_secrets_of_this_machine_are_taken_out_wherever_they_are(file):
    """By value, not only by form, though it has signs that HTML escapes or goes over lines of a diff."""
    hidden = {
        "BUILD_TOKEN": "new = 1  # right",
        "A_KEY": "-old = 0\n+new",
        "PASSWORD": "window.hacked = 1</script>",
    }
    with open_reader(file) as reader:
        for name, value in hidden.items():
            get = _asker(viewer(reader, render=renderer({name: value})))
            paths = (ISSUE, f"{ISSUE}trajectories/attempt-1/", f"{ISSUE}trajectories/attempt-1/patch.diff")
            for path in paths[: 2 if name == "PASSWORD" else 3]:
                text = get(path).text
                assert html.escape(value) not in text and value not in text, (name, path)
                assert f"removed: {name}]" in text, (name, path)
                assert name != "A_KEY" or "<td>old = 0</td>" not in text.partition('id="patch')[2]


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example:8765"},
        {"host": "127.0.0.1.evil.example"},
        {"host": ""},
        {"host": "[::1"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"},
    ],
)
def test_whoever_is_not_ours_is_refused(get, headers):
    page = get("/", **headers)
    assert page.status_code == 403 and RUN not in page.text


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "localhost:8765"},
        {"host": "LOCALHOST"},
        {"host": "[::1]:8765"},
        {"origin": "http://127.0.0.1:8765"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    ],
)
def test_ours_are_answered(get, headers):
    assert get("/", **headers).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(get, method):
    assert get("/", method).status_code == 405


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_no_request_to_change_something_gets_behind_the_guard(method):
    """Whatever somebody puts there one day."""
    came = []

    async def obedient(scope, receive, send):
        came.append(scope["method"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    get = _asker(guarded(obedient, ["127.0.0.1"]))
    assert get("/", method).status_code == 405 and came == []
    assert get("/").status_code == 200 and came == ["GET"]


@pytest.mark.parametrize(
    "path", ["/", "/nothing/", "/static/view.css", f"{ISSUE}trajectories/attempt-1/patch.diff"]
)
def test_every_answer_forbids_inline_scripts_frames_and_guessing(get, path):
    headers = get(path).headers
    policy = headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_no_page_has_an_inline_script_or_style(get):
    class Tags(HTMLParser):
        def handle_starttag(self, tag, attributes):
            given = dict(attributes)
            assert tag != "style" and (tag != "script" or "src" in given)
            assert not any(name.startswith("on") or name == "style" for name in given)
            assert not any(str(value).startswith("javascript:") for value in given.values())

    for path in PAGES.values():
        Tags().feed(get(path).text)


@pytest.mark.parametrize(
    "path",
    ["/runs/none/", "/nothing", f"/runs/{RUN}/issues/none/", f"{ISSUE}trajectories/none/", f"{ISSUE}outputs/a/b/",
     f"{ISSUE}texts/none/", f"{ISSUE}answers/999999/", "/static/../app.py", "/runs/%2e%2e/", f"/compare/?a={RUN}&b=no"],
)  # fmt: skip
def test_what_is_not_there_says_so_in_words(get, path):
    page = get(path)
    assert page.status_code == 404 and "Traceback" not in page.text


def names(text: str) -> list[str]:
    return re.findall(r'id="i-\d+" href="[^"]*" data-row>([^<]*)<', text)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [TASKS[0], "missed-2", "nothing-3", TASKS[3], "waiting-5"]),
        ("?q=MISSED", ["missed-2"]),
        ("?q=title+2", ["missed-2"]),
        ("?q=no+such", []),
        ("?state=nothing+worth+choosing", ["nothing-3", TASKS[3]]),
        ("?verdict=resolved", [TASKS[0]]),
        ("?verdict=missed", ["missed-2"]),
        ("?verdict=uncovered", [TASKS[3]]),
        ("?verdict=nonsense", [TASKS[0], "missed-2", "nothing-3", TASKS[3], "waiting-5"]),
        ("?sort=order&dir=down&verdict=ungraded", ["waiting-5", "nothing-3"]),
        ("?sort=cost&dir=down&q=2", ["missed-2"]),
        ("?sort=issue&q=-&verdict=ungraded", ["nothing-3", "waiting-5"]),
        ("?page=999&q=missed", ["missed-2"]),
        (
            "?page=-1&sort=%00&dir=x&state=&verdict=%F0",
            [TASKS[0], "missed-2", "nothing-3", TASKS[3], "waiting-5"],
        ),
    ],
)
def test_the_table_is_what_the_url_says(get, query, found):
    page = get(f"/runs/{RUN}/{query}")
    assert [html.unescape(name) for name in names(page.text)] == found


def test_a_run_page_reads_no_journal_and_a_trajectory_page_only_its_own_turns(file, monkeypatch):
    def never(*_: object) -> None:
        raise AssertionError("a page read a whole journal")

    monkeypatch.setattr(Reader, "steps", never)
    monkeypatch.setattr("winnow.view.trajectory_page.PAGE", 2)
    read = []
    answers = Reader.answers
    monkeypatch.setattr(
        Reader, "answers", lambda self, numbers: read.append(len(numbers)) or answers(self, numbers)
    )
    with open_reader(file) as reader:
        get = _asker(viewer(reader, render=renderer({})))
        for path in PAGES.values():
            assert get(path).status_code == 200
        read.clear()
        text = get(f"{ISSUE}trajectories/attempt-1/?page=2").text
        assert read == [2]  # one question, one command
        assert 'id="turn-3"' in text and 'id="turn-1"' not in text and "page 2 of 2" in text


def test_a_turn_shows_what_was_new_in_it_and_nothing_twice(get):
    text = get(f"{ISSUE}trajectories/attempt-1/").text
    assert text.count("The issue of good/one-1") == 1
    assert text.count("Output 0:") == 1 and text.count("Output 1:") == 1
    assert text.count("Turn 1 of attempt-1") == 2  # folded, and in full
    second = text[text.index('id="turn-2"') : text.index('id="turn-3"')]
    assert "2,000 + 200 tokens" in second and "45.0% cached" in second and "exit 2" in second


def test_two_runs_show_where_their_trajectories_part(get):
    text = get(f"/compare/?a={RUN}&b={OTHER}&task={TASKS[0]}").text
    assert text.count("the same to the end") == 2
    assert "the reply at attempt-2/editing/1 differs" in text
    assert f"/runs/{OTHER}/issues/{slug(TASKS[0])}/trajectories/attempt-2/#turn-2" in text


def test_a_run_that_was_killed_is_interrupted_and_one_at_work_is_running(tmp_path):
    where = tmp_path / "r.db"
    viewed_run.write(where, running=True)
    with open_reader(where) as reader:
        get = _asker(viewer(reader, render=renderer({})))
        assert "interrupted" in get("/").text and "sse-connect" not in get(f"/runs/{RUN}/").text
        with open_store(where) as store, store.lease(RUN):
            assert "running" in get("/").text and "sse-connect" in get(f"/runs/{RUN}/").text


def test_pages_follow_what_another_session_writes(tmp_path):
    """What is remembered between requests is forgotten as soon as the store has changed."""
    where = tmp_path / "w.db"
    viewed_run.write(where, running=True)
    with open_reader(where) as reader:
        get = _asker(viewer(reader, render=renderer({})))
        calls = re.compile(r"<dt>Calls</dt><dd>(\d+)<")
        before = int(calls.search(get(f"/runs/{RUN}/").text)[1])
        with open_store(where) as store, store.lease(RUN):
            asyncio.run(viewed_run.attempt(store, RUN, TASKS[4], 1, "new", turns=2))
            asyncio.run(viewed_run.begin_issue(store, RUN, TASKS[4]))
            page = get(f"/runs/{RUN}/").text
        assert int(calls.search(page)[1]) == before + 2
        assert re.search(r"<td>.*attempts.*</td>", page)


@pytest.mark.parametrize("module", ["starlette", "uvicorn", "jinja2", "sqlalchemy"])
def test_nothing_of_it_is_imported_before_it_runs(module):
    script = f"import sys, winnow.cli; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_a_port_in_use_is_said_in_a_sentence(file):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = view("--store", file, "--port", port)
    assert (
        done.returncode == 2 and "name another with --port" in done.stderr and "Traceback" not in done.stderr
    )


def view(*words: object) -> subprocess.CompletedProcess:
    winnow = str(Path(sys.executable).with_name("winnow"))
    return subprocess.run([winnow, "view", *map(str, words)], capture_output=True, text=True)


def test_an_export_takes_no_folder_of_something_else_and_no_secret_along(file, tmp_path, monkeypatch):
    kept = tmp_path / "kept" / "mine.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    done = view("--store", file, "--export", kept.parent)
    assert (
        done.returncode == 2 and "name an empty folder" in done.stderr and [*kept.parent.iterdir()] == [kept]
    )

    monkeypatch.setenv("BUILD_TOKEN", "new = 1  # right")
    for _ in range(2):  # an export of before is written over
        done = view(RUN, "--store", file, "--export", tmp_path / "new")
        assert done.returncode == 0, done.stderr
    files = [path for path in (tmp_path / "new").rglob("*") if path.is_file()]
    texts = [path.read_text() for path in files if path.suffix in (".html", ".diff")]
    assert len(texts) == 17 + 9 and not any(SECRET in text or "new = 1  # right" in text for text in texts)
    assert not any("htmx" in path.name for path in files)
    assert OTHER not in (tmp_path / "new" / "index.html").read_text()


@pytest.mark.parametrize("words", [("none",), ("--store", "/nowhere/at/all.db")])
def test_what_cannot_be_viewed_is_said_in_a_sentence(file, words):
    done = view(*words) if "--store" in words else view(*words, "--store", file)
    assert done.returncode in (2, 3) and done.stderr.startswith("winnow: ") and "Traceback" not in done.stderr


def test_hostile_names_are_no_paths():
    for name in (HOSTILE, "../../etc", ".", "..", "a/b", "~2F", "ünï", "a b", "", "\ud800"):
        piece = slug(name)
        assert re.fullmatch(r"[A-Za-z0-9_~.-]*", piece) and not piece.startswith(".")

"""The viewer as a web application: which page is at which path."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from environments.shown_text import visible
from store import NoSuchRun, Reader, StoreError, StoreMoved

from ..shown_streams import say_error
from .events import events, store_failed
from .guard import LOOPBACK, App, guarded
from .links import Links, unslug
from .memory import Memory
from .rendering import Renderer, renderer

Key = TypeVar("Key", str, int)
STATIC = Path(__file__).parent / "static"
_TRIES = 4
"""Times that a page is read where the store moves under it."""

Show = Callable[[Memory, Request], tuple[str, object]]
"""A page: which template shows it, and what."""


def viewer(reader: Reader, *, hosts: Collection[str] = LOOPBACK, render: Renderer | None = None) -> App:
    """The application over a store. hosts: under which names it may be asked; render: how pages are made."""
    render = render or renderer()
    memory = Memory(reader, render.scrubber.clean)

    def page(show: Show, name: str) -> Route:
        async def endpoint(request: Request) -> Response:
            links = Links(request.url.path.strip("/"))
            return await run_in_threadpool(_answer, memory, render, links, show, request)

        return Route(_PATHS[name], endpoint, name=name)

    async def live(request: Request) -> Response:
        run = unslug(request.path_params["run"])
        await run_in_threadpool(reader.run, run)
        return StreamingResponse(
            events(memory, render, run),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    async def patch(request: Request) -> Response:
        text = await run_in_threadpool(_patch, memory, render, request)
        return PlainTextResponse(
            text.encode("utf-8", "surrogateescape"), headers={"content-disposition": "attachment"}
        )

    async def text(request: Request) -> Response:
        found = await run_in_threadpool(_text, memory, render, request)
        return PlainTextResponse(visible(found))

    async def answer(request: Request) -> Response:
        found = await run_in_threadpool(_answer_text, memory, render, request)
        return PlainTextResponse(visible(found))

    application = Starlette(
        routes=[
            page(_runs, "runs"),
            page(_run, "run"),
            page(_figures, "figures"),
            page(_issue, "issue"),
            page(_output, "output"),
            page(_trajectory, "trajectory"),
            page(_compare, "compare"),
            Route(_PATHS["events"], live),
            Route(_PATHS["patch"], patch),
            Route(_PATHS["text"], text),
            Route(_PATHS["answer"], answer),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        exception_handlers={StoreError: _no_such(render), 404: _no_such(render)},
    )
    return guarded(application, hosts)


_ISSUE = "/runs/{run}/issues/{task}/"
_PATHS = {
    "runs": "/",
    "run": "/runs/{run}/",
    "events": "/runs/{run}/events",
    "figures": "/runs/{run}/figures/",
    "issue": _ISSUE,
    "output": _ISSUE + "outputs/{candidate}/{test}/",
    "trajectory": _ISSUE + "trajectories/{trajectory}/",
    "patch": _ISSUE + "trajectories/{trajectory}/patch.diff",
    "text": _ISSUE + "texts/{digest}/",
    "answer": _ISSUE + "answers/{number:int}/",
    "compare": "/compare/",
}


def _runs(memory: Memory, request: Request) -> tuple[str, object]:
    from .runs_page import runs_page

    return "runs", runs_page(memory, request.query_params)


def _run(memory: Memory, request: Request) -> tuple[str, object]:
    from .run_page import run_page

    return "run", run_page(memory, *_names(request, "run"), request.query_params)


def _figures(memory: Memory, request: Request) -> tuple[str, object]:
    from .figures_page import figures_page

    return "figures", figures_page(memory, *_names(request, "run"))


def _issue(memory: Memory, request: Request) -> tuple[str, object]:
    from .issue_page import issue_page

    return "issue", issue_page(memory, *_names(request, "run", "task"))


def _output(memory: Memory, request: Request) -> tuple[str, object]:
    from .issue_page import output_of

    names = _names(request, "run", "task", "candidate", "test")
    found = output_of(memory, *names)
    if found is None:
        raise StoreError(f"{names[3]} was not run on {names[2]} of task {names[1]}")
    return "output", (names, found)


def _trajectory(memory: Memory, request: Request) -> tuple[str, object]:
    from .trajectory_page import trajectory_page

    return "trajectory", trajectory_page(
        memory, *_names(request, "run", "task", "trajectory"), request.query_params
    )


def _compare(memory: Memory, request: Request) -> tuple[str, object]:
    from .compare_page import compare_page, particular_page

    if request.query_params.get("task"):
        return "compare_issue", particular_page(memory, request.query_params)
    return "compare", compare_page(memory, request.query_params)


def _names(request: Request, *names: str) -> list[str]:
    return [unslug(request.path_params[name]) for name in names]


def _answer(memory: Memory, render: Renderer, links: Links, show: Show, request: Request) -> Response:
    """The page, read again where the store moved meanwhile."""
    for more in reversed(range(_TRIES)):
        try:
            template, found = show(memory, request)
            break
        except StoreMoved:
            if not more:
                raise
    html = render(template, links, page=found, live=True, outputs=())
    return HTMLResponse(html, headers={"cache-control": "no-store"})


def _patch(memory: Memory, render: Renderer, request: Request) -> str:
    from ..stored import candidate_from_json

    run, task, trajectory = _names(request, "run", "task", "trajectory")
    row = memory.reader.trajectory(memory.reader.run(run).run, task, trajectory)
    if row is None or not row.body:
        raise StoreError(f"{trajectory} of task {task} has left no patch")
    return render.scrubber.clean(candidate_from_json(row.body).patch)


def _text(memory: Memory, render: Renderer, request: Request) -> str:
    digest = request.path_params["digest"]
    return _of_store(memory.reader.texts_of([digest]), digest, "text", render)


def _answer_text(memory: Memory, render: Renderer, request: Request) -> str:
    number = request.path_params["number"]
    return _of_store(memory.reader.answers([number]), number, "step", render)


def _of_store(found: Mapping[Key, str], key: Key, what: str, render: Renderer) -> str:
    if key not in found:
        raise StoreError(f"There is no such {what} in this store")
    return render.scrubber.clean(found[key])


def _no_such(render: Renderer) -> Callable[[Request, Exception], Response]:
    def page(request: Request, error: Exception) -> Response:
        sentence = str(error) if isinstance(error, StoreError) else "There is no such page."
        failed = isinstance(error, StoreError) and not isinstance(error, NoSuchRun) and store_failed(error)
        if failed:
            say_error(sentence)
        status = 503 if failed else 404
        html = render("wrong", Links(), page=sentence, live=True)
        return HTMLResponse(html, status_code=status)

    return page

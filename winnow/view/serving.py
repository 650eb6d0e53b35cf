"""`winnow view`: the server, or the files."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from store import NoSuchRun, open_reader

from ..paths import data_folder
from ..shown_streams import say
from .errors import CannotView
from .guard import LOOPBACK
from .links import Links


def view(
    run: str | None,
    *,
    store: str | None,
    host: str,
    port: int,
    allowed: Sequence[str],
    open_browser: bool,
    export: Path | None,
) -> None:
    """Serve the pages until Ctrl-C, or write them. Raises StoreError, NoSuchRun, CannotView."""
    with open_reader(store or data_folder() / "winnow.db") as reader:
        found = reader.run(run).run if run else None
        if export is not None:
            from .export import write_pages

            names = [found] if found else [row.run for row in reader.runs()]
            if not names:
                raise NoSuchRun("there is no run yet to export: `winnow demo` makes one")
            write_pages(reader, names, export, tell=lambda said: say(said, err=True))
            say(f"written: {export / 'index.html'}")
            return
        _require()
        from .app import viewer

        sock = _listen(host, port)
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{sock.getsockname()[1]}"
        links = Links()
        say(f"{address}{links.run(found) if found else '/'}")
        if host not in LOOPBACK:
            say("everybody who can reach this address can read the whole store", err=True)
        if sys.stdout.isatty():
            say("Ctrl-C ends it", err=True)
        if open_browser:
            import webbrowser

            webbrowser.open(f"{address}{links.run(found) if found else '/'}")
        application = viewer(reader, hosts=(*LOOPBACK, host, *allowed))
        threading.Thread(target=_import_pages, daemon=True).start()
        _serve(application, sock)


def _require() -> None:
    for package in ("starlette", "uvicorn"):
        if find_spec(package) is None:
            raise CannotView(f"The viewer needs the package {package}: install Winnow with its extra `view`")


def _import_pages() -> None:
    """While the first page is being read: the others need much more of Winnow."""
    for page in ("issue_page", "trajectory_page", "figures_page", "compare_page"):
        import_module(f".{page}", __package__)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(64)
        return sock
    except OSError as error:
        raise CannotView(
            f"The viewer cannot listen at {host}, port {port} ({error.strerror or error}): name another with --port"
        ) from error


def _serve(app: object, sock: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_level="warning",
        access_log=False,
        use_colors=False,
        server_header=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run(sockets=[sock])

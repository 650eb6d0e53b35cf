"""How a repository is built and tested, found by looking at it; what the user says goes first."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models.secrets.settings import hide_all
from sandbox import Dockerfile, HostRoot, Image, Root, RootFs

from .detect_python import Python, find_python, is_python, python_env, python_tests
from .foreign_text import LARGEST_SETTINGS, parse_json
from .sources import is_test, languages_of, test_libraries
from .task import Recipe, Snapshot
from .toolchains import holds_a_home, is_shown, tool_needs

_PATH = "/usr/local/bin:/usr/bin:/bin"
_FORMATS = (
    (r"\bpytest\b|\bpy\.test\b", "pytest"),
    (r"\bunittest\b|runtests\.py|manage\.py test", "unittest"),
    (r"\bgo test\b", "go"),
    (r"\bcargo (?:\S+ )*test\b", "cargo"),
    (r"\btap\b|\bprove\b", "tap"),
)


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the user said about building and testing; None: find it.

    setup, test_command: shell text. image, dockerfile, rootfs: a root other than the host's. network: "none" or
    "host". hosts: what the set-up reaches besides the package index. build_network: "host" where it has the host's.
    """

    setup: str | None = None
    test_command: str | None = None
    image: str | None = None
    dockerfile: Path | None = None
    rootfs: Path | None = None
    network: str | None = None
    hosts: tuple[str, ...] = ()
    build_network: str = "index"


@dataclass(frozen=True, slots=True)
class _Found:
    """One ecosystem's answer. env holds no PATH where the image's own is right. why: the last is of the command."""

    command: str | None = None
    format: str = "exit"
    env: Mapping[str, str] | None = None
    needs: tuple[str, ...] = ()
    why: tuple[str, ...] = ()


def detect(
    tree: Path, *, at: str, overrides: Overrides | None = None, environ: Mapping[str, str] | None = None
) -> Recipe:
    """The recipe of the frozen repository `tree`, which sandboxes show at `at`.

    environ: the host's environment, where VIRTUAL_ENV and the PATH with the toolchains are read. Nothing is executed.
    """
    said = overrides or Overrides()
    # The recipe is stored: a password in an index's address stays in memory.
    said = replace(said, setup=hide_all(said.setup), test_command=hide_all(said.test_command))
    environ = os.environ if environ is None else environ
    on_host = said.image is None and said.dockerfile is None
    snapshot = Snapshot(tree=tree, at=at, base="", head="", digest="")
    files = snapshot.files()
    languages = languages_of(snapshot)
    python = Python(None, name="python") if not on_host else None
    if is_python(tree) or languages[:1] == ("python",) or not languages:
        python = python or find_python(tree, at, environ, said.setup or "")
        found = _python(tree, at, files, python)
        places = python.places
    else:
        found = _other(tree, languages, on_host, environ)
        places = ()
    command, test_format, why = found.command, found.format, list(found.why)
    if said.test_command is not None:
        command, test_format = said.test_command or None, format_of(said.test_command)
        why = [*why[:-1], "the test command was given"]
    return Recipe(
        root=root_of(tree, said, found.needs),
        setup=said.setup or "",
        test_command=command,
        test_format=test_format,
        env=dict(found.env or {}),
        places=places,
        languages=languages,
        network=said.network or "none",
        hosts=said.hosts,
        build_network=said.build_network,
        why=tuple(why),
    )


def format_of(command: str) -> str:
    """How to read what a test command prints, by the command's words."""
    return next((name for pattern, name in _FORMATS if re.search(pattern, command)), "exit")


def _python(tree: Path, at: str, files: Sequence[str], python: Python) -> _Found:
    env, why = python_env(python, tree, at)
    libraries = test_libraries(files)
    command, test_format, because = python_tests(
        python, tree, files, any(is_test(name, libraries) and name.endswith(".py") for name in files)
    )
    if command is None and (makefile := _make(tree)):
        command, because = "make test", makefile
    said = (python.why, *why, because)
    return _Found(command, test_format, env, python.needs, tuple(word for word in said if word))


def _other(tree: Path, languages: Sequence[str], on_host: bool, environ: Mapping[str, str]) -> _Found:
    ways = {"go": _go, "rust": _cargo, "javascript": _node, "typescript": _node}
    order = [ways[name] for name in languages if name in ways]
    for way in dict.fromkeys([*order, _node, _go, _cargo]):
        if (found := way(tree, on_host, environ)) is not None:
            return found
    if makefile := _make(tree):
        return _Found("make test", "exit", {"PATH": _PATH} if on_host else {}, (), (makefile,))
    return _Found(why=("no test command: no known build file is there; name one with --test-command",))


def _node(tree: Path, on_host: bool, environ: Mapping[str, str]) -> _Found | None:
    try:
        with (tree / "package.json").open("rb") as file:
            package = parse_json(file.read(LARGEST_SETTINGS + 1))
        script = str(package.get("scripts", {}).get("test", ""))
    except (OSError, AttributeError):
        return None
    env, needs = _tool("node", "lib/node_modules", on_host, environ)
    env["CI"] = "1"
    if not script or "no test specified" in script:
        return _Found(None, "exit", env, needs, ("no test command: package.json has no test script",))
    manager = next(
        (name for lock, name in (("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn")) if _in(tree, lock)), "npm"
    )
    manager = manager if not on_host or shutil.which(manager, path=environ.get("PATH")) else "npm"
    if re.search(r"\bnode\b.*--test\b", script) and "--test-reporter" not in script:
        command, kind = f"{script.replace('--test', '--test --test-reporter=tap', 1)}", "tap"
    else:
        command, kind = (
            f"{manager} test",
            "tap" if re.search(r"\btap(?:e)?\b|--tap\b|reporter[= ]tap", script) else "exit",
        )
    return _Found(command, kind, env, needs, (f"package.json's test script runs the tests: {script}",))


def _go(tree: Path, on_host: bool, environ: Mapping[str, str]) -> _Found | None:
    if not _in(tree, "go.mod"):
        return None
    env, needs = _tool("go", "pkg/tool", on_host, environ)
    env |= {"GOFLAGS": "-mod=mod" if not _in(tree, "vendor/modules.txt") else "-mod=vendor"}
    env |= {"GOPROXY": "off", "GOTOOLCHAIN": "local", "GOCACHE": "/tmp/go-build"}
    modules = Path(environ.get("GOMODCACHE") or Path(environ.get("GOPATH") or Path.home() / "go") / "pkg/mod")
    if on_host and modules.is_dir():
        env["GOMODCACHE"] = str(modules)
        needs += (str(modules),)
    return _Found("go test -json ./...", "go", env, needs, ("go.mod is there: go test runs the tests",))


def _cargo(tree: Path, on_host: bool, environ: Mapping[str, str]) -> _Found | None:
    if not _in(tree, "Cargo.toml"):
        return None
    env, needs = _tool("cargo", "lib/rustlib", on_host, environ)
    env["CARGO_NET_OFFLINE"] = "true"
    if on_host:
        # Never the whole of ~/.cargo: its credentials.toml opens the registry.
        cargo = Path(environ.get("CARGO_HOME") or Path.home() / ".cargo")
        rustup = Path(environ.get("RUSTUP_HOME") or Path.home() / ".rustup")
        shown = [
            folder for folder in (cargo / "bin", cargo / "registry", cargo / "git", rustup) if folder.is_dir()
        ]
        needs += tuple(str(folder) for folder in shown if not is_shown(folder))
        env |= {"CARGO_HOME": str(cargo)} if cargo.is_dir() else {}
        env |= {"RUSTUP_HOME": str(rustup)} if rustup.is_dir() else {}
    return _Found("cargo test", "cargo", env, needs, ("Cargo.toml is there: cargo test runs the tests",))


def _make(tree: Path) -> str:
    for name in ("GNUmakefile", "makefile", "Makefile"):
        file = tree / name
        if file.is_file() and re.search(r"^test\s*:(?!=)", file.read_text(errors="replace"), re.MULTILINE):
            return f"{name} has a target test"
    return ""


def _tool(
    name: str, mark: str, on_host: bool, environ: Mapping[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The PATH with a tool's folder first, and what of the host it needs; neither in an image, which has its own."""
    found = shutil.which(name, path=environ.get("PATH")) if on_host else None
    if not on_host:
        return {}, ()
    folder = str(Path(found).parent) if found else ""
    parts = dict.fromkeys(part for part in (folder, *_PATH.split(":")) if part)
    needs = tuple(need for need in tool_needs(found, mark) if not holds_a_home(Path(need))) if found else ()
    return {"PATH": ":".join(parts)}, needs


def root_of(tree: Path, said: Overrides, needs: tuple[str, ...] = ()) -> Root:
    """The root file system that the user asked for; else the host's, with these paths of it shown too."""
    if said.image is not None:
        return Image(said.image)
    if said.dockerfile is not None:
        # The frozen tree is the context: no secret of the checkout is sent to the engine.
        return Dockerfile(Path(said.dockerfile).absolute(), tree)
    if said.rootfs is not None:
        return RootFs(Path(said.rootfs).absolute())
    return HostRoot(tuple(dict.fromkeys(needs)))


def _in(tree: Path, name: str) -> bool:
    return (tree / name).is_file()

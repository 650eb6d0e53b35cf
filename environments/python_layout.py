"""Where a repository keeps its Python packages, and whether an interpreter finds those rather than others."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

_NOT_PACKAGES = frozenset(
    "test tests testing doc docs example examples sample samples script scripts tool tools bench benchmark benchmarks "
    "build dist ci demo demos env venv site-packages node_modules".split()
)
_NOT_MODULES = frozenset(
    "setup conftest noxfile tasks fabfile manage versioneer dodo toxfile wscript __init__ __main__ conf "
    "runtests".split()
)
_ROOTS = (
    "",
    "src",
    "lib",
)  # flat, the packaging guide's, and that of older projects (matplotlib, SQLAlchemy)


def import_names(tree: Path) -> dict[str, str]:
    """Top-level import names of the repository -> the folder they lie in, relative to `tree` ("" for the top).

    Packages; where there is none, the modules (a single-file project). Names of tests, docs and scripts are not
    among them, nor those of the standard library.
    """
    packages: dict[str, str] = {}
    modules: dict[str, str] = {}
    for root in _ROOTS:
        folder = tree / root
        if not folder.is_dir() or (root and (folder / "__init__.py").exists()):
            continue
        for entry in sorted(folder.iterdir()):
            name = entry.name.removesuffix(".py")
            if not name.isidentifier() or name in sys.stdlib_module_names or entry.is_symlink():
                continue
            if (entry / "__init__.py").is_file() and name not in _NOT_PACKAGES:
                packages.setdefault(name, root)
            elif entry.name.endswith(".py") and entry.is_file() and _is_module(name):
                modules.setdefault(name, root)
    return packages or modules


def installed_from(sites: Iterable[Path], at: str) -> bool:
    """Whether an editable installation in these site-packages folders leads to the repository at `at`."""
    place = re.compile(re.escape(at) + r"(?=[/'\"\s]|$)")
    return any(place.search(text) for site in sites for text in _editable_texts(site))


def compiled_copy(name: str, sites: Iterable[Path], source: Path) -> bool:
    """Whether a package is installed as a copy with compiled parts that its source folder lacks."""
    return any(_compiled(site / name) for site in sites) and not _compiled(source / name)


def has(sites: Iterable[Path], name: str) -> bool:
    """Whether one of these site-packages folders holds a package or module."""
    return any((site / name).is_dir() or (site / f"{name}.py").is_file() for site in sites)


def _is_module(name: str) -> bool:
    return name not in _NOT_MODULES and not name.startswith("test_") and not name.endswith("_test")


def _editable_texts(site: Path) -> Iterable[str]:
    for pattern in ("*.pth", "*.egg-link", "__editable__*.py", "_*editable*.py"):
        for file in sorted(site.glob(pattern)):
            try:
                yield file.read_text(errors="replace")
            except OSError:
                continue


def _compiled(package: Path) -> bool:
    return package.is_dir() and any(True for _ in package.rglob("*.so"))

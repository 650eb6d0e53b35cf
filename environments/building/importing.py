"""Whether a build's Python imports the repository, and the plain way to make it so."""

from __future__ import annotations

from pathlib import Path

from ..python_layout import import_names
from ..world_check import find_modules
from .bench import AT, Bench
from .failures import StepFailed

_PATH_FILE = "winnow-repository.pth"


async def put_on_path(bench: Bench, tree: Path) -> None:
    """Without an installation: the folders of the packages on Python's own path. Raises StepFailed."""
    roots = [f"{AT}/{root}" if root else AT for root in import_names(tree).values()] or [AT]
    site = await bench.run(
        "python -c 'from distutils.sysconfig import get_python_lib as f; print(f())' 2>/dev/null || "
        "python -c 'import sysconfig; print(sysconfig.get_paths()[\"purelib\"])'",
        step="asking Python for its path",
    )
    lines = "".join(f"{root}\n" for root in dict.fromkeys(roots))
    await bench.sandbox.write(f"{site.split()[-1]}/{_PATH_FILE}", lines.encode())


async def check_imports(bench: Bench, tree: Path) -> None:
    """Raises StepFailed where a package of the repository is found elsewhere than in it, or none is found."""
    found = await find_modules(bench.sandbox, AT, list(import_names(tree)))
    for name, where in found.items():
        if where is not None and not where.startswith(AT + "/"):
            raise StepFailed("importing it", f"error: `import {name}` finds {where} and not the repository")
    if found and all(where is None for where in found.values()):
        raise StepFailed("importing it", f"error: none of {', '.join(found)} can be imported")


async def imports_well(bench: Bench, tree: Path) -> bool:
    """The same as an answer."""
    try:
        await check_imports(bench, tree)
    except StepFailed:
        return False
    return True

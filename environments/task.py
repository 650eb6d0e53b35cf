"""What a task is: an issue, a frozen repository, and how it is built and tested. There is no gold in it (SAFETY 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from sandbox import HostRoot, Place, Root, World


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A repository frozen at its base: a folder that nobody changes any more.

    tree: the host's folder with the files and a sanitised .git (history up to the base commit and at most one
    synthetic commit with the prepared tree, which is then HEAD).
    at: the absolute path at which a sandbox shows it. base: the commit the user stood on ("" where there is none).
    head: the sanitised HEAD. digest: over the tree of unignored files (git's tree id of HEAD).
    checkout: the user's working tree that it was taken from, "" where there is none (a URL, a bare repository).
    """

    tree: Path
    at: str
    base: str
    head: str
    digest: str
    notes: tuple[str, ...] = ()
    checkout: str = ""

    def files(self) -> tuple[str, ...]:
        """Relative POSIX paths of HEAD's regular files, sorted (links and submodules left out)."""
        from .repository import tracked_files

        return tracked_files(self.tree)

    def read(self, path: str) -> str | None:
        """A tracked file's text with its line ends as they are, None where it is missing, a link or no UTF-8 text."""
        from .repository import read_text

        return read_text(self.tree, PurePosixPath(path))


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a repository's world is made and its tests are run; found by `detect` or said by the user.

    test_command: a shell line run at the repository's root, None where none is known. test_format: "pytest",
    "unittest", "listing" (a line "name ok" for each test below a heading for each file), "go", "cargo", "tap" or
    "exit" (the exit code is all there is): how to read what it prints.
    setup: a shell script run once, before the repository is frozen for use ("" for none); it reaches the package index
    and the hosts. build_network: "host" where it, or the build, had all of the host's network instead.
    languages: of the sources, most files first ("python", "javascript", ...). places: further folders shown as private
    copies (a virtual environment outside the repository). services: a shell script that starts what the tests need
    beside them (a database, an HTTP server) and ends once that answers; it is run before each test run, and does
    nothing where all is up. why: how each thing was found, a sentence each.
    """

    root: Root = field(default_factory=HostRoot)
    setup: str = ""
    test_command: str | None = None
    test_format: str = "exit"
    test_timeout: float = 1800.0
    env: Mapping[str, str] = field(default_factory=dict)
    places: tuple[Place, ...] = ()
    languages: tuple[str, ...] = ()
    network: str = "none"
    hosts: tuple[str, ...] = ()
    build_network: str = "index"
    services: str = ""
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """One issue to solve. id: the instance id, or a name made from the repository and the issue."""

    id: str
    issue: str
    snapshot: Snapshot
    recipe: Recipe

    def world(self) -> World:
        """What sandboxes of this task are made of: the recipe's root, the repository at its path, its places."""
        recipe = self.recipe
        return World(
            root=recipe.root,
            places=(Place(self.snapshot.tree, self.snapshot.at), *recipe.places),
            workdir=self.snapshot.at,
            env=recipe.env,
            network=recipe.network,  # type: ignore[arg-type]
        )

    def sources(self) -> Iterator[str]:
        """Paths of the source files of the recipe's languages, tests left out."""
        from .sources import source_files

        return source_files(self.snapshot, self.recipe.languages)

"""The command line. Each command is a small file in winnow/commands; nothing heavy is imported before one runs."""

from __future__ import annotations

import importlib
import keyword
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from models.secrets import KNOWN

from . import interrupt
from .shown_streams import install, say, say_error
from .streams import hide_on_streams

COMMANDS = (
    "solve",
    "run",
    "build",
    "status",
    "tail",
    "view",
    "demo",
    "resume",
    "runs",
    "show",
    "grade",
    "select",
    "report",
    "import",
    "export",
    "presets",
    "doctor",
    "images",
    "clean",
    "datasets",
)


class _Commands(TyperGroup):
    """The commands, with what they and their options' errors print fit to be shown."""

    def main(self, *words: Any, **more: Any) -> Any:
        install()
        return super().main(*words, **more)


app = typer.Typer(
    name="winnow",
    cls=_Commands,
    help="Turns one issue into many attempts, and many attempts into one patch.",
    epilog="Start with: winnow demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # importing rich for the help alone takes longer than everything else
    context_settings={
        "help_option_names": ["-h", "--help"],
        "color": True,  # off a terminal control sequences would be dropped; standard output shows them
    },
)


@app.callback(invoke_without_command=True)
def _common(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from . import __version__

        say(__version__)
        raise typer.Exit()


for name in COMMANDS:
    # `import` is a word of Python's, so its file has another name.
    module: Any = importlib.import_module(f".commands.{name}{'_' * keyword.iskeyword(name)}", __package__)
    app.command(name, epilog=module.EXAMPLE)(module.command)


def main() -> None:
    """The entry point: exit code 0 done, 1 nothing worth choosing, 2 a user's error, 3 the world failed, 130 Ctrl-C."""
    interrupt.listen()
    hide_on_streams()
    install()
    try:
        app()
    except Exception as error:
        from .failures import explain

        explained = explain(error)
        if explained is None:
            raise
        say_error(KNOWN.clean(explained[0]))
        sys.exit(explained[1])

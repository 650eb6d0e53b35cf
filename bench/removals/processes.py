"""The exec server and what it does for Winnow: files, output, the end of a command."""

from ..removal import removal

_FILES = "tests/sandbox/contract/test_files.py"

REMOVALS = (
    removal(
        "opening a file in a sandbox waits for no pipe",
        "tests/sandbox/contract/test_opening.py",
        ("sandbox.inside.files", "_FILE", "os.O_NONBLOCK | ", ""),
    ),
    removal(
        "only regular files are read in a sandbox",
        f"{_FILES}::test_what_is_no_regular_file_is_refused",
        ("sandbox.inside.files", "_regular", "if stat.S_ISREG(os.fstat(descriptor).st_mode):", "if True:"),
    ),
    removal(
        "nothing below proc is read or written",
        "tests/sandbox/contract/test_opening.py::test_nothing_of_the_servers_own_proc_is_read",
        ("sandbox.inside.files", "opened", "if os.fstat(at).st_dev == forbidden:", "if False:"),
    ),
    removal(
        "links are read as text in a sandbox",
        "tests/sandbox/contract/test_opening.py::test_nothing_of_the_servers_own_proc_is_read",
        ("sandbox.inside.files", "_FILE", "os.O_NOFOLLOW | ", ""),
    ),
    removal(
        "each command's output has a pipe of its own",
        "tests/sandbox/contract/test_commands.py::test_what_an_earlier_command_left_behind_prints_nowhere",
        (
            "sandbox.inside.server",
            "Server._listen",
            "if command is None or pipe != command.pipe:",
            "if command is None:",
        ),
    ),
    removal(
        "a killed command leaves no process",
        "tests/sandbox/contract/test_commands.py::test_a_timeout_kills_everything_and_keeps_what_was_printed",
        (
            "sandbox.inside.server",
            "Server._hear",
            "self.children.kill_all()",
            "os.kill(self.command.pid, SIGKILL)",
        ),
    ),
)

"""The exec server and what it does for Winnow: files, output, the end of a command."""

from ..removal import removal

_SERVER = "tests/sandbox/test_exec_server.py"
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
        "output is cut while it streams",
        f"{_SERVER}::test_head_and_tail_are_exactly_those_of_the_output",
        (
            "sandbox.inside.server",
            "Server._run",
            "Command(number, wire.integer(keep))",
            "Command(number, 1 << 40)",
        ),
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
        "tests/sandbox/contract/test_commands.py",
        ("sandbox.inside.processes", "Children.kill_all", "os.kill(-1, SIGKILL)", "raise ProcessLookupError"),
    ),
)

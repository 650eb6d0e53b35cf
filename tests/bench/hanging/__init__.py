"""Arms of the bench that hang when the first command is run in a sandbox. Each is a process like any other arm's."""

import signal
import subprocess
import time


def hang():
    """Never return, whatever signal comes but SIGKILL, with a process below that has a session of its own."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["sleep", "1000000"], start_new_session=True)
    while True:
        time.sleep(1000)

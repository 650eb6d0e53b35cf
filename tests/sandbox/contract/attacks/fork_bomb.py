"""As many processes as can be had, at most 300: each starts two more. argv: how many are allowed.

It is over when one more than allowed was had, or when each has tried.
"""

import os
import sys

tokens, give = os.pipe()
os.write(give, b"x" * 300)
os.set_blocking(tokens, False)
news, tell = os.pipe()
hold, let_go = os.pipe()


def bomb():
    """Two children at most for each process; nobody ends before the first one does."""
    for _ in range(2):
        try:
            os.read(tokens, 1)
            if not os.fork():
                return bomb()
            os.write(tell, b"+")
        except OSError:
            pass
    os.write(tell, b".")
    os.read(hold, 1)
    os._exit(0)


if not os.fork():
    os.close(let_go)
    bomb()
said = b""
while said.count(b"+") <= int(sys.argv[1]) and said.count(b".") <= said.count(b"+"):
    said += os.read(news, 1000)
had = said.count(b"+")
print("SUCCEEDED" if had > int(sys.argv[1]) else "FAILED", had)

"""Take and touch memory. argv: where ("heap", "many" processes or "shared" memory), megabytes."""

import os
import sys
import time

where, size = sys.argv[1], int(sys.argv[2])
MB = 1 << 20
if where == "heap":
    kept = [bytearray(os.urandom(1024) * 1024) for _ in range(size)]
elif where == "many":
    told, tell = os.pipe()
    hold, let_go = os.pipe()
    for _ in range(8):
        if not os.fork():
            os.close(let_go)
            kept = [bytearray(os.urandom(1024) * 1024) for _ in range(size // 8)]
            os.write(tell, b"x")
            os.read(hold, 1)  # all eight hold it at once
            os._exit(0)
    os.set_blocking(told, False)
    had = 0
    while had < 8:
        if os.waitpid(-1, os.WNOHANG)[0]:
            sys.exit("FAILED: one was killed")
        try:
            had += len(os.read(told, 8))
        except BlockingIOError:
            time.sleep(0.01)
    os.close(let_go)
    for _ in range(8):
        os.wait()
else:
    for number in range(0, size, 8):
        with open(f"/dev/shm/hog{number}", "wb") as file:
            for _ in range(8):
                file.write(os.urandom(1024) * 1024)
print("SUCCEEDED")

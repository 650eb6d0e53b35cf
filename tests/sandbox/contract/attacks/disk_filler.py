"""Write to the disk. argv: how ("one", "large", "small", "deep", "hidden", "deleted", "sleeper"), folder, megabytes.

"deleted" holds its files open for as many seconds as a fourth word says. "sleeper" begins when /tmp/go is there.
"""

import os
import sys
import time

how, folder, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.makedirs(folder, exist_ok=True)
os.chdir(folder)
MB = b"\xa5" * (1 << 20)
print("begun", flush=True)


def write(name, content, count=1):
    with open(name, "wb") as file:
        for _ in range(count):
            file.write(content)
    return name


if how == "one":
    write("file", MB, size)
elif how == "large":
    for number in range(0, size, 10):
        write(str(number), MB, 10)
elif how == "small":
    for number in range(size * 100):
        write(str(number), MB[: 10 << 10])
elif how == "deep":
    for _ in range(60):  # beyond what one path can say
        os.mkdir("n" * 200)
        os.chdir("n" * 200)
    for number in range(0, size, 10):
        write(str(number), MB, 10)
elif how == "hidden":
    os.mkdir("closed")
    inside = os.open("closed", os.O_RDONLY)
    os.chmod("closed", 0o300)
    for number in range(0, size, 10):
        write(f"closed/{number}", MB, 10)
elif how == "deleted":
    held = []
    try:
        for number in range(0, size, 10):
            held.append(open(str(number), "w+b", 0))
            os.unlink(str(number))
            for _ in range(10):
                held[-1].write(MB)
    except OSError:  # no more is to be had: that much is kept
        size = 0
    time.sleep(float(sys.argv[4]))
    if not size:
        sys.exit(1)
elif how == "sleeper":
    if os.fork():
        os._exit(0)
    os.setsid()
    while not os.path.exists("/tmp/go"):
        time.sleep(0.05)
    for number in range(0, size, 10):
        time.sleep(1)
        write(str(number), MB, 10)
print("SUCCEEDED")

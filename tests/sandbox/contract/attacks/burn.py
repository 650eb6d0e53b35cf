"""Use two processors for two seconds. Prints CPU seconds for each second that went by."""

import os
import time

began = time.monotonic()
children = []
for _ in range(2):
    child = os.fork()
    if not child:
        while time.monotonic() - began < 2:
            pass
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
used = os.times()
print((used.children_user + used.children_system) / (time.monotonic() - began))

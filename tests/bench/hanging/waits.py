"""Waits for ever in its first command, in good order: it can be cancelled."""

import asyncio


class Box:
    async def run(self, command):
        await asyncio.sleep(1_000_000)

    async def close(self):
        pass


class Arm:
    blocking = False
    idle = 0

    async def open(self, workload):
        pass

    async def start(self):
        return Box()

    async def settle(self):
        pass

    async def close(self):
        pass

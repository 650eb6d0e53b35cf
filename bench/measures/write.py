"""Writing a file into a running sandbox."""

from __future__ import annotations

import time

from ..arms.arm import Arm, Cannot
from ..workload import Workload
from .figure import Figure, Goal, Samples

FIGURES = {
    "10k": Figure("write 10 KB", "ms", 1e3),
    "1m": Figure("write 1 MB", "ms", 1e3),
}
GOALS = (
    Goal("10k", "overlay", 1.0),
    Goal("1m", "overlay", 5.0),
    Goal("10k", "docker", 1.0),
    Goal("1m", "docker", 5.0),
)
ROUNDS = 1000


async def sample(arm: Arm, workload: Workload) -> Samples:
    box = await arm.start()
    samples: dict[str, list[float] | str] = {}
    try:
        for name, size, times in (
            ("10k", 10_000, workload.size.writes),
            ("1m", 1_000_000, workload.size.writes // 2),
        ):
            content = b"0123456789" * (size // 10)
            taken = []
            try:
                for number in range(times):
                    begun = time.perf_counter()
                    await box.write(f"{name}-{number}", content)
                    taken.append(time.perf_counter() - begun)
                samples[name] = taken
                code, output = await box.run(f"wc -c <{name}-0")
                assert code == 0 and int(output) == size, (code, output)
            except Cannot as reason:
                samples[name] = str(reason)
    finally:
        await box.close()
    return samples

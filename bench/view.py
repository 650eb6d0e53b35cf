"""How quick the viewer is over a large store: python -m bench.view FILE (made by bench.view_store).

Of each page: the time to the first byte, once with a server that has just begun and then again, the CPU that the server
spends on it, its size, and, where there is a chromium, when it can be used. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx

from store import open_reader

TIMES = 7
WINNOW = str(Path(sys.executable).with_name("winnow"))
TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass
class Server:
    """`winnow view` as a process. started: seconds until it answered the first page."""

    process: subprocess.Popen
    at: str
    started: float
    cpu_started: float = 0.0

    @classmethod
    def start(cls, file: str) -> Server:
        began = time.perf_counter()
        process = subprocess.Popen(
            [WINNOW, "view", "--store", file, "--port", "0"], stdout=subprocess.PIPE, text=True
        )
        at = process.stdout.readline().strip().rstrip("/")
        httpx.get(f"{at}/static/view.css").raise_for_status()
        server = cls(process, at, time.perf_counter() - began)
        server.cpu_started = server.cpu()
        return server

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK

    def memory(self) -> float:
        """MB resident, at most so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    asked.add_argument("file")
    file = asked.parse_args().file
    with open_reader(file) as reader:
        run = reader.runs()[-1].run
        task = reader.task_names(run)[-1]
    issue = f"/runs/{run}/issues/{task}/"
    pages = {
        "runs": "/",
        "a run": f"/runs/{run}/",
        "a run, searched and sorted": f"/runs/{run}/?q=cache&sort=cost&dir=down",
        "a run's figures": f"/runs/{run}/figures/",
        "an issue": issue,
        "a test's output": f"{issue}outputs/attempt-1/test-2/",
        "a trajectory": f"{issue}trajectories/attempt-3/",
        "two runs compared": f"/compare/?a={run}&b={run}",
    }
    print(
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, store {Path(file).stat().st_size / 2**20:.0f} MB\n"
    )
    starts, cpus = [], []
    for _ in range(5):
        server = Server.start(file)
        starts.append(server.started)
        cpus.append(server.cpu_started)
        server.stop()
    print(f"started: {median(starts):.2f} s, {median(cpus):.2f} s of CPU (medians of 5)\n")
    first = {name: fresh(file, path) for name, path in pages.items()}
    server = Server.start(file)
    try:
        print(
            "| page | first time (ms) | its CPU (ms) | again (ms) | its CPU (ms) | size (KB) | usable (ms) |"
        )
        print("|---|---|---|---|---|---|---|")
        usable = in_browser(server.at, pages)
        for name, path in pages.items():
            again, cpu, size = repeated(server, path)
            taken, its = first[name]
            ready = f"{usable[name]:.0f}" if name in usable else ""
            print(f"| {name} | {taken:.0f} | {its:.0f} | {again:.0f} | {cpu:.0f} | {size:.0f} | {ready} |")
        print(f"\nmemory of the server after all of it: {server.memory():.0f} MB")
    finally:
        server.stop()


def fresh(file: str, path: str) -> tuple[float, float]:
    """ms to the first byte and ms of CPU, of a server that has only started and imported what pages need."""
    server = Server.start(file)
    before = -1.0
    while server.cpu() > before:
        before = server.cpu()
        time.sleep(0.5)
    with httpx.Client(base_url=server.at, timeout=60) as client:
        taken = first_byte(client, path)
    cpu = server.cpu() - before
    server.stop()
    return taken, cpu * 1000


def first_byte(client: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    with client.stream("GET", path) as answer:
        answer.raise_for_status()
        taken = (time.perf_counter() - began) * 1000
        answer.read()
    return taken


def repeated(server: Server, path: str) -> tuple[float, float, float]:
    """(ms to the first byte, ms of CPU, KB), the first two of TIMES requests."""
    with httpx.Client(base_url=server.at, timeout=60) as client:
        size = len(client.get(path).content) / 1024
        before = server.cpu()
        times = [first_byte(client, path) for _ in range(TIMES)]
        return median(times), (server.cpu() - before) / TIMES * 1000, size


def in_browser(at: str, pages: dict[str, str]) -> dict[str, float]:
    """ms until the page is loaded, scripts too, in a chromium that has seen the server before; {} without one."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return {}
    from playwright.sync_api import sync_playwright

    found = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{at}/")
        for name, path in pages.items():
            times = []
            for _ in range(3):
                page.goto(at + path, wait_until="load")
                times.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
            found[name] = median(times)
        browser.close()
    return found


if __name__ == "__main__":
    main()

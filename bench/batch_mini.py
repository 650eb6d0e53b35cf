"""mini-swe-agent's batch, by its own function for an instance, with its own files. Runs in the peers' environment.

python bench/batch_mini.py URL OUT TRAJECTORIES WORKERS local|docker IMAGE
"""

from __future__ import annotations

import concurrent.futures
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("MSWEA_SILENT_STARTUP", "1")
os.environ.setdefault("MSWEA_COST_TRACKING", "ignore_errors")
os.environ.setdefault("OPENAI_API_KEY", "none")
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

from minisweagent.run.benchmarks.swebench import process_instance
from minisweagent.run.benchmarks.utils.batch_progress import RunBatchProgressManager


def main(url: str, out: str, trajectories: str, workers: str, kind: str, image: str) -> None:
    place = tempfile.mkdtemp()
    Path(place, "names.py").write_text("WRONG = 1\n")
    environment = {"environment_class": kind, "timeout": 60}
    if kind == "local":
        environment["cwd"] = place
    else:
        environment |= {"cwd": "/", "run_args": ["--rm", "--network=none", "--label=winnow-bench=batch"]}
        environment["interpreter"] = ["bash", "-c"]
    config = {
        "model": {
            "model_class": "litellm_textbased",
            "model_name": "openai/m",
            "model_kwargs": {"api_base": url},
            "cost_tracking": "ignore_errors",
        },
        "environment": environment,
        "agent": {"system_template": "You fix bugs.", "instance_template": "{{task}}", "cost_limit": 0.0},
    }
    folder = Path(out)
    folder.mkdir(parents=True)
    progress = RunBatchProgressManager(int(trajectories))
    issue = "names.py says WRONG = 1. " * 40
    instances = [
        {"instance_id": f"toy__toy-{number}", "problem_statement": issue, "image_name": image}
        for number in range(int(trajectories))
    ]
    with concurrent.futures.ThreadPoolExecutor(max_workers=int(workers)) as pool:
        for done in [pool.submit(process_instance, one, folder, config, progress) for one in instances]:
            done.result()


if __name__ == "__main__":
    main(*sys.argv[1:])

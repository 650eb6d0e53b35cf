"""The process that serves a gguf file: llama.cpp's own OpenAI-compatible server (xllamacpp), on loopback, with a key.

Run as a program by models/local_process.py, never imported: native code that crashes, hangs or leaks takes this process
alone. Its one argument is JSON; the key comes by the environment, which other users cannot read. It says on its output,
once, where it listens, and ends when its input does: however Winnow ends, its end of that pipe is closed.
"""

from __future__ import annotations

import json
import os
import sys
import threading


def main() -> None:
    asked = json.loads(sys.argv[1])
    # Native code prints on 1 too: what is said there must be ours alone.
    said = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    threading.Thread(target=_end_with_owner, daemon=True).start()
    try:
        import xllamacpp
    except ImportError as error:  # installed, but a library of the system that it is linked with is not
        reason = f"xllamacpp cannot be loaded ({error}); on Debian, apt-get install libgomp1 libstdc++6"
        print(json.dumps({"error": reason}), file=said, flush=True)
        os._exit(1)

    params = xllamacpp.CommonParams()
    params.model.path = asked["path"]
    params.n_ctx = asked["window"] * asked["slots"]
    params.n_parallel = asked["slots"]
    params.kv_unified = False
    params.fit_params = False
    params.ctx_shift = False
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [os.environ.pop("WINNOW_LOCAL_KEY")]
    params.cache_ram_mib = asked["cache_mib"]
    params.endpoint_slots = False
    params.ui = False
    params.verbosity = 2
    if asked["threads"]:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = asked["threads"]
    try:
        server = xllamacpp.Server(params)
    except Exception as error:
        print(json.dumps({"error": str(error)}), file=said, flush=True)
        os._exit(1)
    print(json.dumps({"address": server.listening_address}), file=said, flush=True)
    said.close()
    threading.Event().wait()


def _end_with_owner() -> None:
    """At the end of the input this process ends at once: there is nothing in it that must be kept."""
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()

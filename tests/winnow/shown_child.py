"""Runs several commands in one process, each as if from the command line."""

import json
import sys
import traceback

from winnow import cli


def main() -> None:
    for number, words in enumerate(json.loads(open(sys.argv[1]).read())):
        for stream in (sys.stdout, sys.stderr):
            print(f"=== {number}", file=stream, flush=True)
        sys.argv[1:] = words
        try:
            cli.main()
        except SystemExit:
            pass
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()


main()

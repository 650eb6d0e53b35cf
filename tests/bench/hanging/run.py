"""`python -m hanging.run ANSWER BUDGET OPTION...`: the bench with the arms that hang beside its own.

ANSWER, BUDGET: a quick run's limits in seconds, the budget without the end of the run.
"""

import sys

from bench.__main__ import main
from bench.arms import ARMS, About
from bench.limits import ENDING, Limits

HANGING = (
    About("waits", "an arm that waits", "hanging.waits"),
    About("hanging-overlay", "a hanging overlay", "hanging.overlay"),
    About("hanging-docker", "hanging docker", "hanging.docker", engine=True),
)

if __name__ == "__main__":
    answer, budget = map(float, sys.argv[1:3])
    limits = Limits(budget=budget + ENDING, images=600.0, answer=answer)
    sys.exit(main(["--quick", *sys.argv[3:]], (*HANGING, *ARMS), limits))

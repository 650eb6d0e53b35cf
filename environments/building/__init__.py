"""The general builder: from a row of a dataset to a task whose world is made, without a list of known projects.

It finds the repository, the interpreter, the dependencies as of a date and the test command, tries general ways until
the tests run, and writes a recipe that a person may edit. It imports sandbox and the files of environments around it.
"""

from __future__ import annotations

from .builder import Builder
from .failures import BuildFailed
from .hosts import is_host
from .network import BuildNetwork, IndexNetwork, reach_told, setup_network
from .plan import WrongRecipe
from .using import Unused, places_of, prune

__all__ = [
    "BuildFailed",
    "BuildNetwork",
    "Builder",
    "IndexNetwork",
    "Unused",
    "WrongRecipe",
    "is_host",
    "places_of",
    "prune",
    "reach_told",
    "setup_network",
]

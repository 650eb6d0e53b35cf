"""datasets: rows of files, folders and Hugging Face datasets, each split at once into an issue and its reference.

`read_dataset` is the whole of it: it takes a name and a `Pick` and hands back a `Dataset`. docs/datasets.md tells what
names there are. Attempts and selection must not import this (SAFETY 3): a contract in pyproject.toml keeps it so.
"""

from __future__ import annotations

from .aliases import dataset_schemas
from .dataset import BadRow, Dataset, DatasetError, digest_of
from .files import rows_of
from .names import folder_name
from .pick import Pick
from .read import read_dataset
from .row import Row, WrongRow

__all__ = [
    "BadRow",
    "Dataset",
    "DatasetError",
    "Pick",
    "Row",
    "WrongRow",
    "dataset_schemas",
    "digest_of",
    "folder_name",
    "read_dataset",
    "rows_of",
]

"""Rows of a parquet file, through pyarrow: the optional extra `datasets`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .dataset import BadRow, DatasetError
from .row import Row

_AT_ONCE = 64  # rows in memory: one may have tens of thousands of test names


def parquet_rows(path: Path, shown: str) -> Iterator[Row | BadRow]:
    """The rows in order, counted from 1. Raises DatasetError without pyarrow."""
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise DatasetError(
            f"{shown} is a parquet file: install Winnow with its extra `datasets` to read those "
            "(pip install 'winnow[datasets]')"
        ) from None
    number = 0
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_AT_ONCE):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(f"{shown}, row {number}", values)
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0][:200]
        if number == 0:
            yield BadRow(shown, f"the file cannot be read as parquet ({why})")
        else:
            yield BadRow(f"{shown}, row {number + 1}", f"the file is damaged ({why}), what follows is lost")

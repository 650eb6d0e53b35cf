"""A folder laid out as a Hugging Face dataset: a README whose front matter names configurations and their files.

Source of the layout: "Data files Configuration" and "Structure your repository" in the documentation of Hugging Face's
Hub (configs, config_name, data_files as a path, a list of paths, or a list of {split, path}; patterns with * and **;
without them the split stands in the name of the file or of its folder).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .dataset import DatasetError
from .files import is_data

_SPLITS = ("train", "test", "validation", "dev", "valid", "val", "eval", "evaluation", "testing", "training")
_NAMED = re.compile(r"(?:^|[-._ /])(" + "|".join(_SPLITS) + r")(?=[-._ /]|$)")
_SHARDED = re.compile(r"([\w.-]+?)-\d{5}-of-\d{5}")

Patterns = Mapping[str, tuple[str, ...]]
"""Patterns of files by split."""


def files_of_split(
    folder: Path, split: str, config: str = "", shown: str = ""
) -> tuple[str, tuple[Path, ...]]:
    """(the split taken, its files in order). split: "" for the only one, or else the one named test.

    Raises DatasetError where there is no such split or configuration.
    """
    shown = shown or str(folder)
    patterns = declared(folder, config, shown)
    splits = _found(folder, patterns) if patterns else _by_name(folder)
    if not splits:
        raise DatasetError(
            f"{shown} has no files of rows: {', '.join(patterns or ('JSON, JSON lines, parquet',))}"
        )
    taken = chosen_split([name for name, files in splits.items() if files], split, shown)
    return taken, splits[taken]


def chosen_split(known: Sequence[str], split: str, shown: str) -> str:
    """The split asked for, or else the only one, or else test. Raises DatasetError where it is not known."""
    taken = split or (known[0] if len(known) == 1 else "test")
    if taken not in known:
        have = ", ".join(known) or "none"
        raise DatasetError(f"{shown} has no split {taken!r}, but {have}: write the split after a colon")
    return taken


def declared(folder: Path, config: str, shown: str) -> Patterns:
    """What the README's front matter says of the files, {} where it says nothing."""
    configs = _front_matter(folder / "README.md", shown).get("configs")
    if not isinstance(configs, list):
        configs = []
    known = {str(each.get("config_name", "default")): each for each in configs if isinstance(each, dict)}
    if config and config not in known:
        have = ", ".join(known) or "none"
        raise DatasetError(f"{shown} has no configuration {config!r}, but {have}")
    if not known:
        return {}
    default = next((each for each in known.values() if each.get("default") is True), None)
    chosen = known.get(config) or default or known.get("default") or next(iter(known.values()))
    return _patterns(chosen.get("data_files"), shown)


def _patterns(said: Any, shown: str) -> Patterns:
    if said is None:
        return {}
    if isinstance(said, str) or (isinstance(said, list) and all(isinstance(each, str) for each in said)):
        said = [{"split": "train", "path": said}]
    elif isinstance(said, dict):
        said = [{"split": split, "path": path} for split, path in said.items()]
    found: dict[str, tuple[str, ...]] = {}
    for each in said if isinstance(said, list) else [None]:
        path = each.get("path") if isinstance(each, dict) else None
        paths = [path] if isinstance(path, str) else path
        if not isinstance(paths, list) or not all(_inside(one) for one in paths):
            raise DatasetError(
                f"{shown}: its README says {each!r} of its files, which names none inside of it"
            )
        found[str(each.get("split", "train"))] = tuple(paths)
    return found


def _inside(path: Any) -> bool:
    return isinstance(path, str) and bool(path) and not path.startswith("/") and ".." not in path.split("/")


def _found(folder: Path, patterns: Patterns) -> dict[str, tuple[Path, ...]]:
    return {
        split: tuple(
            dict.fromkeys(path for each in paths for path in sorted(folder.glob(each)) if is_data(path))
        )
        for split, paths in patterns.items()
    }


def _by_name(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Splits as the names of files and folders say them, all in "train" where they say nothing."""
    splits: dict[str, list[Path]] = {}
    for path in sorted(path for path in folder.rglob("*") if is_data(path) and path.is_file()):
        inside = path.relative_to(folder)
        if not any(part.startswith(".") for part in inside.parts):
            splits.setdefault(_split_in(inside), []).append(path)
    if set(splits) == {""}:
        return {"train": tuple(splits[""])}
    return {split: tuple(files) for split, files in splits.items() if split}


def _split_in(path: Path) -> str:
    if match := _SHARDED.match(path.name):
        return match[1]
    named = _NAMED.findall(path.as_posix().lower())
    return named[-1] if named else ""


def _front_matter(readme: Path, shown: str) -> dict[str, Any]:
    try:
        with readme.open("rb") as file:
            if file.readline(10).strip() != b"---":
                return {}
    except OSError:
        return {}
    try:
        from huggingface_hub import metadata_load
    except ImportError:
        raise DatasetError(
            f"{shown} is laid out as a Hugging Face dataset: install Winnow with its extra `datasets` to read it "
            "(pip install 'winnow[datasets]')"
        ) from None
    try:
        return metadata_load(readme) or {}
    except Exception as error:  # whatever a YAML parser raises: its mistakes are the README's
        why = str(error).splitlines()[0]
        raise DatasetError(f"{shown}: the front matter of its README cannot be read: {why}") from None

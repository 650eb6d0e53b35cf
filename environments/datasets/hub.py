"""A dataset from the Hugging Face hub, through huggingface_hub: the optional extra `datasets`.

Its own settings hold: HF_HOME and HF_HUB_CACHE (where copies are kept), HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .dataset import DatasetError
from .files import ENDINGS
from .folder import chosen_split, declared

_ID = re.compile(r"([\w][\w.-]*/[\w][\w.-]*)(?:@([\w][\w./-]*))?(?::([\w.-]+)(?:/([\w.-]+))?)?", re.ASCII)

ANY = tuple(f"*{ending}" for ending in ENDINGS)


@dataclass(frozen=True, slots=True)
class HubName:
    """ "owner/name[@revision][:split]", or with a configuration "owner/name[@revision][:configuration/split]"."""

    id: str
    revision: str = ""
    split: str = ""
    config: str = ""


def hub_name(name: str) -> HubName | None:
    """The name's parts, None where it is no id of a dataset on the hub."""
    match = _ID.fullmatch(name)
    if match is None:
        return None
    repository, revision, first, second = match.groups()
    config, split = (first, second) if second else ("", first)
    return HubName(repository, revision or "", split or "", config or "")


def fetched(name: HubName, cache: Path | None = None) -> Path:
    """The folder with a copy of the dataset's files, fetched now where it is not kept already; its name is the commit.

    cache: where copies are kept, None for huggingface_hub's own folder. Raises DatasetError.
    """
    folder = _snapshot(name, ["README.md"], cache)
    patterns = declared(folder, name.config, name.id)
    # Without a declaration the split is in the names of the files, so all of them must be there to be looked at.
    paths = patterns[chosen_split(list(patterns), name.split, name.id)] if patterns else ANY
    return _snapshot(name, ["README.md", *paths], cache)


def _snapshot(name: HubName, patterns: list[str], cache: Path | None) -> Path:
    try:
        from huggingface_hub import errors, snapshot_download
        from huggingface_hub.utils import disable_progress_bars
    except ImportError:
        raise DatasetError(
            f"{name.id} is on the Hugging Face hub: install Winnow with its extra `datasets` to fetch it "
            "(pip install 'winnow[datasets]'), or name a file"
        ) from None
    disable_progress_bars()
    try:
        return Path(
            snapshot_download(
                name.id,
                repo_type="dataset",
                revision=name.revision or None,
                allow_patterns=patterns,
                cache_dir=cache,
            )
        )
    except errors.RevisionNotFoundError:
        why = f"it has no revision {name.revision or 'main'}"
    except errors.RepositoryNotFoundError:
        why = "there is none of that name, or it wants a login: set HF_TOKEN for private and gated ones"
    except errors.LocalEntryNotFoundError:
        why = "the hub cannot be reached and no copy of it is kept here: check the network, or name a file"
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError, ValueError) as error:
        why = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    raise DatasetError(f"the dataset {name.id} cannot be fetched from the Hugging Face hub: {why}")

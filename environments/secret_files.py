"""Which files of a checkout are taken for a person's secrets and are left out of its frozen copy (SAFETY 6).

Only files that git does not track are looked at: what is committed is part of the repository.
"""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase

FILES = (
    ".env",
    ".env.*",
    ".envrc",
    "*.env",
    ".netrc",
    "_netrc",
    ".pypirc",
    ".npmrc",
    ".yarnrc.yml",
    ".pgpass",
    ".my.cnf",
    ".htpasswd",
    ".git-credentials",
    ".dockercfg",
    ".vault-token",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.ppk",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.tfvars",
    "*.tfstate",
    "*.tfstate.*",
    "credentials",
    "credentials.*",
    "secrets.*",
    "service-account*.json",
    "service_account*.json",
    "client_secret*.json",
)
KEYS_BY_CONTENT = ("*.pem", "*.crt", "*.cer")
FOLDERS = (".aws", ".ssh", ".gnupg", ".azure", ".kube", ".gcloud", ".docker")

# Templates without values, and source code that merely has such a name.
_HARMLESS = re.compile(
    r"(\.(example|sample|template|tmpl|dist|defaults?)$)|(^(credentials|secrets)\.(py|pyc|pyi|js|ts|go|rs|rb|java|md|rst)$)"
)
# Installed packages ship certificates and test keys of their own; without them they break.
_INSTALLED = frozenset({b"site-packages", b"dist-packages", b"node_modules"})


def is_secret(path: bytes, folder: bytes) -> bool:
    """Whether an untracked regular file is taken for a secret. path: relative to `folder`, the repository's top."""
    *parents, last = path.split(b"/")
    if _INSTALLED.intersection(parents):
        return False
    if any(os.fsdecode(parent) in FOLDERS for parent in parents):
        return True
    name = os.fsdecode(last).lower()
    if _HARMLESS.search(name):
        return False
    if any(fnmatchcase(name, pattern) for pattern in FILES):
        return True
    return any(fnmatchcase(name, pattern) for pattern in KEYS_BY_CONTENT) and _holds_a_key(
        os.path.join(folder, path)
    )


def _holds_a_key(path: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return b"PRIVATE KEY" in file.read(1 << 18)
    except OSError:
        return True

"""What counts as a credential: names of variables and parameters, forms of keys, and what is too ordinary to be one."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote_plus

HIDDEN = "***"
"""Stands where a credential was."""

SHORTEST = 8
"""Characters: shorter values are words that would be found everywhere."""
_SHORTEST_MIXED = 6
"""Characters of a value in which digits stand between letters, as in no word with a number ("python3", "test-1")."""
_WORD_WITH_NUMBER = re.compile(r"[A-Za-z]+[-_.]?\d*|\d+[-_.]?[A-Za-z]*")
_LONGEST_WORD = 11
"""Letters that an ordinary word may have: a value of nothing but letters counts only above this."""
_LONGEST_NUMBER = 11
"""Digits that an ordinary number may have (a date, a port, a count)."""

_TELLING = re.compile(
    r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|AUTHORI[SZ]ATION|COOKIE|_(?:PASS|PWD|AUTH|PAT|SAS|SIG|DSN)$",
    re.IGNORECASE,
)
_GIVEN = re.compile(r"(?:API_?KEY|ACCESS_KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)
"""Names of variables that hold nothing else."""

# What people write where a server wants some key, and passwords that are words of the trade.
_PLACEHOLDERS = frozenset(
    "none null empty test testing dummy fake example placeholder changeme default password passphrase secret token "
    "apikey api-key api_key your-api-key your_api_key not-needed not_needed notneeded no-key no-key-required "
    "sk-no-key-required unspecified undefined anything whatever ollama lm-studio lmstudio llamacpp localhost "
    "postgres postgresql username anonymous developer development production administrator x-access-token "
    "x-oauth-basic 12345678 123456789 1234567890 00000000 xxxxxxxx oauth2 basic bearer".split()
)

_PARAMETER = re.compile(
    r"key(?!word|board|name|space)|token(?!iz)|secret|passw|passphrase|pwd|signature|credential|"
    r"auth(?!or(?!i))|cookie|session|jwt|bearer"
)
_WHOLE_PARAMETERS = frozenset("sig sas code pass pat pw sid otp pin hmac".split())

FORMS = tuple(
    (mark, re.compile(form, re.DOTALL))
    for mark, form in (
        ("sk-", r"\bsk-[A-Za-z0-9_-]{20,}"),  # OpenAI, Anthropic, OpenRouter and others
        ("gsk_", r"\bgsk_[A-Za-z0-9]{24,}"),  # Groq
        ("xai-", r"\bxai-[A-Za-z0-9]{24,}"),
        ("hf_", r"\bhf_[A-Za-z0-9]{24,}"),  # Hugging Face
        ("pplx-", r"\bpplx-[A-Za-z0-9]{24,}"),  # Perplexity
        ("gh", r"\bgh[pousr]_[A-Za-z0-9]{36,}"),
        ("github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{40,}"),
        ("glpat-", r"\bglpat-[A-Za-z0-9_-]{20,}"),
        ("AKIA", r"\bAKIA[A-Z0-9]{16}\b"),
        ("ASIA", r"\bASIA[A-Z0-9]{16}\b"),
        ("AIza", r"\bAIza[A-Za-z0-9_-]{35}"),
        ("xox", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
        ("pypi-", r"\bpypi-[A-Za-z0-9_-]{50,}"),
        ("npm_", r"\bnpm_[A-Za-z0-9]{36}"),
        (
            "PRIVATE KEY",
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.{0,20000}?-----END [A-Z ]{0,30}PRIVATE KEY-----",
        ),
        ("Bearer ", r"(?<=Bearer )[A-Za-z0-9._~+/-]{20,}=*"),
    )
)
"""Marks that make a text worth searching, which most have none of, and forms of keys as their issuers publish them."""


def is_credential(value: str) -> bool:
    """Whether a value given as a key or password can be told from ordinary text.

    "test", "EMPTY" and a short or plain word are none: local servers want any key at all, and to take such words out
    of every reply would spoil it. They are still hidden where they stand in a URL.
    """
    if value.lower() in _PLACEHOLDERS or set(value) <= {value[:1]}:
        return False
    if len(value) < SHORTEST:
        has_both = re.search(r"\d", value) and re.search(r"[A-Za-z]", value)
        return len(value) >= _SHORTEST_MIXED and bool(has_both) and not _WORD_WITH_NUMBER.fullmatch(value)
    if value.isalpha() and value in (value.lower(), value.upper(), value.title()):
        return len(value) > _LONGEST_WORD
    return not re.sub(r"[^\w]", "", value).isdigit() or len(value) > _LONGEST_NUMBER


def is_secret_variable(name: str, value: str) -> bool:
    """Whether a variable of the environment holds one: no word, path or switch that merely has a telling name."""
    if not _TELLING.search(name) or "://" in value or not is_credential(value):
        return False
    if _GIVEN.search(name):
        return not os.path.exists(value)
    if len(value) < SHORTEST:
        return False
    if value.startswith(("/", "~", "./")):
        return False
    return any(character.isdigit() for character in value) or len(value) >= 2 * SHORTEST


def is_secret_parameter(name: str) -> bool:
    """Whether a URL's parameter of this name (key, sig, X-Amz-Credential ...) holds one."""
    plain = re.sub(r"[^a-z0-9]", "", unquote_plus(name).lower())
    return plain in _WHOLE_PARAMETERS or bool(_PARAMETER.search(plain))


def forms_in(text: str) -> list[re.Pattern[str]]:
    """The forms of keys that this text may have."""
    return [form for mark, form in FORMS if mark in text]

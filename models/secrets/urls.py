"""Credentials that stand in URLs: user info, and parameters such as ?key= and #access_token=."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

from .words import HIDDEN, is_secret_parameter

# The user info goes to the last @ before the path: passwords with an @ are pasted as they are.
_USER_INFO = re.compile(r"(?<=://)[^\s/?#\"'<>\\]{1,2000}@")
# A password with a slash or a question mark, which no client takes, but which its complaint would show.
_BROKEN_USER_INFO = re.compile(r"(?<=://)[^\s/?#@:\"'<>\\]{0,500}:(?!\d{1,5}[/?#])[^\s@\"'<>\\]{1,2000}@")
_AFTER_HOST = re.compile(r"(?<=://)([^\s\"'<>\\?#]{0,4000})([?#][^\s\"'<>\\]{1,20000})")
_PARAMETER = re.compile(r"(?<=[?&;#])([^=&;#?]{1,200})=([^&;#]+)")
_PUBLIC_USERS = ("git@", f"{HIDDEN}@")
"""User info that is no secret: everybody's name at git hosts, and what was hidden already."""

Found = Callable[[str], None]


def strip_urls(text: str, found: Found = lambda credential: None, hidden: str = HIDDEN) -> str:
    """`text` with *** in place of the credentials of its URLs. found: told of each, as it stands there. hidden: other
    words for ***.

    The whole user info is taken, since a token often stands in place of the user's name.
    """
    if "://" not in text:
        return text

    def user_info(match: re.Match[str]) -> str:
        if match[0] in _PUBLIC_USERS:
            return match[0]
        found(match[0][:-1])
        return f"{hidden}@"

    def after_host(match: re.Match[str]) -> str:
        return match[1] + _PARAMETER.sub(parameter, match[2])

    def parameter(match: re.Match[str]) -> str:
        name, value = match.groups()
        if value == HIDDEN:
            return match[0]
        inner = unquote(value)
        if is_secret_parameter(name) or ("://" in inner and strip_urls(inner, found) != inner):
            found(value)
            return f"{name}={hidden}"
        return match[0]

    return _AFTER_HOST.sub(after_host, _BROKEN_USER_INFO.sub(user_info, _USER_INFO.sub(user_info, text)))


def strip_address(address: str, found: Found = lambda credential: None) -> str:
    """`strip_urls` for what is meant as an address, which may lack its scheme ("user:pass@host:8000")."""
    if "://" in address:
        return strip_urls(address, found)
    marked = strip_urls(f"x://{address}", found)
    return marked.removeprefix("x://")

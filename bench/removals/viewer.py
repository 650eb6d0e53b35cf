"""Whom the viewer answers, and what a page of it can do."""

from ..removal import removal

_VIEW = "tests/winnow/test_view.py"
_BROWSER = "tests/winnow/test_view_scripts.py"

REMOVALS = (
    removal(
        "viewer: only its own hosts",
        _VIEW,
        (
            "winnow.view.guard",
            "_refused",
            "if _host(f\"//{headers.get('host', '')}\") not in known:",
            "if False:",
        ),
    ),
    removal(
        "viewer: only its own pages",
        _VIEW,
        (
            "winnow.view.guard",
            "_refused",
            "if origin is not None and (",
            "if False and (",
        ),
    ),
    removal(
        "viewer: no request from elsewhere",
        _VIEW,
        (
            "winnow.view.guard",
            "_refused",
            'if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":',
            "if False:",
        ),
    ),
    removal(
        "viewer: nothing can be changed",
        f"{_VIEW}::test_no_request_to_change_something_gets_behind_the_guard",
        ("winnow.view.guard", "_refused", 'if method not in ("GET", "HEAD"):', "if False:"),
    ),
    removal(
        "viewer: no script but its own files",
        _BROWSER,
        ("winnow.view.guard", "HEADERS", "script-src 'self'; ", "script-src 'self' 'unsafe-inline'; "),
    ),
    removal(
        "viewer: everything is escaped",
        _VIEW,
        ("winnow.view.rendering", "renderer", "autoescape=True", "autoescape=False"),
    ),
    removal(
        "viewer: secrets are taken out",
        _VIEW,
        ("winnow.view.rendering", "renderer", "        finalize=scrubbed,\n", ""),
    ),
    removal(
        "printed text: control sequences are made visible",
        "tests/winnow/test_shown_streams.py",
        ("winnow.shown_streams", "ShownStream.write", "visible(text)", "text"),
    ),
    removal(
        "replies: secrets that a server gives back are taken out",
        "tests/models/test_secrets.py",
        (
            "models.secrets.replies",
            "redacted_reply",
            "return reply if cleaned == reply else cleaned",
            "return reply",
        ),
    ),
)

"""Where images of datasets have a checkout: what their builders are seen to use, and then the usual names."""

PLACES = ("/testbed", "/workspace", "/repo", "/app", "/src", "/code", "/home")

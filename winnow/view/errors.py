"""What keeps pages from being shown."""


class CannotView(Exception):
    """The pages cannot be served or written; the message is one sentence that says what to do."""

"""The application that joins the rooms: configuration, the pipeline over one issue, commands, progress, the demo.

It may import every room and nothing imports it. It hands on the command line `winnow`.
"""

__version__ = "0.1.0"

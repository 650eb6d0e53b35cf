"""The viewer: what is in a store as web pages, live on loopback or as static files.

A page is a plain function from a `Reader` to a frozen description of what is shown (`*_page.py`), and a template of the
same name that shows it. Nothing here writes to a store. `app.py` serves the pages, `export.py` writes them to a folder;
both use the same functions and templates, and differ in `links.py` alone.
"""

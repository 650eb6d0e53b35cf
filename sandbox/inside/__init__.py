"""What runs outside Winnow's own process: the launcher of overlay sandboxes and the exec server. Stdlib only."""

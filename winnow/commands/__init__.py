"""The commands, a file each: `command` is the function, `EXAMPLE` the line at the end of its help."""

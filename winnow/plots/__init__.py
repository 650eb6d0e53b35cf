"""The figures of the papers, made from one's own runs: what `winnow report --figures`, `--md` and `--html` write.

`data` says what each figure shows, as tables; `draw` draws them (matplotlib, extra "plots"); `files` and `document`
write them. Nothing of matplotlib is imported before something is drawn.
"""

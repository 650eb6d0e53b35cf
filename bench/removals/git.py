"""git on the host, source repositories, and the history that a sandbox may see."""

from ..removal import removal

_SAFE = "tests/environments/test_safe_git.py"
_HOSTILE = "tests/environments/test_hostile_sources.py"
_HISTORY = "tests/environments/test_history.py"
_FREEZE = "tests/environments/test_freeze.py"
_SETTINGS = ("environments.safe_git", "_SETTINGS")
_ENVIRONMENT = ("environments.safe_git", "_ENVIRONMENT")
_SOURCE = "environments.source_repository"

REMOVALS = (
    removal(
        "git: no protocol",
        _SAFE,
        (*_ENVIRONMENT, '    "GIT_ALLOW_PROTOCOL": "",\n', ""),
    ),
    removal("git: hooks", _SAFE, (*_SETTINGS, '    "core.hooksPath=/dev/null",\n', "")),
    removal("git: file-system monitor", _SAFE, (*_SETTINGS, '    "core.fsmonitor=false",\n', "")),
    removal(
        "git: the user's attributes",
        _SAFE,
        (*_SETTINGS, '    "core.attributesFile=/dev/null",\n', ""),
        (*_ENVIRONMENT, '    "HOME": "/nonexistent",\n', ""),
        ("environments.safe_git", "git", '("PATH", "TMPDIR")', '("PATH", "TMPDIR", "HOME")'),
    ),
    removal(
        "git: programs that verify signatures", _SAFE, (*_SETTINGS, '    "log.showSignature=false",\n', "")
    ),
    removal(
        "git: the user's settings",
        _SAFE,
        (*_ENVIRONMENT, '    "GIT_CONFIG_GLOBAL": "/dev/null",\n', ""),
        (*_ENVIRONMENT, '    "HOME": "/nonexistent",\n', ""),
        (
            "environments.safe_git",
            "git",
            '("PATH", "TMPDIR")',
            '("PATH", "TMPDIR", "HOME", "XDG_CONFIG_HOME")',
        ),
    ),
    removal(
        "git: the machine's settings",
        _SAFE,
        (*_ENVIRONMENT, '    "GIT_CONFIG_NOSYSTEM": "1",\n    "GIT_CONFIG_SYSTEM": "/dev/null",\n', ""),
    ),
    removal(
        "git: the caller's variables",
        f"{_SAFE} {_FREEZE}::test_a_hooks_environment_leads_nowhere_else",
        (
            "environments.safe_git",
            "git",
            'for name in ("PATH", "TMPDIR") if name in os.environ',
            "for name in os.environ",
        ),
    ),
    removal("git: replace refs", _SAFE, (*_ENVIRONMENT, '    "GIT_NO_REPLACE_OBJECTS": "1",\n', "")),
    removal(
        "git: lazy fetch",
        f"{_SAFE}::test_no_missing_object_is_fetched",
        (*_ENVIRONMENT, '    "GIT_NO_LAZY_FETCH": "1",\n', ""),
        (*_ENVIRONMENT, '    "GIT_ALLOW_PROTOCOL": "",\n', ""),
    ),
    removal("git: no lock is taken", _SAFE, (*_ENVIRONMENT, '    "GIT_OPTIONAL_LOCKS": "0",\n', "")),
    removal(
        "git: programs by absolute paths",
        f"{_HOSTILE}::test_no_program_of_a_sources_folder_runs",
        ("environments.safe_git", "_program", "if os.path.isabs(folder)", "if True"),
    ),
    removal(
        "clone: no program as a protocol",
        _SAFE,
        (
            "environments.repository",
            "clone",
            '        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",\n',
            "",
        ),
    ),
    removal(
        "frozen copy: no filter, no line ends",
        f"{_SAFE} {_FREEZE}::test_line_ends_stay_whatever_the_attributes_say",
        ("environments.history", "new_repository", "* -text -filter -ident -working-tree-encoding\\n", ""),
    ),
    removal("frozen copy: filters", _SAFE, ("environments.history", "new_repository", "-filter ", "")),
    removal(
        "frozen copy: shallow names no later commit",
        _HISTORY,
        ("environments.history", "take_history", "    _prune_shallow(repository)\n", ""),
        ("environments.history", "verify_sealed", "    _verify_shallow(repository, reached)\n", ""),
    ),
    removal(
        "seal: shallow is looked at",
        _HISTORY,
        ("environments.history", "verify_sealed", "    _verify_shallow(repository, reached)\n", ""),
    ),
    removal(
        "seal: no pipe is waited for",
        _HISTORY,
        ("environments.history", "_verify_files", " or not _is_plain(path)", ""),
    ),
    removal(
        "seal: every object is reached",
        f"{_HISTORY}::test_every_leftover_is_seen",
        ("environments.history", "verify_sealed", "    if left:\n", "    if False:\n"),
    ),
    removal(
        "seal: the index has only what HEAD has",
        f"{_HISTORY}::test_every_leftover_is_seen",
        (
            "environments.history",
            "verify_sealed",
            '        git("diff-index", "--cached", "--quiet", "HEAD", "--", git_dir=repository)\n',
            "        pass\n",
        ),
    ),
    removal(
        "seal: files of the repository",
        f"{_HISTORY}::test_every_leftover_is_seen",
        ("environments.history", "_verify_files", "not _ALLOWED.fullmatch(inside)", "False"),
    ),
    removal(
        "seal: repositories inside",
        f"{_HISTORY}::test_every_leftover_is_seen",
        ("environments.history", "_verify_files", "        if inner:\n", "        if False:\n"),
    ),
    removal(
        "seal: settings",
        f"{_HISTORY}::test_every_leftover_is_seen",
        (
            "environments.history",
            "_verify_files",
            "if name and name.lower() not in _CONFIG_KEYS:",
            "if False:",
        ),
    ),
    removal(
        "seal: one branch",
        f"{_HISTORY}::test_every_leftover_is_seen",
        ("environments.history", "_verify_head", "    if refs != [_BRANCH]:\n", "    if False:\n"),
        ("environments.history", "_verify_files", "not _ALLOWED.fullmatch(inside)", "False"),
    ),
    removal(
        "seal: HEAD is the base or the prepared tree",
        _HISTORY,
        (
            "environments.history",
            "_verify_head",
            'if parents != base or subject != PREPARED or author != _WHO["GIT_AUTHOR_EMAIL"]:',
            "if False:",
        ),
    ),
    removal(
        "history is made anew",
        f"{_HISTORY}::test_no_way_leads_to_later_history",
        ("environments.history", "_pack", 'stdin=base.encode() + b"\\n"', 'stdin=b"--all\\n"'),
        ("environments.repository", "_frozen", "    verify_sealed(folder, base)\n", ""),
    ),
    removal(
        "secrets stay outside",
        f"{_FREEZE}::test_untracked_secrets_stay_outside",
        (
            "environments.frozen_copy",
            "_list_file",
            "elif path not in tracked and is_secret(path, top):",
            "elif False:",
        ),
    ),
    removal(
        "pipes and sockets stay outside",
        f"{_FREEZE}::test_links_stay_links_and_odd_files_are_skipped",
        ("environments.frozen_copy", "_list_file", "if not stat.S_ISREG(status.st_mode):", "if False:"),
    ),
    removal(
        "source: a git directory of Winnow's own",
        f"{_HOSTILE}::test_no_setting_of_a_source_runs_a_program",
        (
            _SOURCE,
            "viewed",
            '        _write_head(source.own / "HEAD", view / "HEAD")\n',
            '        _write_head(source.own / "HEAD", view / "HEAD")\n'
            '        (view / "config").write_bytes(config.read_bytes())\n',
        ),
        (*_ENVIRONMENT, '    "GIT_ALLOW_PROTOCOL": "",\n', ""),
        (*_SETTINGS, '    "core.fsmonitor=false",\n', ""),
        (*_SETTINGS, '    "log.showSignature=false",\n', ""),
    ),
    removal(
        "source: .git is no link",
        f"{_HOSTILE}::test_a_repository_leads_to_no_other",
        (_SOURCE, "find_git", "if dot_git.is_symlink():", "if False:"),
    ),
    removal(
        "source: no commondir",
        f"{_HOSTILE}::test_a_repository_leads_to_no_other",
        (
            _SOURCE,
            "_undivided",
            'if os.path.lexists(git_dir / "commondir"):',
            'if (named := _line(git_dir / "commondir")): return SourceGit(git_dir, Path(named))\n    if False:',
        ),
    ),
    removal(
        "source: a linked one knows of the folder",
        f"{_HOSTILE}::test_a_repository_leads_to_no_other",
        (_SOURCE, "_linked", "if not knows:", "if False:"),
    ),
    removal(
        "source: references are no links",
        f"{_HOSTILE}::test_a_repository_leads_to_no_other",
        (_SOURCE, "_copy_references", "if source.is_symlink():", "if False:"),
    ),
    removal(
        "source: a branch is no link",
        f"{_HOSTILE}::test_a_repository_leads_to_no_other",
        (_SOURCE, "_copy_references", "entry.is_file(follow_symlinks=False)", "entry.is_file()"),
        ("environments.plain_files", "read_plain", "os.O_NOFOLLOW | ", ""),
    ),
    removal(
        "source: objects are no links",
        f"{_HOSTILE}::test_a_repository_leads_to_no_other",
        (
            _SOURCE,
            "_link_objects",
            "if source.is_symlink() or not source.is_dir():",
            "if not source.is_dir():",
        ),
    ),
    removal(
        "source: packs are no links",
        f"{_HOSTILE}::test_a_repository_leads_to_no_other",
        (
            _SOURCE,
            "_link_objects",
            "if entry.is_symlink() or any(file.is_symlink() for file in os.scandir(entry.path)):",
            "if False:",
        ),
    ),
    removal(
        "source: files are read without following links",
        f"{_HOSTILE}::test_a_list_of_ignored_files_is_no_way_to_read_a_file",
        ("environments.plain_files", "read_plain", "os.O_NOFOLLOW | ", ""),
    ),
    removal(
        "source: no pipe is waited for",
        f"{_HOSTILE}::test_no_pipe_is_waited_for",
        ("environments.plain_files", "read_plain", "os.O_NONBLOCK | ", ""),
    ),
    removal(
        "source: files are read with a bound",
        f"{_HOSTILE}::test_a_file_without_an_end_is_not_read_to_it",
        ("environments.plain_files", "read_plain", "if len(content) > limit:", "if False:"),
        ("environments.plain_files", "read_plain", "file.read(limit + 1)", "file.read()"),
    ),
    removal(
        "patches name no path outside",
        "tests/environments/test_patches.py",
        (
            "environments.patches",
            "_refuse_path",
            'if ".." in parts or any(part.lower() == ".git" for part in parts):',
            "if False:",
        ),
    ),
    removal(
        "patches make no links",
        "tests/environments/test_patches.py",
        ("environments.patches", "_changes", 'if mode in ("120000", "160000"):', "if False:"),
    ),
)

"""What is taken from a build, what of the host a build sees, and whether what is stored is still what it was."""

from ..removal import removal

_EXTRACTION = "tests/sandbox/test_extraction.py"
_CAPTURE = "tests/environments/building/test_capture.py"
_TRACKED = "tests/environments/test_tracked_environment.py"
_ARCHIVE = "sandbox.extraction"

REMOVALS = (
    removal(
        "archives: no link is followed to a folder",
        f"{_EXTRACTION}::test_a_link_that_a_folder_replaced_is_not_followed",
        (_ARCHIVE, "_FOLDER", " | os.O_NOFOLLOW", ""),
    ),
    removal(
        "archives: no path leads out",
        f"{_EXTRACTION}::test_no_path_leads_out",
        (_ARCHIVE, "_parts", 'if name.startswith("/") or ".." in parts:', "if False:"),
    ),
    removal(
        "archives: no link is written through",
        f"{_EXTRACTION}::test_a_shared_file_keeps_its_content_and_its_mode",
        (_ARCHIVE, "_Target.take", "        self._make_room(at, name)\n", ""),
        (_ARCHIVE, "_NEW_FILE", "os.O_EXCL | os.O_NOFOLLOW | ", "os.O_TRUNC | "),
    ),
    removal(
        "archives: a hard link leads to no link's target",
        f"{_EXTRACTION}::test_a_hard_link_to_a_link_is_a_link_again",
        (_ARCHIVE, "_Target._link", ", follow_symlinks=False)\n        except", ")\n        except"),
    ),
    removal(
        "archives: no devices and pipes",
        f"{_EXTRACTION}::test_no_pipe_and_no_device_is_made",
        (
            _ARCHIVE,
            "_Target.take",
            "if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):\n            return",
            "if member.isfifo():\n            os.mkfifo(member.name, dir_fd=self._top)\n            return",
        ),
    ),
    removal(
        "archives: no set-user-id programs",
        f"{_EXTRACTION}::test_what_a_virtual_environment_has_comes_as_it_was",
        (_ARCHIVE, "_Target._write", "member.mode & 0o777 | 0o444", "member.mode & 0o7777 | 0o444"),
    ),
    removal(
        "archives: only what was asked for",
        f"{_EXTRACTION}::test_only_what_was_asked_for_comes",
        (_ARCHIVE, "_Target.take", 'if accept is not None and not accept("/".join(parts)):', "if False:"),
    ),
    removal(
        "archives: headers are bounded",
        f"{_EXTRACTION}::test_memory_and_disk_are_bounded",
        (_ARCHIVE, "_Headers.read", "if not 0 <= size <= most:", "if False:"),
    ),
    removal(
        "archives: members are counted",
        f"{_EXTRACTION}::test_memory_and_disk_are_bounded",
        (
            _ARCHIVE,
            "extract",
            "if left_members is not None and (left_members := left_members - 1) < 0:",
            "if False:",
        ),
    ),
    removal(
        "archives: bytes are counted",
        f"{_EXTRACTION}::test_a_sparse_file_counts_as_large_as_it_says",
        (
            _ARCHIVE,
            "extract",
            "if left_bytes is not None and (left_bytes := left_bytes - member.size) < 0:",
            "if False:",
        ),
    ),
    removal(
        "archives: one that breaks off is not whole",
        f"{_EXTRACTION}::test_an_archive_that_breaks_off_is_not_taken_for_a_whole_one",
        (_ARCHIVE, "extract", "if source.last != bytes(tarfile.BLOCKSIZE):", "if False:"),
    ),
    removal(
        "capture: only listed files",
        _CAPTURE,
        (
            "environments.building.capture",
            "capture",
            "accept=None if wanted is None else wanted.__contains__,",
            "",
        ),
    ),
    removal(
        "capture: files of the archive are bounded",
        _CAPTURE,
        (
            "environments.building.capture",
            "capture",
            "        most_bytes=_MOST_BYTES,\n        most_members=_MOST_MEMBERS,\n",
            "",
        ),
    ),
    removal(
        "capture: the system's programs pack",
        _CAPTURE,
        ("environments.building.capture", "_pack", "PATH={SYSTEM_PATH}; ", ""),
    ),
    removal(
        "capture: unpacked as what a stranger sent",
        _CAPTURE,
        (
            "environments.building.capture",
            "_unpack",
            "extract(stream, into, terms)",
            "__import__('tarfile').open(fileobj=stream, mode='r|').extractall(into, filter='fully_trusted')",
        ),
    ),
    removal(
        "builds: tracked files stay as they were frozen",
        f"{_CAPTURE}",
        ("environments.building.keeping", "keep_repository", "not tracked.covers(path) and ", ""),
    ),
    removal(
        "builds: no repository comes from a build",
        _CAPTURE,
        ("environments.building.keeping", "_NOT_KEPT", '".git", ', ""),
        ("environments.building.keeping", "keep_repository", "-name .git -prune -o ", ""),
    ),
    removal(
        "builds: names of a list are cut where they end",
        _CAPTURE,
        (
            "environments.building.keeping",
            "_listed",
            '[os.fsdecode(name.removeprefix(b"./")) for name in names if name]',
            '[os.fsdecode(one.removeprefix(b"./")) for name in names for one in name.split()]',
        ),
        (
            "environments.building.keeping",
            "_remove_all_but",
            "for parent, folders, files in os.walk(folder):",
            "for name in {one for one in kept if os.path.isabs(one)}:\n        os.unlink(name)\n    "
            "for parent, folders, files in os.walk(folder):",
        ),
    ),
    removal(
        "builds: passwords are taken out of what is shown",
        "tests/environments/building/test_index.py",
        (
            "environments.building.index",
            "Index.plain",
            "strip_urls(KNOWN.redact_reply(known.redact_reply(text)))",
            "text",
        ),
    ),
    removal(
        "stored environments are looked at again",
        "tests/environments/building/test_sealing.py",
        (
            "environments.building.sealing",
            "check_stored",
            "        verify_sealed(snapshot.tree, snapshot.base)\n",
            "        pass\n",
        ),
    ),
    removal(
        "stored environments: a change is seen",
        "tests/environments/building/test_sealing.py",
        ("environments.building.sealing", "check_stored", "if note.read_text() == now:", "if note.exists():"),
    ),
    removal(
        "stored environments are looked at when they are used",
        "tests/environments/building/test_images.py::test_one_that_was_changed_since_is_not_used",
        (
            "environments.building.builder",
            "Builder.task",
            "        await asyncio.to_thread(check_stored, task.snapshot)\n",
            "",
        ),
    ),
    removal(
        "images: no setting of an image's repository is obeyed",
        "tests/environments/building/test_images.py::test_what_is_taken_of_its_repository_runs_nothing",
        ("environments.building.image_repository", "carry_repository", "    _clean(into)\n", ""),
    ),
    removal(
        "a tracked file shows no folder",
        _TRACKED,
        (
            "environments.interpreter_homes",
            "installation",
            "return prefix if known or prefix == Path(os.path.realpath(sys.base_prefix)) else None",
            "return prefix",
        ),
    ),
    removal(
        "a tracked file shows nothing but an interpreter",
        _TRACKED,
        ("environments.interpreter_homes", "installation", 'program.parent.name != "bin" or ', ""),
        ("environments.interpreter_homes", "installation", "not _PROGRAM.fullmatch(program.name) or ", ""),
        ("environments.interpreter_homes", "installation", 'not any(prefix.glob("lib/py*/os.py"))', "False"),
        (
            "environments.interpreter_homes",
            "installation",
            "prefix if known or prefix == Path(os.path.realpath(sys.base_prefix)) else None",
            "prefix",
        ),
    ),
    removal(
        "an interpreter's prefix is never a home",
        "tests/environments/test_detection.py",
        (
            "environments.toolchains",
            "holds_a_home",
            'return folder == home or folder in home.parents or folder == Path("/")',
            "return False",
        ),
    ),
    removal(
        "builds: no network of the host's",
        "tests/environments/building/test_build_network.py",
        (
            "environments.building.network",
            "network_of",
            'HostNetwork(index) if choice == "host" else IndexNetwork(index, hosts)',
            "HostNetwork(index)",
        ),
    ),
    removal(
        "builds: an index sends nobody to this machine",
        "tests/environments/building/test_index_proxy.py tests/environments/building/test_host_proxy.py",
        ("environments.building.addresses", "allowed_addresses", "if reach_of(one) in _WIDER[base]", ""),
    ),
)

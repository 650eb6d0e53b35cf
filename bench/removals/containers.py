"""What hardens a container."""

from ..removal import removal

_HARD = "tests/sandbox/test_docker_hardening.py"
_HOSTILE = "tests/sandbox/test_docker_hostile_images.py"
_KINDS = "tests/sandbox/contract/test_namespaces.py"
_CREATE = ("sandbox.docker_container", "create")

REMOVALS = (
    removal(
        "container: no network",
        f"{_HARD}::test_no_network_not_even_the_hosts_loopback",
        (*_CREATE, 'network_mode="host" if open_network else "none"', 'network_mode="host"'),
        (*_CREATE, "hostname=None if open_network else HOSTNAME", "hostname=None"),
    ),
    removal(
        "container: no capabilities",
        f"{_HARD}::test_no_capabilities_no_new_privileges_and_a_filter_of_system_calls",
        (*_CREATE, '[] if "capabilities" in without else ["ALL"]', "[]"),
    ),
    removal(
        "container: no new privileges",
        f"{_HARD}::test_no_capabilities_no_new_privileges_and_a_filter_of_system_calls",
        (
            "sandbox.docker_container",
            "_security",
            '[] if "privileges" in without else ["no-new-privileges:true"]',
            "[]",
        ),
        ("sandbox.docker_lines", "Lines.new", "self._filtered)", "False)"),
    ),
    removal(
        "container: filter of system calls",
        "tests/sandbox/contract/test_attacks.py::test_parts_of_the_kernel_that_nobody_needs",
        (
            "sandbox.docker_container",
            "_security",
            '[*options, "seccomp=unconfined"] if "seccomp" in without else options',
            '[*options, "seccomp=unconfined"]',
        ),
        ("sandbox.docker_lines", "Lines.new", "self._filtered)", "False)"),
    ),
    removal(
        "container: Winnow's own filter besides the engine's",
        _HOSTILE,
        ("sandbox.inside.contained", "main", "    if filtered:\n        _filter(filtered)\n", ""),
    ),
    removal(
        "container: limit on processes",
        f"{_HARD}::test_more_processes_than_allowed_are_refused",
        (*_CREATE, "pids_limit=limits.processes,", ""),
    ),
    removal(
        "container: limit on memory",
        "tests/sandbox/contract/test_attacks.py::test_more_memory_than_allowed",
        (*_CREATE, "mem_limit=limits.memory,", ""),
        (*_CREATE, "memswap_limit=limits.memory,  # memory and swap together: no swap on top", ""),
    ),
    removal(
        "container: no core dumps",
        f"{_HARD}::test_limits_on_files_and_file_size {_KINDS}",
        ("sandbox.docker_container", "_ulimits", '"core": 0, ', ""),
    ),
    removal(
        "container: output is not kept on the engine's disk",
        f"{_HARD}::test_a_flood_of_output_is_cut_and_never_on_the_engines_disk",
        (*_CREATE, 'log_config={"Type": "none", "Config": {}},', ""),
    ),
    removal("container: IPC namespace", _KINDS, (*_CREATE, 'ipc_mode="private"', 'ipc_mode="host"')),
    removal("container: cgroup namespace", _KINDS, (*_CREATE, 'host["CgroupnsMode"] = "private"', "pass")),
    removal(
        "container: kernel files hidden",
        "tests/sandbox/contract/test_attacks.py::test_what_the_kernel_tells_of_the_machine "
        "tests/sandbox/contract/test_isolation.py::test_the_kernels_settings_cannot_be_changed",
        (*_CREATE, 'if "proc" in without:', "if True:"),
    ),
    removal(
        "container: an image's health check does not run",
        _HOSTILE,
        (
            *_CREATE,
            'healthcheck={"test": ["NONE"]},  # an image\'s own health check would run beside our commands',
            "",
        ),
    ),
    removal(
        "container: what an image sets is not for the server",
        f"{_HOSTILE}::test_an_images_variables_do_nothing_to_the_server",
        ("sandbox.docker_line", "ServerLine.__init__", "dict.fromkeys(of_image)", "{}"),
    ),
    removal(
        "container: the server cannot be looked into",
        "tests/sandbox/test_docker_server.py::test_the_server_cannot_be_looked_into",
        ("sandbox.docker_bundle", "_make", "chmod(0o111)", "chmod(0o755)"),
    ),
    removal(
        "container: the socket is gone before a command runs",
        _HOSTILE,
        (
            "sandbox.docker_line",
            "ServerLine._hang_up",
            "        self._listener.close()\n        shutil.rmtree(self._folder, ignore_errors=True)\n",
            "        pass\n",
        ),
    ),
    removal(
        "container: usr-local-etc hidden",
        "tests/sandbox/contract/test_shown_folders.py",
        ("sandbox.docker_skeleton", "host_ground", "mounts += [_cover(path) for path in covered]", "pass"),
    ),
    removal(
        "container: shown folders are read-only",
        "tests/sandbox/contract/test_shown_folders.py::test_a_shown_folder_is_not_written",
        ("sandbox.docker_skeleton", "host_ground", '"ReadOnly": not open_root', '"ReadOnly": False'),
    ),
    removal(
        "container: mounts below a shown folder are not shown",
        _HOSTILE,
        ("sandbox.docker_skeleton", "_bind", '"NonRecursive": True', '"NonRecursive": False'),
    ),
    removal(
        "container: an image's history goes before a place is added",
        "tests/sandbox/contract/test_files.py::test_a_place_lies_over_what_the_image_has_there",
        ("sandbox.docker_places", "REMOVE_HISTORY", 'rm -rf -- "$place/.git" || exit 1', "true"),
    ),
)

"""What an overlay sandbox is shown of the host, and the namespaces and rights that it has."""

from ..removal import removal

_ATTACKS = "tests/sandbox/contract/test_attacks.py"
_ISOLATION = "tests/sandbox/contract/test_isolation.py"
_SHOWN = "tests/sandbox/contract/test_shown_folders.py"
_KINDS = "tests/sandbox/contract/test_namespaces.py"
_MOUNTS = "tests/sandbox/test_overlay_mounts.py"
_LAUNCHER = "tests/sandbox/test_launcher.py"

REMOVALS = (
    removal(
        "usr-local-etc hidden",
        _SHOWN,
        ("sandbox.host", "HIDDEN", '("/usr/local/etc",)', "()"),
    ),
    removal(
        "homes never shown",
        _SHOWN,
        (
            "sandbox.host",
            "_checked",
            'if shown in NEVER or any(home == shown or home.startswith(shown + "/") for home in homes):',
            "if False:",
        ),
    ),
    removal(
        "etc by allow-list",
        f"{_ISOLATION}::test_no_secrets_of_etc",
        ("sandbox.host", "make_skeleton", "for name in ETC:", 'for name in os.listdir("/etc"):'),
        ("sandbox.host", "_public", "bool(mode & stat.S_IROTH) and ", ""),
    ),
    removal(
        "root by allow-list",
        f"{_ISOLATION}::test_home_run_and_other_folders_of_the_host_look_empty",
        (
            "sandbox.host",
            "host_binds",
            "for path in PROGRAMS if",
            'for path in (*PROGRAMS, "/run", "/root") if',
        ),
    ),
    removal(
        "shown folders are read-only",
        f"{_SHOWN}::test_a_shown_folder_is_not_written",
        ("sandbox.overlay_view", "View._shown", '"root" not in self._without', "False"),
    ),
    removal(
        "nosuid on shown folders",
        _MOUNTS,
        ("sandbox.inside.kernel", "show", "_ATTR_NOSUID | _ATTR_NODEV", "_ATTR_NODEV"),
    ),
    removal(
        "nodev on shown folders",
        _MOUNTS,
        ("sandbox.inside.kernel", "show", "_ATTR_NOSUID | _ATTR_NODEV", "_ATTR_NOSUID"),
    ),
    removal(
        "nosuid on layers",
        _MOUNTS,
        ("sandbox.inside.mounts", "_overlay", "kernel.NOSUID | kernel.NODEV", "kernel.NODEV"),
    ),
    removal(
        "nodev on layers",
        _MOUNTS,
        ("sandbox.inside.mounts", "_overlay", "kernel.NOSUID | kernel.NODEV", "kernel.NOSUID"),
    ),
    removal(
        "no link followed to a mount",
        "tests/sandbox/test_overlay.py::test_without_the_check_such_a_link_would_lead_out",
        ("sandbox.inside.mounts", "_FOLDER", " | os.O_NOFOLLOW", ""),
    ),
    removal(
        "an image's resolv.conf is no link to a file of the host",
        _MOUNTS,
        ("sandbox.inside.mounts", "_of_image", "follow_symlinks=False", "follow_symlinks=True"),
        ("sandbox.inside.mounts", "_of_image", "os.O_NOFOLLOW | ", ""),
    ),
    removal(
        "an image's etc is no link to a folder of the host",
        _MOUNTS,
        ("sandbox.inside.mounts", "_of_image", '"/etc", _FOLDER', '"/etc", os.O_PATH | os.O_DIRECTORY'),
    ),
    removal(
        "kernel files read-only or hidden",
        f"{_ISOLATION}::test_the_kernels_settings_cannot_be_changed "
        f"{_ATTACKS}::test_what_the_kernel_tells_of_the_machine",
        (
            "sandbox.inside.mounts",
            "enter",
            'for source, target in spec["proc"]:',
            "for source, target in ():",
        ),
    ),
    removal(
        "the host's root is let go",
        _MOUNTS,
        ("sandbox.inside.mounts", "enter", '    kernel.detach(".")\n', ""),
    ),
    removal(
        "network namespace",
        f"{_ISOLATION}::test_the_hosts_loopback_cannot_be_reached",
        ("sandbox.inside.launcher", "Launcher.make_slot", "flags |= kernel.NEWNET", "pass"),
    ),
    removal(
        "IPC namespace",
        _KINDS,
        ("sandbox.inside.launcher", "Launcher.make_slot", "kernel.NEWIPC | kernel.NEWUTS", "kernel.NEWUTS"),
    ),
    removal(
        "host name namespace",
        _KINDS,
        ("sandbox.inside.launcher", "Launcher.make_slot", "kernel.NEWIPC | kernel.NEWUTS", "kernel.NEWIPC"),
        (
            "sandbox.inside.launcher",
            "Sandbox.wait",
            '    kernel.libc.sethostname(b"sandbox", 7)\n',
            "    pass\n",
        ),
    ),
    removal(
        "cgroup namespace",
        _KINDS,
        ("sandbox.inside.launcher", "Sandbox.wait", "kernel.unshare(kernel.NEWCGROUP)", "pass"),
    ),
    removal(
        "shifted user ids",
        "tests/sandbox/test_overlay.py::test_users_of_a_sandbox_are_nobody_on_the_host",
        (
            "sandbox.inside.launcher",
            "Sandbox.change_user",
            "kernel.setns(self.launcher.users, kernel.NEWUSER)",
            "pass",
        ),
    ),
    removal(
        "groups are given up",
        _LAUNCHER,
        ("sandbox.inside.launcher", "Sandbox.change_user", "os.setgroups([])", "pass"),
    ),
    removal(
        "capabilities are dropped",
        f"{_ISOLATION}::test_there_are_no_privileges_and_none_can_be_had",
        ("sandbox.inside.launcher", "Sandbox.become", "kernel.drop_capabilities()", "pass"),
    ),
    removal(
        "no new privileges",
        f"{_ISOLATION}::test_there_are_no_privileges_and_none_can_be_had",
        ("sandbox.inside.launcher", "Sandbox.become", "kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)", "pass"),
        ("sandbox.inside.launcher", "Sandbox.become", "seccomp.install(kernel.libc)", "pass"),
    ),
    removal(
        "filter of system calls",
        f"{_ISOLATION}::test_there_are_no_privileges_and_none_can_be_had "
        f"{_ATTACKS}::test_parts_of_the_kernel_that_nobody_needs",
        ("sandbox.inside.launcher", "Sandbox.become", "seccomp.install(kernel.libc)", "pass"),
    ),
    removal(
        "the first process is not dumpable",
        f"{_ATTACKS}::test_the_first_process",
        (
            "sandbox.inside.launcher",
            "Sandbox.become",
            "kernel.prctl(kernel.PR_SET_DUMPABLE, 0)",
            "kernel.prctl(kernel.PR_SET_DUMPABLE, 1)",
        ),
    ),
    removal(
        "no descriptor of the launcher",
        _LAUNCHER,
        ("sandbox.inside.launcher", "Sandbox.become", "os.closerange(STREAM + 1, 1 << 20)", "pass"),
        ("sandbox.inside.server", "_alone", "if int(name) > 2 and int(name) not in ends:", "if False:"),
    ),
    removal(
        "no core dumps",
        _KINDS,
        ("sandbox.inside.launcher", "set_limits", "        (resource.RLIMIT_CORE, 0),\n", ""),
    ),
    removal(
        "limit on open files",
        f"{_ATTACKS}::test_more_open_files_than_allowed",
        ("sandbox.inside.launcher", "set_limits", '        (resource.RLIMIT_NOFILE, limits["files"]),\n', ""),
    ),
    removal(
        "limit on a file's size",
        f"{_ATTACKS}::test_one_file_larger_than_the_disk_limit",
        ("sandbox.inside.launcher", "set_limits", '        (resource.RLIMIT_FSIZE, limits["disk"]),\n', ""),
    ),
    removal(
        "limits of a control group",
        f"{_ATTACKS}::test_more_memory_than_allowed",
        (
            "sandbox.inside.launcher",
            "Sandbox.become",
            'self.group.limit(limits["memory"], limits["processes"], limits["cpus"])',
            "pass",
        ),
    ),
    removal(
        "the disk is watched",
        f"{_ATTACKS}::test_a_disk_filler_is_stopped_and_named",
        ("sandbox.overlay", "OverlaySandbox.__init__", "if self._limits.disk is not None:", "if False:"),
    ),
    removal(
        "environment from nothing",
        f"{_ISOLATION}::test_nothing_of_the_hosts_environment_gets_in",
        ("sandbox.launching", "_spawn", "env = {", "env = {**__import__('os').environ, "),
        ("sandbox.overlay", "DEFAULTS", '"TMPDIR": "/tmp",', '"TMPDIR": "/tmp", **os.environ,'),
    ),
    removal(
        "layers of a run are nobody else's",
        "tests/sandbox/test_overlay.py::test_a_run_has_one_owner_and_its_leftovers_are_its_own",
        ("sandbox.layers", "own", "mode=0o700", "mode=0o755"),
    ),
    removal(
        "overlay: the kernel holds a sandbox to its disk limit",
        "tests/sandbox/test_quota_disk.py",
        ("sandbox.quota_disk", "Subvolume.hold_to", "if self._limit is not None:", "if False:"),
    ),
)

"""What makes a verdict one: the seal, the end, the exit code, every name, hidden files in their places."""

from ..removal import removal

_CHEATS = "tests/environments/grading/test_cheats.py"
_GRADES = "tests/environments/grading/test_grades.py"
_ENDS = "tests/environments/grading/test_ends.py"
_SCRIPTED = "tests/environments/grading/test_scripted.py"
_TRIAL = "environments.grading.trial"
_RUN = "environments.test_run"

REMOVALS = (
    removal(
        "a limit is no end",
        _ENDS,
        (_TRIAL, "_reason", 'if report.ended != "exited":', "if False:"),
        (
            _RUN,
            "run_sealed",
            'result.ended == "exited" and _agrees(results, result.exit_code)',
            "_agrees(results, result.exit_code)",
        ),
        (_RUN, "_from_xml", 'result.ended == "exited" and ', ""),
        (_RUN, "read_run", 'whole = whole and result.ended == "exited" and ', "whole = whole and "),
    ),
    removal(
        "the exit code agrees with the results",
        _ENDS,
        (_RUN, "_agrees", "return bad == (exit_code != 0)", "return True"),
    ),
    removal(
        "a script's exit code agrees with the results",
        f"{_SCRIPTED}::test_an_exit_code_that_contradicts_the_results_is_no_verdict",
        (
            "environments.grading.scripted",
            "run_script",
            "agrees = not said or bad == (code != 0)",
            "agrees = True",
        ),
    ),
    removal(
        "a script's marks have a nonce",
        f"{_SCRIPTED}::test_no_end_no_verdict",
        ("environments.grading.scripted", "run_script", "nonce = secrets.token_hex(8)", 'nonce = ""'),
    ),
    removal(
        "a script comes to its end",
        f"{_SCRIPTED}::test_no_end_no_verdict",
        (
            "environments.grading.scripted",
            "run_script",
            "ended = (marked or _START not in script) and (bool(said) or _EXIT not in script)",
            "ended = True",
        ),
    ),
    removal(
        "a report is sealed",
        _CHEATS,
        (
            "environments.reporter",
            "Reporter.report",
            "return content if hmac.compare_digest(seal, wanted) else None",
            "return content",
        ),
    ),
    removal(
        "the key is removed before code runs",
        f"{_CHEATS}::test_no_cheat_in_the_source_is_resolved",
        ("environments.reporter_inside", "_take_key", "        os.remove(path)\n", ""),
    ),
    removal(
        "the standard library is not taken from the repository",
        f"{_ENDS}::test_a_module_of_the_repository_is_not_handed_the_key",
        (
            "environments.reporter_inside",
            "_sealer",
            "sys.path[:] = [part for part in path if part not in said]",
            "pass",
        ),
    ),
    removal("only a sealed report counts", _CHEATS, (_RUN, "run_sealed", "if runner is None:", "if True:")),
    removal(
        "what stands where hidden tests go is removed",
        f"{_ENDS}::test_what_stands_where_a_hidden_test_was_deleted_is_gone",
        (_TRIAL, "_write_hidden", "    if in_the_way:\n", "    if False:\n"),
    ),
    removal(
        "hidden tests overwrite a patch's",
        _CHEATS,
        (_TRIAL, "try_changes", "        await _write_hidden(sandbox, task, changes, gold.files)\n", ""),
    ),
    removal(
        "every named test has a result",
        f"{_GRADES}::test_names_that_do_not_count_and_names_that_are_missing",
        (_TRIAL, "_reason", "    if missing:\n", "    if False:\n"),
        (_TRIAL, "_reason", "    if bad:\n", "    if False:\n"),
    ),
    removal(
        "a patch is graded in a fresh sandbox",
        f"{_ENDS}::test_one_candidates_files_are_not_the_next_ones",
        (
            _TRIAL,
            "try_changes",
            'sandbox = await base.copy(f"grade-{secrets.token_hex(4)}")',
            "sandbox = base",
        ),
        (_TRIAL, "try_changes", "        await sandbox.close()\n", "        pass\n"),
    ),
    removal(
        "a patch that changes test machinery has a second verdict",
        _CHEATS,
        ("environments.grading.instance_grades", "grade_instance", "    if machinery:\n", "    if False:\n"),
    ),
    removal(
        "machinery: conftest.py and its kin",
        _CHEATS,
        (
            "environments.grading.machinery",
            "_is_machinery",
            'if name in _MACHINERY or name.endswith(".pth"):',
            "if False:",
        ),
    ),
    removal(
        "machinery: settings of test tools",
        _CHEATS,
        (
            "environments.grading.machinery",
            "_is_machinery",
            'return _test_settings(name, before) != _test_settings(name, content or b"")',
            "return False",
        ),
    ),
    removal(
        "machinery: modules in a tool's or the library's place",
        _CHEATS,
        (
            "environments.grading.machinery",
            "_takes_a_place",
            "return is_module and (name in _TOOLS or name in sys.stdlib_module_names)",
            "return False",
        ),
    ),
    removal(
        "reports have no entities",
        "tests/environments/test_hostile_xml.py",
        (
            "environments.test_xml",
            "read_xml",
            'DefusedXMLParser(target=cases, encoding="utf-8", forbid_dtd=True)',
            'DefusedXMLParser(target=cases, encoding="utf-8", forbid_entities=False, forbid_external=False)',
        ),
    ),
    removal(
        "reports have as many elements as pytest writes",
        "tests/environments/test_hostile_xml.py",
        (
            "environments.test_xml",
            "_Cases.start",
            "self._elements > _ELEMENTS or self._depth > _DEPTH",
            "False",
        ),
    ),
    removal(
        "git that sees a patch has little memory",
        "tests/environments/test_hostile_patches.py",
        ("environments.safe_git", "_limited", "if memory is None:", "if True:"),
    ),
)

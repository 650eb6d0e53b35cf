"""Each public dataset's rows, as its card or its harness describes them, in Winnow's two halves."""

import json
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows_for_tests import ids, row, write

from environments import DatasetError, dataset_schemas, read_dataset
from environments.datasets.schemas.reversing import reversed_patch

CONDA = ". /opt/miniconda3/bin/activate && conda activate testbed"


def one(tmp_path, name, content):
    dataset = read_dataset(
        f"{name}={write(tmp_path / 'rows.jsonl', [content])}"
        if name
        else str(write(tmp_path / "rows.jsonl", [content]))
    )
    (instance,) = dataset.instances
    return instance, dataset.references[instance.id], dataset


@pytest.mark.parametrize("alias", ["verified", "lite", "full"])
def test_swe_bench(tmp_path, alias):
    content = row("Acme__Tool-7", FAIL_TO_PASS='["a"]', PASS_TO_PASS='["b", "c"]', difficulty="<15 min fix")
    instance, reference, dataset = one(tmp_path, alias, content)
    assert instance.image == "swebench/sweb.eval.x86_64.acme_1776_tool-7:latest"
    assert (instance.workdir, instance.activate, instance.language) == ("/testbed", CONDA, "python")
    assert (reference.fail_to_pass, reference.pass_to_pass) == (("a",), ("b", "c"))
    assert (reference.repo, reference.version, dataset.schema) == ("acme/tool", "2.0", alias)


def test_rows_of_the_harness_version_5_bring_image_script_and_parser(tmp_path):
    more = {
        "image": "swebench/x:1",
        "eval_script": "#!/bin/bash\nrun",
        "log_parser": "acme",
        "eval_type": "fail_only",
    }
    instance, reference, _ = one(tmp_path, "verified", row(**more))
    assert instance.image == "swebench/x:1" and "fail_only" in instance.notes[0]
    assert (reference.eval_script, reference.log_parser) == ("#!/bin/bash\nrun", "acme")


def test_multilingual_and_multimodal_are_not_python(tmp_path):
    instance, _, _ = one(tmp_path, "multilingual", row("google__gson-2479"))
    assert instance.image == "swebench/sweb.eval.x86_64.google_1776_gson-2479:latest"
    assert (instance.workdir, instance.activate, instance.language) == ("/testbed", "", "")
    assets = json.dumps({"problem_statement": ["https://example.org/a.png"]})
    instance, _, _ = one(tmp_path, "multimodal", row("acme__chart-1", image_assets=assets))
    assert (instance.language, instance.activate) == ("javascript", "")


def test_multimodal_rows_without_answers_can_still_be_worked_on(tmp_path):
    bare = row("acme__chart-1", patch="", test_patch="", FAIL_TO_PASS="", PASS_TO_PASS="")
    dataset = read_dataset(f"multimodal={write(tmp_path / 'rows.jsonl', [bare])}")
    assert ids(dataset) == ["acme__chart-1"] and not dataset.references


def test_gym(tmp_path):
    instance, _, _ = one(tmp_path, "gym", row("Project-MONAI__MONAI-1"))
    assert instance.image == "xingyaoww/sweb.eval.x86_64.project-monai_s_monai-1:latest"
    assert (instance.workdir, instance.activate) == ("/testbed", CONDA)


def test_rebench(tmp_path):
    config = {
        "python": "3.9",
        "install": "pip install -e .[dev]",
        "pre_install": ["apt-get update", "apt-get install -y gcc"],
        "pip_packages": ["pytest", "a b"],
        "reqs_path": ["requirements/base.txt"],
        "packages": "environment.yml",
        "test_cmd": "pytest -rA --tb=no",
        "log_parser": "parse_log_pytest",
        "no_use_env": None,
    }
    content = row(
        install_config=config, created_at=1620941561000, version=2.1, docker_image="swerebench/x:latest"
    )
    instance, reference, _ = one(tmp_path, "rebench", content)
    assert (instance.image, instance.workdir, instance.version) == ("swerebench/x:latest", "/testbed", "2.1")
    assert instance.setup.splitlines() == [
        "set -e",
        "apt-get update",
        "apt-get install -y gcc",
        "python -m pip install -r requirements/base.txt",
        "python -m pip install pytest 'a b'",
        "pip install -e .[dev]",
    ]
    assert (instance.python, instance.test_command) == ("3.9", "pytest -rA --tb=no")
    assert instance.env == {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"} and "conda" in instance.notes[0]
    assert reference.log_parser == "parse_log_pytest" and reference.test_command == ""

    del content["docker_image"]
    instance, _, _ = one(tmp_path, "rebench", {**content, "install_config": json.dumps(config)})
    assert (instance.image, instance.workdir, instance.activate, instance.python) == ("", "", "", "3.9")
    instance, _, _ = one(tmp_path, "rebench-leaderboard", content)
    assert instance.image == "swerebench/sweb.eval.x86_64.acme_1776_tool-1:latest"


def pro_row(**columns):
    content = row("instance_Acme__Tool-0123abc-vnan", **columns)
    tests = {"fail_to_pass": "['test/a.js | it works', 'b']", "pass_to_pass": "[]"}
    del content["FAIL_TO_PASS"], content["PASS_TO_PASS"], content["version"]
    more = {
        "repo_language": "js",
        "requirements": "- It must be fast.",
        "interface": "Function: go()",
        "dockerhub_tag": "acme.tool-Acme__Tool-0123abc",
        "before_repo_set_cmd": "git reset --hard\ngit checkout fix -- test/a.js",
        "selected_test_files_to_run": '["test/a.js"]',
    }
    return {**content, **tests, **more, **columns}


def test_pro_is_recognised_by_its_columns(tmp_path):
    instance, reference, dataset = one(tmp_path, "", pro_row())
    assert dataset.schema == "pro" and instance.image == "jefzda/sweap-images:acme.tool-Acme__Tool-0123abc"
    assert (instance.workdir, instance.language, instance.activate) == ("/app", "js", "")
    assert instance.issue == (
        "It breaks.\nIt should not.\n\nRequirements:\n- It must be fast.\n\nNew interfaces introduced:\nFunction: go()"
    )
    assert reference.fail_to_pass == ("test/a.js | it works", "b") and reference.pass_to_pass == ()
    assert "git checkout fix" not in repr(instance)  # it names the commit with the answer


def test_a_bad_first_row_does_not_decide_what_the_others_are(tmp_path):
    dataset = read_dataset(str(write(tmp_path / "rows.jsonl", [{"a": 1}, pro_row()])))
    assert dataset.schema == "pro" and len(dataset.bad) == 1


def test_swefficiency_is_recognised_and_its_issue_is_the_workload(tmp_path):
    content = row(
        workload="import timeit\n{braces} stay",
        covering_tests=["tests/test_a.py", "tests/test b.py"],
        test_cmd="pytest -rA",
        rebuild_cmd="pip install -e .",
        image_name="acme/images:acme__tool-1",
        FAIL_TO_PASS=[],
        speedup=1.5,
    )
    instance, reference, dataset = one(tmp_path, "", content)
    assert dataset.schema == "swefficiency" and instance.image == "acme/images:acme__tool-1"
    assert "import timeit\n{braces} stay" in instance.issue and "It breaks" not in instance.issue
    assert (instance.setup, instance.test_command) == ("pip install -e .", "pytest -rA")
    assert reference.test_command == "pip install -e .\npytest -rA tests/test_a.py 'tests/test b.py'"


def git(folder, *args, stdin=""):
    env = {"GIT_CONFIG_GLOBAL": "/dev/null", "PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(folder)}
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", *who, *args], cwd=folder, env=env, input=stdin, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "-q")
    return folder


TEXTS = st.lists(
    st.sampled_from(["a", "b", "", "-- a", "++ b", "+", "-", "diff --git a/x b/x", "@@ -1 +1 @@"])
)
FILES = st.dictionaries(
    st.sampled_from(["x", "a b", "sub/y", "b/x"]), st.tuples(TEXTS, st.booleans()), max_size=3
)


@settings(max_examples=60)
@given(FILES, FILES)
def test_a_reversed_patch_takes_back_what_the_patch_does(repository, before, after):
    trees = [_tree(repository, files) for files in (before, after)]
    patch = git(repository, "diff", "--no-renames", *trees)
    git(repository, "read-tree", trees[1])
    back = reversed_patch(patch)
    if patch:
        git(repository, "apply", "--cached", "-", stdin=back)
    assert git(repository, "write-tree").strip() == trees[0]
    assert reversed_patch(back) == patch


def _tree(folder, files):
    git(folder, "read-tree", "--empty")
    for path, (lines, ended) in files.items():
        text = "\n".join(lines) + ("\n" if ended else "")
        blob = git(folder, "hash-object", "-w", "--stdin", stdin=text).strip()
        git(folder, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
    return git(folder, "write-tree").strip()


def test_a_reversed_patch_of_a_rename_a_mode_and_a_new_file(repository):
    git(repository, "read-tree", "--empty")
    before = _tree(repository, {"old": (["a"] * 20, True), "run": (["x"], True)})
    after = _tree(
        repository, {"new": (["a"] * 20 + ["b"], True), "run": (["x"], True), "made": (["m"], False)}
    )
    git(repository, "read-tree", after)
    blob = git(repository, "rev-parse", f"{after}:run").strip()
    git(repository, "update-index", "--cacheinfo", f"100755,{blob},run")
    after = git(repository, "write-tree").strip()
    patch = git(repository, "diff", "--find-renames", before, after)
    assert "rename from old" in patch and "new file mode" in patch and "old mode" in patch
    git(repository, "apply", "--cached", "-", stdin=reversed_patch(patch))
    assert git(repository, "write-tree").strip() == before


def smith_row(**columns):
    content = row(
        "acme__tool.0123abcd.func_basic__x1",
        repo="swesmith/acme__tool.0123abcd",
        image_name="swebench/swesmith.x86_64.acme_1776_tool.0123abcd",
        PASS_TO_PASS=["tests/test_other.py::test_old"],
        **columns,
    )
    del content["base_commit"]
    return content


def test_smith_is_recognised_and_its_reference_takes_the_bug_out(tmp_path):
    instance, reference, dataset = one(tmp_path, "", smith_row())
    assert dataset.schema == "smith" and instance.image.endswith("swesmith.x86_64.acme_1776_tool.0123abcd")
    assert instance.base_commit == "acme__tool.0123abcd.func_basic__x1" and not instance.history
    assert (instance.workdir, instance.activate) == ("/testbed", CONDA)
    assert "+old" in reference.patch and "-new" in reference.patch
    assert reference.test_command.endswith("--verbose tests/test_tool.py tests/test_other.py")
    instance, _, _ = one(tmp_path, "smith", {**smith_row(), "base_commit": "0123abcd"})
    assert instance.base_commit == "0123abcd"


def test_smith_rows_that_cannot_be_reversed_are_named(tmp_path):
    file = write(tmp_path / "rows.jsonl", [smith_row(patch="GIT binary patch\nliteral 0\n")])
    with pytest.raises(DatasetError, match="line 1: patch cannot be reversed: it has a binary file"):
        read_dataset(str(file))


def diff(path, *lines):
    return {
        "header": {"file": {"path": path}, "misc_line": None},
        "index_line": {"old_commit_hash": "111", "new_commit_hash": "222", "mode": "100644"},
        "is_binary_file": False,
        "minus_file": {"path": f"a/{path}"},
        "plus_file": {"path": f"b/{path}"},
        "hunks": [
            {
                "descriptor": {
                    "old_range": {"start": 1, "length": 2},
                    "new_range": {"start": 1, "length": None},
                    "section": "def go():",
                },
                "line_group": {"all_lines": [{"type": kind, "content": text} for kind, text in lines]},
            }
        ],
        "old_file_content": "",
        "new_file_content": "",
    }


def r2e_row(project="pandas", names=("test_1.py",), **columns):
    changes = [("context", "a"), ("deleted", "b"), ("note", "No newline at end of file")]
    commit = {
        "file_diffs": [
            diff("pandas/core.py", *changes),
            diff("pandas/tests/test_core.py"),
            diff("doc/a.rst"),
        ],
        "old_commit_hash": "0ld",
        "new_commit_hash": "new",
        "commit_message": "Fix it",
        "commit_date": "2020-01-02T03:04:05+00:00",
    }
    log = "noise\n== short test summary info ==\nPASSED r2e_tests/test_1.py::TestA::test_old\n"
    log += "FAILED r2e_tests/test_1.py::TestA::test_new - assert 1 == 2\nERROR r2e_tests/test_1.py::test_gone - x\n"
    result = {
        "repo_name": project,
        "test_file_names": list(names),
        "test_file_codes": [f"# {name}" for name in names],
        "old_commit_res_stdout": log,
    }
    expected = {
        "TestA.test_old": "PASSED",
        "\x1b[1mTestA.test_new\x1b[0m": "PASSED",
        "test_gone": "PASSED",
        "test_never": "FAILED",
    }
    return {
        "repo_name": project,
        "docker_image": f"acme/{project}_final:new",
        "commit_hash": "new",
        "parsed_commit_content": json.dumps(commit),
        "execution_result_content": json.dumps(result),
        "expected_output_json": json.dumps(expected),
        "problem_statement": "You are given [ISSUE]\nIt breaks.\n[/ISSUE] please.",
        "prompt": "x",
        **columns,
    }


def test_r2e_is_recognised_and_read(tmp_path):
    instance, reference, dataset = one(tmp_path, "", r2e_row())
    assert dataset.schema == "r2e" and instance.id == "pandas__new" and instance.issue == "It breaks."
    assert (instance.base_commit, instance.created) == ("0ld", "2020-01-02T03:04:05Z")
    assert (instance.image, instance.workdir) == ("acme/pandas_final:new", "/testbed")
    assert instance.repo == "pandas-dev/pandas"
    assert "rm -rf /r2e_tests" in instance.setup and "Fix it" not in repr(instance)
    assert reference.fail_to_pass == ("TestA.test_new", "test_gone") and reference.pass_to_pass == (
        "TestA.test_old",
    )
    assert reference.files == {"r2e_tests/__init__.py": "", "r2e_tests/test_1.py": "# test_1.py"}
    assert reference.patch == (
        "diff --git a/pandas/core.py b/pandas/core.py\nindex 111..222 100644\n"
        "--- a/pandas/core.py\n+++ b/pandas/core.py\n@@ -1,2 +1 @@ def go():\n a\n-b\n\\ No newline at end of file\n"
    )


@pytest.mark.parametrize(
    ("project", "names", "command"),
    [
        ("pandas", ["test_1.py"], "-m pytest -rA r2e_tests"),
        ("orange3", ["test_1.py"], "xvfb-run --auto-servernum .venv/bin/python -W ignore -m pytest"),
        ("tornado", ["a.py", "tornado_unittest_runner.py"], "ignore r2e_tests/tornado_unittest_runner.py"),
    ],
)
def test_r2e_runs_its_tests_as_the_dataset_does(tmp_path, project, names, command):
    assert command in one(tmp_path, "r2e", r2e_row(project, names))[1].test_command


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"expected_output_json": "{}"}, "expected_output_json is missing or empty"),
        ({"expected_output_json": "oops"}, "expected_output_json is text, not an object"),
        (
            {"execution_result_content": '{"test_file_names": ["a"], "test_file_codes": []}'},
            "as many test_file_codes",
        ),
        ({"parsed_commit_content": '{"old_commit_hash": "a"}'}, "no list file_diffs"),
        ({"parsed_commit_content": '{"old_commit_hash": "a", "file_diffs": [{"x": 1}]}'}, "another form"),
        ({"names": ["../../x.py"]}, "not inside the repository"),
        ({"docker_image": ""}, "docker_image is empty"),
    ],
)
def test_r2e_rows_with_something_wrong_are_named(tmp_path, columns, said):
    with pytest.raises(DatasetError, match=said):
        one(tmp_path, "r2e", r2e_row(**columns))


def test_every_alias_is_known_with_its_source(tmp_path):
    schemas = dataset_schemas()
    asked = "verified lite full multilingual multimodal pro r2e smith gym swefficiency rebench".split()
    assert set(asked) <= {schema.alias for schema in schemas} and len({s.alias for s in schemas}) == len(
        schemas
    )
    for schema in schemas:
        assert schema.source and all(name.count("/") == 1 for name in schema.hub) and schema.split


@pytest.mark.parametrize("alias", [schema.alias for schema in dataset_schemas()])
@settings(max_examples=40)
@given(data=st.data())
def test_no_row_of_any_type_breaks_a_schema(tmp_path_factory, alias, data):
    """Columns that exist with values of any type: a bad row with a sentence, or a good one, never a traceback."""
    start = {"r2e": r2e_row(), "pro": pro_row(), "smith": smith_row()}.get(alias, row())
    more = {"install_config": {"install": "x"}, "workload": "x", "covering_tests": ["x"], "rebuild_cmd": "x"}
    content = {**start, **more}
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=4,
    )
    for column in data.draw(st.lists(st.sampled_from(sorted(content)), max_size=3, unique=True)):
        content[column] = data.draw(anything)
    file = write(tmp_path_factory.mktemp("any") / "rows.jsonl", [content])
    try:
        read_dataset(f"{alias}={file}")
    except DatasetError as error:
        assert "no usable row" in str(error) and "\n" not in str(error)

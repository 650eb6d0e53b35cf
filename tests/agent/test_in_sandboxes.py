"""A whole attempt in real sandboxes: what a script sees, that it changes nothing, and that every copy is closed."""

import pytest
from waiting import PATIENCE

from agent import AttemptSettings, Context, ContextFile, Ending, attempt, parse_script, run_script
from environments import apply_patch
from sandbox import Limits, open_backend

pytestmark = pytest.mark.overlay

TEST = """<<<<< TEST
#!/bin/sh
pwd; echo "$0"; echo hello > left-over; chmod -R a+w shop
cat shop/price.txt; ls left* shop
if grep -q '^right$' shop/price.txt; then exit 0; fi
exit 2
>>>>> END
"""
EDIT = "<<<<< EDIT shop/price.txt\n===== FIND\nwrong\n===== REPLACE\n{}\n>>>>> END\n"
FILES = {"shop/price.txt": "wrong\n", "shop/gone.txt": "x\n"}
SETTINGS = AttemptSettings(script_timeout=PATIENCE)


@pytest.fixture
async def start(tmp_path):
    """Start a sandbox of a task's world; everything is closed at the end."""
    backend = open_backend("overlay", run=f"agent-{tmp_path.name}", state=tmp_path / "state")

    async def starts(task):
        return await backend.start(task.world(), name="base", limits=Limits())

    yield starts
    await backend.close()


async def test_an_attempt_from_test_to_patch(scripted, make_task, start):
    task = make_task(FILES, at="/home/dev/shop")
    gone = "<<<<< DELETE shop/gone.txt\n<<<<< CREATE shop/new file.txt\nnew\n>>>>> END\n"
    said = {
        "testing": [TEST, "<<<<< DONE"],
        "editing": [EDIT.format("worse"), EDIT.format("right") + gone, "<<<<< DONE"],
    }
    model = scripted(said)
    base = await start(task)
    context = Context((ContextFile("shop/price.txt", "wrong\n"),))
    candidate = await attempt(model, base, task, context, SETTINGS, "attempt-1")
    assert (candidate.ending, candidate.calls) == (Ending.FINISHED, 5)
    assert candidate.test_before.exit_code == 2 and candidate.test_before.output.startswith(
        ".\n./winnow_issue_check.sh\n"
    )
    after = model.at("editing")[-1].messages[-1].content
    assert "Exit code: 0" in after and "new file.txt" in after
    changed = {"shop/price.txt": b"right\n", "shop/gone.txt": None, "shop/new file.txt": b"new\n"}
    assert apply_patch(task.snapshot.tree, candidate.patch) == changed
    assert sorted(path.name for path in (task.snapshot.tree / "shop").iterdir()) == ["gone.txt", "price.txt"]


async def test_runs_do_not_see_each_other(make_task, start):
    base = await start(make_task(FILES))
    script = parse_script(TEST)
    runs = [
        await run_script(base, f"copy-{i}", script, {}, timeout=PATIENCE, normalise=str) for i in range(2)
    ]
    assert runs[0] == runs[1] and runs[0].exit_code == 2


async def test_a_base_that_has_a_patch_already(make_task, start):
    base = await start(make_task(FILES))
    await base.write("shop/price.txt", b"right\n")
    run = await run_script(base, "copy", parse_script(TEST), {}, timeout=PATIENCE, normalise=str)
    assert run.exit_code == 0


async def test_a_script_that_never_ends_leaves_what_it_said(make_task, start):
    base = await start(make_task(FILES))
    script = parse_script("<<<<< TEST\n#!/bin/sh\necho begun\nsleep 3600 & sleep 3600\n>>>>> END")
    for limit in (0.5, 5, 50):  # a slow machine may have come to no word within the first ones
        run = await run_script(base, f"copy-{limit}", script, {}, timeout=limit, normalise=str)
        assert (run.exit_code, run.ended) == (124, "timeout")
        if run.output:
            break
    assert "begun" in run.output


async def test_output_that_is_no_text(make_task, start):
    base = await start(make_task(FILES))
    script = parse_script("<<<<< TEST\n#!/bin/sh\nprintf 'a\\377\\000b\\r\\n'\n>>>>> END")
    run = await run_script(base, "copy", script, {}, timeout=PATIENCE, normalise=lambda output: output)
    assert run.exit_code == 0 and run.output.startswith("a\N{REPLACEMENT CHARACTER}")

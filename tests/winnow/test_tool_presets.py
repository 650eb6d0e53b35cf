"""The presets by tools, from the command to a chosen patch, without a server: a file of rules answers.

What selection asks besides gets an answer that it cannot use (but the judge can): it must do without.
"""

from __future__ import annotations

import json

import pytest
import toy

from store import open_store

pytestmark = pytest.mark.overlay

FIX = f"sed -i 's/    return .*join(names\\[:-1\\])/{toy.RIGHT}/' names.py"
RULES = {
    "rules": [
        {"at": "agent/0$", "reply": "I mend it.", "calls": [{"name": "bash", "arguments": {"command": FIX}}]},
        {"at": "agent/1$", "calls": [{"name": "submit"}]},
        {"reply": "YES", "logprobs": {"YES": -0.1, "NO": -2.3}},
    ]
}
TEXT_RULES = {
    "rules": [
        {"at": "agent/0$", "reply": f"I mend it.\n\n```bash\n{FIX}\n```\n"},
        {"at": "agent/1$", "reply": "```submit\n```"},
    ]
}


@pytest.mark.parametrize(
    "rules, words",
    [
        (RULES, ["--preset", "agent", "--attempts", "2"]),
        (TEXT_RULES, ["--preset", "mini", "-o", 'tools.use=["bash"]', "-o", "tools.calls=text"]),
    ],
)
def test_a_preset_by_tools_chooses_a_patch(home, tmp_path, rules, words):
    checkout = toy.make_repository(tmp_path / "repo")
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(rules))
    model = ["--model", f"deterministic:{file}", "--sandbox", "overlay"]
    done = home.run("solve", str(checkout), "--issue", toy.ISSUE, *model, *words)
    assert done.returncode == 0, done.stderr
    assert "Chosen: attempt-1" in done.stdout and f"+{toy.RIGHT}" in done.stdout
    with open_store(home.store) as store:
        [run] = [row.run for row in store.runs()]
        [task] = [row.task for row in store.tasks(run)]
        bodies = [json.loads(row.body) for row in store.trajectories(run, task) if row.body]
    assert all(body["ending"] == "finished" and body["calls"] == 2 for body in bodies)
    assert len(bodies) == (2 if "agent" in words else 1)


def test_an_unknown_way_or_tool_is_refused_in_a_sentence(home, tmp_path):
    checkout = toy.make_repository(tmp_path / "repo")
    for setting, said in (
        ("way=magic", "way"),
        ('tools.use=["browser"]', "tools.use"),
        ("tools.step=3", "steps"),
    ):
        done = home.run("solve", str(checkout), "--issue", "x", "--model", "gpt-5", "-o", setting)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr

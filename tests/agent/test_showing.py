"""What a model is told of a run: how it ended in one plain sentence, and never that a stopped test said something."""

import pytest

from agent import AttemptSettings, Run, shown_run

STOPPED = {
    "timeout": "It did not end within 100 seconds and was stopped (counts as a crash).",
    "memory": "It used more memory than it may and was stopped (counts as a crash).",
    "disk": "It wrote more to the disk than it may and was stopped (counts as a crash).",
}


@pytest.mark.parametrize(("ended", "sentence"), STOPPED.items())
@pytest.mark.parametrize("code", [0, 2, 137])
def test_a_limit_is_named_and_the_exit_code_says_nothing(ended, sentence, code):
    run = Run(code, "so far\n", ended)
    assert shown_run(run, AttemptSettings()).split("\n")[0] == sentence
    assert not run.shows_issue and not run.shows_solved


@pytest.mark.parametrize(
    ("code", "meaning"),
    [(2, "the issue is present"), (0, "the issue is solved"), (127, "was not found"), (139, "signal 11")],
)
def test_an_exit_code_has_a_meaning(code, meaning):
    assert meaning in shown_run(Run(code, ""), AttemptSettings())


def test_only_the_agreed_exit_codes_say_something():
    assert [(run.shows_issue, run.shows_solved) for run in map(Run, (2, 0, 1), ("", "", ""))] == [
        (True, False),
        (False, True),
        (False, False),
    ]

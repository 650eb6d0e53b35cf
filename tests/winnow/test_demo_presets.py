"""Presets on the demo's issue, from recordings that were made through the model desk: prompts, replies, choice, grade.

Each recording in winnow/demo_data/presets is replayed, with the few attempts that it was made with (so that it is
small): a changed prompt is told by its digest, a changed execution by its outcome, a wrong choice by the tests of the
fixed version. The project comes from the package index, once for all of them.
"""

from __future__ import annotations

import pytest
from winnow_home import Home

from winnow.demo import PRESET, recorded

pytestmark = [pytest.mark.overlay, pytest.mark.xdist_group("demo"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def demo_home(tmp_path_factory) -> Home:
    """One data folder for all, so that the project is fetched once."""
    return Home(tmp_path_factory.mktemp("demo-presets") / "home")


@pytest.mark.parametrize("preset", [name for name in recorded() if name != PRESET])
def test_a_recorded_preset_solves_the_demos_issue(demo_home, preset):
    done = demo_home.run("demo", "--preset", preset, "--sandbox", "overlay")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "Every execution ended as in the recording." in done.stdout
    assert "Graded with the tests of the fixed version (4.16.0): resolved" in done.stdout


def test_a_preset_without_a_recording_is_refused_in_a_sentence(home):
    done = home.run("demo", "--preset", "evoscal")
    assert done.returncode != 0 and "evoscale" in done.stderr and "Traceback" not in done.stderr

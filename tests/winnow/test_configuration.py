"""Where configuration comes from, which source wins, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from winnow.configuration import WrongConfiguration
from winnow.configuration_sources import changed_keys, configured

MODEL = {"model": {"name": "x"}}


def made(options=None, environ=None, **sources):
    return configured({**MODEL, **(options or {})}, environ=environ or {}, **sources)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(
        'attempts = 3\n[model]\nname = "of the file"\nconcurrency = 7\n[attempt]\ntemperature = 0.9\n'
    )
    return path


def test_later_sources_win_over_former_ones_key_by_key(file):
    environ = {"WINNOW_ATTEMPTS": "4", "WINNOW_MODEL__CONCURRENCY": "8"}
    words = ["model.concurrency=9", "selection.keep=2"]
    assert made().attempts == 10 and made().attempt.temperature == 0.5  # the preset's
    of_file = configured({}, file=file, environ={})
    assert (of_file.attempts, of_file.model.name, of_file.model.concurrency) == (3, "of the file", 7)
    of_all = configured({"attempts": 5}, file=file, environ=environ, words=words)
    assert (of_all.attempts, of_all.model.concurrency, of_all.selection.keep) == (5, 9, 2)
    assert of_all.model.name == "of the file" and of_all.attempt.temperature == 0.9
    assert configured({}, file=file, environ=environ).attempts == 4


def test_words_are_typed_by_the_model_and_none_can_be_said(file):
    words = ["attempt.temperature=none", "selection.regressions=false", "model.name=7", "budget.usd=2.5"]
    said = configured({}, file=file, words=words, environ={})
    assert said.attempt.temperature is None and said.selection.regressions is False
    assert said.model.name == "7" and said.budget.usd == 2.5
    nothing_said = made({"attempts": None, "budget": {"usd": None}}, words=["attempts=2", "budget.usd=1"])
    assert (nothing_said.attempts, nothing_said.budget.usd) == (2, 1.0)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("atempts=3", "attempts"),
        ("model.concurency=3", "concurrency"),
        ("limits.sandbox=3", "sandboxes"),
        ("attempts=many", "many"),
        ("attempts=0", "attempts"),
        ("attempts", "key=value"),
        ("=3", "key=value"),
        ("model..name=3", "key=value"),
        ("context={", "JSON"),
        ("data.dataset=x", "data"),
        ("forked_from=x", "forked_from"),
        ("preset=codemonkey", "codemonkeys"),
    ],
)
def test_what_cannot_be_is_one_sentence_with_the_nearest_key(word, said):
    with pytest.raises(WrongConfiguration, match=said) as error:
        made(words=[word])
    assert "\n" not in str(error.value)


def test_files_and_variables_that_cannot_be(tmp_path):
    (tmp_path / "bad.toml").write_text("attempts = ")
    (tmp_path / "unknown.toml").write_text("[modell]\nname = 'x'\n")
    for name, said in (("bad.toml", "TOML"), ("none.toml", "none.toml"), ("unknown.toml", "'model'")):
        with pytest.raises(WrongConfiguration, match=said):
            made(file=tmp_path / name)
    with pytest.raises(WrongConfiguration, match="WINNOW_MODLE__NAME.*'model'"):
        made(environ={"WINNOW_MODLE__NAME": "x"})
    ignored = {"WINNOW_HOME": "/x", "WINNOW_STORE": "y", "WINNOW_KILLS": "4", "WINNOW_ATTEMPTS": ""}
    assert made(environ=ignored) == made()


def test_a_model_must_be_named():
    with pytest.raises(WrongConfiguration, match="model"):
        configured({}, environ={})


def test_differences_are_named_by_their_dotted_keys():
    one, other = made({"attempts": 3}), made({"attempts": 4, "budget": {"usd": 2}})
    assert changed_keys(one, other) == {"attempts": (3, 4), "budget.usd": (None, 2.0)}
    assert changed_keys(one, one) == {}
    stored = type(one).model_validate_json(one.model_dump_json())
    assert changed_keys(one, stored) == {} and json.loads(one.model_dump_json())["attempts"] == 3

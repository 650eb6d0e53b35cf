"""What counts as a credential, where it is found in URLs, and how a reply loses it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Choice, Message, ModelError, Refused, Reply, TokenLogprob, ToolCall
from models.secrets import KnownSecrets, strip_urls
from models.secrets.replies import redacted_reply
from models.secrets.settings import hide, hide_all, reveal
from models.secrets.words import is_credential, is_secret_parameter, is_secret_variable

KEY = "sk-proj-9fK2_LmQ7vTz41xWb"


@pytest.fixture
def known():
    secrets = KnownSecrets()
    secrets.learn(KEY, "OPENAI_API_KEY")
    return secrets


@pytest.mark.parametrize(
    "url, stripped",
    [
        ("http://user:pass@host/v1", "http://***@host/v1"),
        ("https://ghp_token@github.com/o/r.git", "https://***@github.com/o/r.git"),
        ("https://x-access-token:abc@github.com/o/r", "https://***@github.com/o/r"),
        ("http://a:p@ss@host/", "http://***@host/"),
        ("http://a:p/s?s@host/", "http://***@host/"),
        ("HTTPS://:pass@host", "HTTPS://***@host"),
        ("ssh://git@host/r", "ssh://git@host/r"),
        ("git@host:o/r.git", "git@host:o/r.git"),
        ("http://host:8000/@cf/model", "http://host:8000/@cf/model"),
        ("http://h/v1?key=1&api-version=2", "http://h/v1?key=***&api-version=2"),
        ("http://h/v1?a=b;API_KEY=1", "http://h/v1?a=b;API_KEY=***"),
        ("http://h/v1?%6bey=1", "http://h/v1?%6bey=***"),
        ("http://h/?X-Amz-Signature=1&X-Amz-Credential=2&X-Amz-Date=3",
         "http://h/?X-Amz-Signature=***&X-Amz-Credential=***&X-Amz-Date=3"),
        ("http://h/?sv=1&sig=a%2Bb", "http://h/?sv=1&sig=***"),
        ("http://h/#access_token=1", "http://h/#access_token=***"),
        ("http://h/?next=http%3A%2F%2Fu%3Ap%40i", "http://h/?next=***"),
        ("http://h/?keyword=a&author=b&max_tokenizer=c", "http://h/?keyword=a&author=b&max_tokenizer=c"),
        ("two: http://a:b@c/ and 'http://h?token=x'.", "two: http://***@c/ and 'http://h?token=***'."),
    ],
)  # fmt: skip
def test_credentials_of_urls(url, stripped):
    assert strip_urls(url) == stripped
    assert strip_urls(stripped) == stripped


PARAMETERS = (
    "key apikey api_key access_token sig signature sas code auth password X-Goog-Signature subscription-key"
)


@pytest.mark.parametrize("name", [*PARAMETERS.split(), "client_secret", "jwt", "sessionid"])
def test_parameters(name):
    assert is_secret_parameter(name) and is_secret_parameter(name.upper())


@pytest.mark.parametrize(
    "word",
    [
        "test",
        "EMPTY",
        "none",
        "x",
        "",
        "sk-none",
        "password",
        "sunflower",
        "Localhost",
        "20261201",
        "xxxxxxxxx",
        "python3",
        "test-1",
        "abc123",
        "127.0.0.1",
        "s3c",
    ],
)
def test_words_that_are_too_ordinary(word):
    """They are nowhere taken out of a text, but a URL's place for them is hidden all the same."""
    secrets = KnownSecrets({"OPENAI_API_KEY": word})
    text = f"A test of nothing: none of {word} is EMPTY."
    assert not is_credential(word) and secrets.redact_reply(text) == text
    assert strip_urls(f"http://a:{word}@h") == "http://***@h"


def test_short_ones_and_pairs():
    secrets = KnownSecrets()
    assert secrets.learn_address("http://winnow:pw@h/v1?key=s3cr3t") == "http://***@h/v1?key=***"
    assert (
        secrets.redact_reply("winnow says winnow:pw, d2lubm93OnB3 and s3cr3t")
        == "winnow says ***, *** and ***"
    )
    secrets.learn_address("http://user:pass@h")
    assert secrets.redact_reply("http://user:pass@h") == "http://user:pass@h"


def test_variables_of_the_environment():
    environment = {
        "HTTPS_PROXY": "http://me:proxy-pass-1@proxy:3128",
        "UV_INDEX_OURS_PASSWORD": "indexpass1",
        "PIP_INDEX_URL": "https://me:pip-pass-77@index/simple",
        "GITHUB_TOKEN": "0123abcd0123abcd",
        "MYSQL_PWD": "my-sql-pwd-3",
        "PATH": "/usr/bin:/bin",
        "PWD": "/home/me/0123abcd",
        "KEY_FILE": "/etc/key-file-1",
        "TOKENIZERS_PARALLELISM": "false",
        "KEYCLOAK_URL": "http://localhost:8080/auth",
    }
    text = " ".join(environment.values())
    assert KnownSecrets(environment).redact(text) == (
        "http://me:***@proxy:3128 *** https://me:***@index/simple *** *** /usr/bin:/bin /home/me/0123abcd "
        "/etc/key-file-1 false http://localhost:8080/auth"
    )
    assert not is_secret_variable("SSH_KEY", "~/.ssh/id_ed25519")


def test_pieces(known):
    """A key in several tokens, in several parts of the reasoning, in an argument as escapes, in the names of fields."""
    escaped = "".join(f"\\u{ord(c):04x}" for c in KEY)
    reply = Reply(
        (
            Choice(
                Message(
                    "assistant",
                    f"See {KEY}.",
                    tool_calls=(ToolCall(KEY, f"f_{KEY}", f'{{"a": "{escaped}", "{KEY}": 1}}'),),
                    thinking=json.dumps(
                        {"reasoning_details": [{"t": "x", "text": t} for t in (KEY[:5], KEY[5:])]}
                    ),
                ),
                logprobs=(
                    TokenLogprob("a " + KEY[:3], -1.0, ((KEY[:3], -1.0),)),
                    TokenLogprob(KEY[3:] + " b", -2.0),
                ),
            ),
        ),
        served_by=KEY,
        notes=(f"a note of {KEY}",),
    )
    cleaned = redacted_reply(reply, known)
    whole = cleaned.to_json()
    assert KEY[3:] not in whole and KEY[5:] not in whole and escaped not in whole and KEY[:5] not in whole
    assert cleaned.text == "See ***." and json.loads(cleaned.choices[0].message.tool_calls[0].arguments) == {
        "a": "***",
        "***": 1,
    }
    assert [token.token for token in cleaned.choices[0].logprobs] == ["a ***", " b"]
    assert redacted_reply(cleaned, known) == cleaned


def test_a_key_that_was_cut_off(known):
    assert known.redact_reply(f"My key is {KEY[:-3]}") == "My key is ***"
    assert known.redact_reply(f"My key is {KEY[:7]}") == f"My key is {KEY[:7]}"


@given(st.text(), st.text(alphabet='abc\\"%&#;ux0123456789+/=-_. \n'))
def test_a_text_without_a_secret_stays_as_it_is(text, hard):
    secrets = KnownSecrets()
    secrets.learn(KEY)
    for one in (text, hard):
        assert secrets.redact_reply(one) == one and secrets.redact(one) == one


@given(
    st.lists(st.integers(min_value=0, max_value=len(KEY)), max_size=6), st.text(alphabet="ab%\\", max_size=5)
)
def test_wherever_a_text_is_cut_into_pieces(cuts, around):
    secrets = KnownSecrets()
    secrets.learn(KEY)
    text = around + KEY + around
    at = sorted({0, *(cut + len(around) for cut in cuts), len(text)})
    pieces = [text[a:b] for a, b in zip(at, at[1:], strict=False)]
    assert "".join(secrets.redact_pieces(pieces)) == f"{around}***{around}"


def test_settings_keep_what_is_needed_in_memory_only(monkeypatch):
    whole = "http://me:pass-word-9@h:1/v1?key=abc-def-12"
    settings = hide_all({"model": {"api_base": whole}, "list": ["a", whole], "n": 1})
    assert "pass-word-9" not in repr(settings) and "abc-def-12" not in repr(settings)
    assert reveal(settings["model"]["api_base"]) == whole
    assert reveal(hide("http://h/v1")) == "http://h/v1" and reveal("echo *** of ?") == "echo *** of ?"
    with pytest.raises(Refused, match="without its password or key: give it again with --api-base URL"):
        reveal("http://***@elsewhere/v1")
    monkeypatch.setenv("WINNOW_MODEL__API_BASE", "http://x:y-12345678@elsewhere/v1")
    assert reveal("http://***@elsewhere/v1") == "http://x:y-12345678@elsewhere/v1"


def test_errors_have_no_credentials_in_their_sentences():
    assert "p4ss" not in str(ModelError("The server at http://me:p4ss@h failed."))
    assert "gh" + "p_" not in str(ModelError("It says ghp_" + "a1" * 20))

"""The user's package index for builds: what pip and uv are told reaches it, and passwords are shown nowhere."""

from environments.building import IndexNetwork
from environments.building.index import CERTIFICATES, read_index


def settings(tmp_path, text, **environ):
    config = tmp_path / ".config/pip"
    config.mkdir(parents=True, exist_ok=True)
    (config / "pip.conf").write_text(text)
    return read_index({"HOME": str(tmp_path), **environ})


def test_pips_settings_are_uvs_too(tmp_path):
    local = tmp_path / "local/simple"
    local.mkdir(parents=True)
    (tmp_path / "ca.pem").write_bytes(b"certificate")
    text = f"[global]\nindex-url = https://u:p@index.example/simple\nextra-index-url =\n    file://{local}\n    file:///gone\n"
    index = settings(tmp_path, text + f"cert = {tmp_path}/ca.pem\n")
    assert index.env["UV_DEFAULT_INDEX"] == index.env["PIP_INDEX_URL"] == "https://u:p@index.example/simple"
    assert index.env["UV_INDEX"] == f"file://{local}" and index.shows == (str(tmp_path / "local"),)
    assert index.certificates == b"certificate" and index.env["SSL_CERT_FILE"] == CERTIFICATES


def test_uvs_own_words_go_first(tmp_path):
    index = settings(tmp_path, "[global]\nindex-url = https://a/\n", UV_DEFAULT_INDEX="https://b/")
    assert index.env["UV_DEFAULT_INDEX"] == "https://b/"
    (tmp_path / ".config/uv").mkdir()
    (tmp_path / ".config/uv/uv.toml").write_text('[[index]]\nurl = "https://c/"\ndefault = true\n')
    assert settings(tmp_path, "[global]\nindex-url = https://a/\n").env["UV_DEFAULT_INDEX"] == "https://c/"


def test_passwords_are_taken_out_of_what_is_shown(tmp_path):
    index = settings(tmp_path, "")
    said = "error: https://user:secret@index.example/simple/x failed"
    assert index.plain(said) == "error: https://index.example/simple/x failed"


def test_nothing_else_of_the_hosts_environment_goes_in(tmp_path):
    index = settings(
        tmp_path,
        "",
        AWS_SECRET="x",
        OPENAI_API_KEY="x",
        HTTPS_PROXY="http://proxy",
        PIP_CONFIG_FILE="/dev/null",
    )
    assert index.env == {"HTTPS_PROXY": "http://proxy"}


def test_broken_settings_are_no_error(tmp_path):
    assert "PIP_INDEX_URL" not in settings(tmp_path, "no section\n").env


def test_a_login_is_apart_from_its_address(tmp_path):
    """What a build is told holds no password, wherever the settings have it."""
    environ = {
        "UV_DEFAULT_INDEX": "https://u%40x:p%2Fw@index.example/simple",
        "UV_INDEX": "my-own=https://other.example/a/ https://t@third.example/",
        "UV_INDEX_MY_OWN_USERNAME": "me",
        "UV_INDEX_MY_OWN_PASSWORD": "secret",
        "HTTPS_PROXY": "http://a:secret@proxy.example",
        "PIP_CONFIG_FILE": "/dev/null",
    }
    index = read_index({"HOME": str(tmp_path), **environ})
    own, third = index.extra
    assert (index.default.base, index.default.login) == ("https://index.example/simple/", ("u@x", "p/w"))
    assert (own.name, own.url, own.login) == ("my-own", "https://other.example/a/", ("me", "secret"))
    assert (third.url, third.login) == ("https://third.example/", ("t", ""))
    network = IndexNetwork(index)
    assert network.env["UV_INDEX"] == "my-own=http://127.0.0.1:61002/index/ http://127.0.0.1:61003/index/"
    for text in (repr(network.env), repr(index), repr(index.default)):
        assert "secret" not in text and "p/w" not in text and "p%2Fw" not in text
    assert read_index({"HOME": str(tmp_path)}).default.base == "https://pypi.org/simple/"

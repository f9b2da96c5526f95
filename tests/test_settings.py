"""Settings: where they come from, which mistakes are told, and that the page has them all."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from tongka.errors import Misconfigured
from tongka.settings import KEYS, SECRET, Settings, load, table, value_of

PAGE = (Path(__file__).parents[1] / "docs" / "operating" / "settings.md").read_text("utf-8")


def of_file(tmp_path, text, environment=None):
    path = tmp_path / "tongka.toml"
    path.write_text(text)
    return load(path, environment or {})


def mistakes(tmp_path, text="", environment=None):
    with pytest.raises(Misconfigured) as caught:
        of_file(tmp_path, text, environment)
    return str(caught.value).splitlines()


def test_nothing_is_required():
    loaded = load(None, {})
    assert loaded.settings == Settings()
    assert set(loaded.sources.values()) == {"default"}


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path):
    text = "[web]\nport = 9000\nworkers = 3"
    loaded = of_file(tmp_path, text, {"TONGKA_WEB_PORT": "9001"})
    assert (loaded.settings.web.port, loaded.settings.web.workers, loaded.settings.web.host) == (9001, 3, "127.0.0.1")
    assert loaded.sources["web.port"] == "TONGKA_WEB_PORT"
    assert loaded.sources["web.workers"] == str(tmp_path / "tongka.toml")
    assert loaded.sources["web.host"] == "default"


def test_the_file_may_be_named_by_a_variable(tmp_path):
    (tmp_path / "x.toml").write_text('mode = "production"')
    assert load(None, {"TONGKA_CONFIG": str(tmp_path / "x.toml")}).settings.mode == "production"


def test_database_url_is_read_as_everybody_expects_and_our_own_name_wins():
    environment = {"DATABASE_URL": "postgresql://a/b"}
    assert load(None, environment).settings.database.url == "postgresql://a/b"
    environment["TONGKA_DATABASE_URL"] = "postgresql://c/d"
    assert load(None, environment).settings.database.url == "postgresql://c/d"
    assert load(None, {"DATABASE_URL": ""}).settings.database.url == ""


def test_a_self_contained_file_says_alone_which_installation_it_is(tmp_path):
    text = "self_contained = true\n[database]\npool_max = 7\n[keys]\nuri = 'software:a.json'"
    elsewhere = {
        "TONGKA_MODE": "production",
        "TONGKA_SELF_CONTAINED": "false",
        "DATABASE_URL": "postgresql://a/b",
        "TONGKA_DATABASE_URL": "postgresql://c/d",
        "TONGKA_DATABASE_DATA_DIR": "/elsewhere",
        "TONGKA_KEYS_URI": "software:b.json",
        "TONGKA_MERCHANT_GATEWAY": "https://gateway.example",
        "TONGKA_ALIPAY_APP_ID": "2021",
        "TONGKA_WECHAT_MERCHANT_ID": "1900",
    }
    loaded = of_file(tmp_path, text, elsewhere | {"TONGKA_LOG_LEVEL": "error", "TONGKA_DATABASE_POOL_MAX": "9"})
    assert loaded.settings == msgspec.convert(
        {
            "self_contained": True,
            "database": {"pool_max": 9},
            "keys": {"uri": "software:a.json"},
            "log": {"level": "error"},
        },
        Settings,
    )
    assert sorted(loaded.unread) == sorted(elsewhere)


@pytest.mark.parametrize("text", ["", "self_contained = false"])
def test_the_environment_leads_any_other_file_elsewhere(tmp_path, text):
    loaded = of_file(tmp_path, text, {"TONGKA_DATABASE_URL": "postgresql://c/d"})
    assert (loaded.settings.database.url, loaded.unread) == ("postgresql://c/d", ())


def test_a_self_contained_file_does_not_hide_misspelled_variables(tmp_path):
    (mistake,) = mistakes(tmp_path, "self_contained = true", {"TONGKA_KEYS_URL": "x"})
    assert mistake.startswith("TONGKA_KEYS_URL")


def test_variables_are_text_lists_are_separated_by_commas():
    environment = {"TONGKA_WEB_BEHIND_TLS": "true", "TONGKA_WEB_TRUSTED_PROXIES": "10.0.0.1, 10.0.0.2"}
    web = load(None, environment).settings.web
    assert (web.behind_tls, web.trusted_proxies) == (True, ("10.0.0.1", "10.0.0.2"))


@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: key.name)
def test_every_key_is_read_from_its_variable_and_bad_values_name_it(key, tmp_path):
    default = value_of(Settings(), key.name)
    text = ",".join(default) if key.is_list else str(default).lower() if isinstance(default, bool) else str(default)
    assert load(None, {key.variable: text}).sources[key.name] == key.variable
    if not isinstance(default, str | tuple):
        (mistake,) = mistakes(tmp_path, environment={key.variable: "no such value"})
        assert mistake.startswith(f"{key.name} (from {key.variable}): ")
        assert mistake.endswith(key.description)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('mode = "test"', "mode"),
        ("[web]\nport = 70000", "web.port"),
        ('[web]\nport = "80"', "web.port"),
        ("[web]\nmax_body = 10", "web.max_body"),
        ('[web]\ntrusted_proxies = "10.0.0.1"', "web.trusted_proxies"),
        ("[database]\npool_max = 0", "database.pool_max"),
        ('[database]\nurl = "mysql://h/d"', "database.url"),
        ('[keys]\nuri = "keys.json"', "keys.uri"),
        ('[city]\nday_cut = "24:00"', "city.day_cut"),
        ('[city]\nday_cut = "7:00"', "city.day_cut"),
        ("[city]\nshared_load_keys = 1", "city.shared_load_keys"),
        ('[log]\nlevel = "loud"', "log.level"),
        ("[web]\nprot = 80", "web.prot"),
        ("[wbe]\nport = 80", "wbe.port"),
        ("web = 5", "web"),
    ],
)
def test_a_mistake_in_the_file_names_its_key_and_the_file(tmp_path, text, key):
    (mistake,) = mistakes(tmp_path, text)
    assert mistake.startswith(f"{key} (from {tmp_path / 'tongka.toml'}): ")


def test_a_variable_that_does_not_exist_is_a_mistake_but_for_the_tests_own(tmp_path):
    (mistake,) = mistakes(tmp_path, environment={"TONGKA_WEB_PROT": "80"})
    assert mistake.startswith("TONGKA_WEB_PROT")
    load(None, {"TONGKA_TEST_DATABASE_URL": "x"})


def test_all_mistakes_are_told_at_once(tmp_path):
    found = mistakes(tmp_path, 'mode = "x"\n[web]\nport = -1\nno = 1', {"TONGKA_LOG_FORMAT": "xml"})
    assert len(found) == 4


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[database]\npool_min = 9\npool_max = 8", "database.pool_min"),
        ('[web]\ntls_certificate = "c.pem"', "web.tls_certificate"),
        ('[web]\nbehind_tls = true\ntls_certificate = "c"\ntls_key = "k"', "web.behind_tls"),
    ],
)
def test_settings_that_contradict_each_other_are_a_mistake(tmp_path, text, key):
    (mistake,) = mistakes(tmp_path, text)
    assert mistake.startswith(key)


@pytest.mark.parametrize("text", ["[web", "mode = ", "[web]\nport = 1\nport = 2"])
def test_a_file_that_is_not_toml_is_a_mistake_that_names_it(tmp_path, text):
    (mistake,) = mistakes(tmp_path, text)
    assert str(tmp_path / "tongka.toml") in mistake


def test_a_file_that_is_not_there_is_a_mistake(tmp_path):
    with pytest.raises(Misconfigured, match="cannot be read"):
        load(tmp_path / "none.toml", {})


def test_secrets_are_masked():
    loaded = load(None, {"DATABASE_URL": "postgresql://tongka:secret@h/d"})
    shown = {key.name: value for key, value, _ in loaded.shown()}
    assert shown["database.url"] == SECRET
    assert "secret" not in "".join(shown.values())


def test_the_page_has_the_table_of_all_settings():
    assert table() in PAGE
    assert table().count("\n") == len(KEYS) + 1


def test_the_example_of_the_page_is_read(tmp_path):
    example = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1]
    assert of_file(tmp_path, example).settings.mode == tomllib.loads(example)["mode"] == "production"

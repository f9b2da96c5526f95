"""Production refuses what is fit for trials only, all of it at once, and the sandbox does not mind."""

import msgspec
import pytest

from tongka.errors import Misconfigured
from tongka.production import DURABLE, PRODUCTION, complaints, live_complaints, refuse_astray, refuse_unsafe
from tongka.settings import Settings

DURABLE_SERVER = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


@pytest.fixture
def safe(tmp_path):
    """Production settings without fault, as a plain dict of sections."""
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("x")
    passphrase.chmod(0o600)
    return {
        "mode": "production",
        "database": {"url": "postgresql://tongka@db.example/tongka?sslmode=verify-full"},
        "web": {"behind_tls": True, "trusted_proxies": ["10.0.0.1"]},
        "keys": {"uri": "software:/etc/tongka/keys.json", "passphrase_file": str(passphrase)},
        "log": {"level": "info"},
    }


def settings(sections, changed=None):
    for name, values in (changed or {}).items():
        sections = sections | {name: sections.get(name, {}) | values}
    return msgspec.convert(sections, Settings)


NOTIFIED = {"payments": {"notify_url": "https://city.example/notices"}}
UNSAFE = [
    ("web.behind_tls", {"web": {"behind_tls": False}}),
    ("web.trusted_proxies", {"web": {"trusted_proxies": []}}),
    ("web.trusted_proxies", {"web": {"trusted_proxies": ["10.0.0.1", "*"]}}),
    ("keys.passphrase_file", {"keys": {"passphrase_file": ""}}),
    ("keys.passphrase_file", {"keys": {"passphrase_file": "/no such file"}}),
    ("keys.passphrase_file", {"keys": {"passphrase_file": "/etc/passwd"}}),
    ("keys.passphrase_file", {"keys": {"passphrase_file": "passphrase"}}),
    ("keys.uri", {"keys": {"uri": "software:keys.json"}}),
    ("keys.companion_file", {"keys": {"uri": "pkcs11:token=t?module-path=/m.so", "companion_file": "companion.json"}}),
    ("database.url", {"database": {"url": ""}}),
    ("database.url", {"database": {"url": "", "data_dir": "var"}}),
    ("keys.uri, keys.companion_file", {"keys": {"uri": "software:/etc/passwd"}}),
    ("database.url", {"database": {"url": "postgresql://tongka@db.example/tongka"}}),
    ("database.url", {"database": {"url": "postgresql://tongka@db.example/tongka?sslmode=prefer"}}),
    ("database.url", {"database": {"url": "postgresql://tongka@/tongka?host=/run,db.example"}}),
    ("payments.institution", {"payments": {"institution": "simulator"}}),
    ("pages.redirects", {"pages": {"ticket_key_file": "/etc/tongka/pages.key"}}),
    ("alipay.gateway", {"alipay": {"app_id": "1", "gateway": "http://openapi.example"}} | NOTIFIED),
    ("wechat.gateway", {"wechat": {"merchant_id": "1", "gateway": "http://api.example"}} | NOTIFIED),
    ("payments.notify_url", {"alipay": {"app_id": "1"}, "payments": {"notify_url": "http://city.example"}}),
    ("payments.notify_url", {"wechat": {"merchant_id": "1"}}),
    ("log.level", {"log": {"level": "debug"}}),
]


def test_safe_settings_start(safe):
    refuse_unsafe(settings(safe), DURABLE_SERVER, sandbox_keys=False)


@pytest.mark.parametrize(
    "changed",
    [
        {"database": {"url": "", "data_dir": "/var/lib/tongka"}},
        {"keys": {"uri": "pkcs11:token=t?module-path=/m.so", "companion_file": "/etc/tongka/companion.json"}},
        {"database": {"url": "postgresql://tongka@localhost/tongka"}},
        {"database": {"url": "postgresql://tongka@/tongka?host=%2Frun%2Fpostgresql"}},
        {"web": {"behind_tls": False, "trusted_proxies": [], "tls_certificate": "c.pem", "tls_key": "k.pem"}},
    ],
)
def test_other_safe_settings_start(safe, changed):
    assert complaints(settings(safe, changed)) == []


@pytest.mark.parametrize(("key", "changed"), UNSAFE)
def test_each_unsafe_setting_is_refused_by_its_key(safe, key, changed):
    (complaint,) = complaints(settings(safe, changed))
    assert complaint.startswith(f"{key}: ")


def test_every_check_has_a_case_that_fails_it(safe):
    failed = {complaint for _, changed in UNSAFE for complaint in complaints(settings(safe, changed))}
    assert failed == {check.complaint for check in PRODUCTION}


@pytest.mark.parametrize("name", DURABLE)
@pytest.mark.parametrize("value", ["off", None])
def test_a_database_that_loses_commits_is_refused(safe, name, value):
    (complaint,) = live_complaints(settings(safe), DURABLE_SERVER | {name: value})
    assert name in complaint


def test_sandbox_keys_are_refused(safe):
    with pytest.raises(Misconfigured, match=r"keys\.uri: these are sandbox keys"):
        refuse_unsafe(settings(safe), DURABLE_SERVER, sandbox_keys=True)


def test_keys_that_are_worth_something_are_refused_where_the_mode_was_forgotten(safe):
    with pytest.raises(Misconfigured, match="mode: is sandbox, and the keys are not; set it to production"):
        refuse_unsafe(settings(safe | {"mode": "sandbox"}), {}, sandbox_keys=False)


def test_places_that_depend_on_where_a_command_is_typed_are_refused_before_anything_is_opened(safe):
    astray = settings(safe, {"database": {"url": ""}, "keys": {"uri": "software:keys.json", "passphrase_file": "p"}})
    with pytest.raises(Misconfigured, match=r"database\.url: (.|\n)*keys\.uri: (.|\n)*keys\.passphrase_file: "):
        refuse_astray(astray)
    refuse_astray(settings(safe))
    refuse_astray(Settings())


def test_all_faults_are_told_at_once(safe):
    unsafe = settings(safe, {"log": {"level": "debug"}, "web": {"behind_tls": False}})
    with pytest.raises(Misconfigured) as caught:
        refuse_unsafe(unsafe, DURABLE_SERVER | {"fsync": "off"}, sandbox_keys=True)
    assert len(str(caught.value).splitlines()) == 4


def test_the_sandbox_minds_nothing_of_this():
    refuse_unsafe(Settings(), {"fsync": "off"}, sandbox_keys=True)

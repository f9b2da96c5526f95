"""Each of the usual mistakes with keys is told by its name, and no key is repeated."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

import certified
from fake_institutions import new_key
from tongka.cli import payments as command
from tongka.errors import Misconfigured
from tongka.payments.accounts import alipay_account, connect
from tongka.payments.alipay import Alipay as Acquirer
from tongka.payments.check_certificates import chain_complaints, own_complaints
from tongka.payments.check_keys import PRIVATE, PUBLIC, Form, api_key_complaints, complaints, recognise
from tongka.payments.key_files import complaints_of
from tongka.settings import Settings
from tongka.settings_payments import Alipay, Payments

PEM = serialization.Encoding.PEM
KEY = rsa.generate_private_key(65537, 2048)
THEIRS = rsa.generate_private_key(65537, 2048)
NOW = datetime(2026, 3, 2, tzinfo=UTC)
PLAIN = serialization.NoEncryption()


def private(key, form=serialization.PrivateFormat.PKCS8, cipher=PLAIN) -> str:
    return key.private_bytes(PEM, form, cipher).decode()


def public(key, form=serialization.PublicFormat.SubjectPublicKeyInfo) -> str:
    return key.public_key().public_bytes(PEM, form).decode()


def certificate() -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    built = x509.CertificateBuilder(name, name, KEY.public_key(), 1, NOW, NOW + timedelta(days=1))
    return built.sign(KEY, hashes.SHA256()).public_bytes(PEM).decode()


TEXTS = {
    Form.PRIVATE_PKCS8: private(KEY),
    Form.PRIVATE_PKCS1: private(KEY, serialization.PrivateFormat.TraditionalOpenSSL),
    Form.PUBLIC_SPKI: public(KEY),
    Form.PUBLIC_PKCS1: public(KEY, serialization.PublicFormat.PKCS1),
    Form.CERTIFICATE: certificate(),
    Form.ENCRYPTED: private(KEY, cipher=serialization.BestAvailableEncryption(b"x")),
    Form.BARE: "".join(public(KEY).splitlines()[1:-1]),
    Form.OTHER_KIND: private(ec.generate_private_key(ec.SECP256R1())),
    Form.UNKNOWN: "hello",
}


@pytest.mark.parametrize("form", Form)
def test_every_form_is_recognised(form):
    assert recognise(TEXTS[form]).form is form


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("wanted", [PRIVATE, PUBLIC])
def test_only_what_belongs_there_is_good(form, wanted):
    found = list(complaints("alipay.app_key_file", TEXTS[form], wanted))
    assert bool(found) is (form not in wanted)
    assert all(line.startswith("alipay.app_key_file: ") for line in found)
    assert not any(part in line for line in found for part in TEXTS[form].split() if len(part) > 20)


def test_our_own_public_key_in_the_place_of_theirs_is_told():
    assert list(complaints("k", public(KEY), PUBLIC, recognise(private(KEY))))
    assert not list(complaints("k", public(THEIRS), PUBLIC, recognise(private(KEY))))


def test_a_short_key_and_a_short_api_key_are_told():
    assert list(complaints("k", private(rsa.generate_private_key(65537, 1024)), PRIVATE))  # noqa: S505 - the mistake
    assert list(api_key_complaints("k", "a" * 31))
    assert not list(api_key_complaints("k", "a" * 32))


def test_the_command_says_what_to_mend(tmp_path):
    (tmp_path / "ours.pem").write_text(private(KEY))
    (tmp_path / "theirs.pem").write_text(public(KEY))
    config = tmp_path / "tongka.toml"
    config.write_text(f"""
[alipay]
app_id = "1"
app_key_file = "{tmp_path}/ours.pem"
alipay_key_file = "{tmp_path}/theirs.pem"
""")
    done = CliRunner().invoke(command.app, ["check-keys", "--config", str(config)])
    assert done.exit_code == 1
    assert "alipay.alipay_key_file: it is our own public key" in done.output
    (tmp_path / "theirs.pem").write_text(public(THEIRS))
    assert CliRunner().invoke(command.app, ["check-keys", "--config", str(config)]).exit_code == 0
    config.write_text("")
    nothing = CliRunner().invoke(command.app, ["check-keys", "--config", str(config)])
    assert (nothing.exit_code, "nothing_connected" in nothing.stderr) == (2, True)


def chained(files: certified.Console, **other: str) -> list[str]:
    """What is told of a console's files, some of them exchanged."""
    ours = recognise(private(KEY))
    own = own_complaints("alipay.app_certificate_file", other.get("app", files.app), ours, NOW)
    names = ("alipay.alipay_certificate_file", "alipay.root_certificate_file")
    texts = (other.get("alipay", files.alipay), other.get("root", files.root))
    return [*own, *chain_complaints(names, texts, ours, NOW)]


def test_the_certificates_of_the_console_are_good():
    assert chained(certified.console(KEY, THEIRS)) == []


@pytest.mark.parametrize(
    ("file", "wrong", "told"),
    [
        ("app", lambda _, others: others.app, "app_certificate_file: it is not of the private key"),
        ("app", lambda *_: public(KEY), "app_certificate_file: it holds RSA public key, SPKI PEM"),
        ("app", lambda *_: "hello", "app_certificate_file: it holds no key that is known here"),
        ("alipay", lambda files, _: files.app, "alipay_certificate_file: it is our own certificate"),
        ("alipay", lambda _, others: others.alipay, "alipay_certificate_file: none of"),
        ("alipay", lambda files, _: files.alipay.replace("\n", "A", 5), "alipay_certificate_file: it holds"),
        ("alipay", lambda files, _: certified.pem(files.alipay_certificate), "alipay_certificate_file: none of"),
        ("root", lambda files, _: certified.pem(files.roots[0]), "root_certificate_file: none of its"),
        ("root", lambda *_: private(KEY), "root_certificate_file: it holds RSA private key"),
    ],
)
def test_each_wrong_certificate_is_told(file, wrong, told):
    files, others = certified.console(KEY, THEIRS), certified.console(THEIRS, new_key())
    found = chained(files, **{file: wrong(files, others)})
    assert any(line.startswith(f"alipay.{told}") for line in found), found


@pytest.mark.parametrize(
    ("since", "told"), [(NOW - timedelta(days=90), "ran out on 2026-03-02"), (NOW + timedelta(days=1), "is good from")]
)
def test_certificates_that_are_not_good_today_are_told(since, told):
    found = chained(certified.console(KEY, THEIRS, since=since))
    assert len(found) == 2
    assert all(told in line for line in found)


def in_certificate_mode(folder, files: certified.Console) -> Alipay:
    for name, text in (("app", files.app), ("alipay", files.alipay), ("root", files.root), ("key", private(KEY))):
        (folder / name).write_text(text)
    return Alipay(
        app_id="1",
        app_key_file=str(folder / "key"),
        app_certificate_file=str(folder / "app"),
        alipay_certificate_file=str(folder / "alipay"),
        root_certificate_file=str(folder / "root"),
        refund_days=90,
    )


def test_the_settings_of_certificate_mode_are_looked_through_file_by_file(tmp_path):
    files = certified.console(KEY, THEIRS)
    settings = Settings(alipay=in_certificate_mode(tmp_path, files))
    assert list(complaints_of(settings, NOW)) == []
    (tmp_path / "app").write_text(files.alipay)
    (tmp_path / "root").unlink()
    [root, own] = complaints_of(settings, NOW)
    assert own.startswith("alipay.app_certificate_file: it is not of the private key")
    assert root.startswith("alipay.root_certificate_file: ")


def test_alipay_opens_in_certificate_mode(tmp_path):
    ours = in_certificate_mode(tmp_path, certified.console(KEY, THEIRS))
    settings = Settings(payments=Payments(notify_url="https://city.example/notices"), alipay=ours)
    opened = connect(settings, Acquirer, alipay_account)
    assert (opened.name, opened.refund_days) == ("alipay", 90)
    (tmp_path / "alipay").write_text("hello")
    with pytest.raises(Misconfigured, match="check-keys"):
        connect(settings, Acquirer, alipay_account)

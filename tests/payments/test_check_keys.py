"""Each of the usual mistakes with keys is told by its name, and no key is repeated."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from tongka.cli import payments as command
from tongka.payments.check_keys import PRIVATE, PUBLIC, Form, api_key_complaints, complaints, recognise

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

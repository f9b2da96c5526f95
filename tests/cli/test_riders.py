"""`tongka rider` and `tongka application`, on a city's books."""

import asyncio
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner

from tongka.cli import application, merchant, rider
from tongka.sandbox import certificates
from tongka.sandbox.city import open_city
from tongka.sandbox.riding_city import APP_ID, CARD_TYPE, PREPAID_CARD_TYPE
from tongka.shell import now


@pytest.fixture(scope="module")
def city(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("city")

    async def make() -> str:
        async with open_city(folder, "127.0.0.1", 0, now) as opened:
            return list(opened.riding.users)[-1]

    (folder / "poorest").write_text(asyncio.run(make()))
    return folder


@pytest.fixture
def run(city):
    def command(group, *arguments, code=0):
        result = CliRunner().invoke(
            group.app, [*map(str, arguments), "-c", str(city / "tongka.toml")], env={"COLUMNS": "200"}
        )
        assert result.exit_code == code, result.output
        return result.output

    return command


def written(path: Path, text: bytes) -> Path:
    path.write_bytes(text)
    return path


def public_pem(key) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem(key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_a_rider_is_opened_supplied_once_and_kept_out(run, city):
    user = "2088777700000001"
    for _ in range(2):
        run(rider, "open", user, "--debt-limit-fen", 500)
        assert "has 12.34 and owes 0.00" in run(rider, "supply", user, 1234, "--reference", "till-1")
    run(rider, "supply", user, 1, "--reference", "till-1", code=2)
    run(rider, "block", user, "--note", "lost phone")
    [shown] = json.loads(run(rider, "show", user, "--json"))
    assert (shown["balance_fen"], shown["debt_limit_fen"], shown["blacklisted"]) == (1234, 500, "operator")
    assert "off the blacklist" in run(rider, "unblock", user)
    assert "was not" in run(rider, "unblock", user)
    assert user in run(rider, "list")
    assert (city / "poorest").read_text() in run(rider, "list", "--after", "2088", "--size", "1000")


def test_mistakes_are_told(run):
    run(rider, "open", "short", code=2)
    run(rider, "show", "2088999999999999", code=2)
    run(rider, "supply", "2088999999999999", 5, "--reference", "r", code=2)
    run(rider, "supply", "2088999999999999", 5, "--reference", "r", "--method", "99", code=2)
    run(rider, "block", "2088999999999999", code=2)


def test_an_application_is_added_and_keys_are_told_apart(run, tmp_path):
    key = rsa.generate_private_key(65537, 2048)
    public = written(tmp_path / "app.pub", public_pem(key))
    run(application, "save", "2021999", "--key", public, "--seller", "a@example.com", "--card-type", "GJ999999")
    assert {"2021999", APP_ID} == {one["app_id"] for one in json.loads(run(application, "list", "--json"))}
    private = written(tmp_path / "app.key", private_pem(key))
    assert "signs the application's requests" in run(application, "check-key", "2021999", private)
    assert "neither" in run(application, "check-key", APP_ID, public)
    platform = written(tmp_path / "platform.pub", run(application, "platform-key").encode())
    assert "gateway's own key" in run(application, "check-key", APP_ID, platform)


def test_keys_that_do_not_belong_are_refused(run, tmp_path):
    keys = {
        "private.pem": private_pem(rsa.generate_private_key(65537, 2048)),
        "short.pem": public_pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505 - to be refused
        "ec.pem": public_pem(ec.generate_private_key(ec.SECP256R1())),
        "text.pem": b"no key",
    }
    for name, text in keys.items():
        path = written(tmp_path / name, text)
        run(application, "save", "2021998", "--key", path, "--seller", "a@example.com", code=2)
    run(application, "save", "2021998", "--key", tmp_path / "absent", "--seller", "a@example.com", code=2)
    run(application, "check-key", "unknown", written(tmp_path / "k", keys["private.pem"]), code=2)


def test_a_prepaid_card_is_issued_supplied_and_given_back(run):
    user, card = "2088777700000002", (PREPAID_CARD_TYPE, "3305000000000009")
    run(rider, "open", user)
    run(merchant, "card", "issue", CARD_TYPE, card[1], user, code=2)
    run(merchant, "card", "issue", *card, "2088777700000099", code=2)
    for _ in range(2):
        run(merchant, "card", "issue", *card, user)
        assert "holds 5.00 yuan" in run(merchant, "card", "supply", *card, 500, "--reference", "one")
    run(merchant, "card", "supply", *card, 500, "--reference", "two", "--method", "99", code=2)
    run(merchant, "card", "revoke", *card)
    run(merchant, "card", "revoke", *card, code=2)
    (listed,) = json.loads(run(merchant, "card", "list", "--user", user, "--json"))
    assert (listed["state"], listed["balance_fen"], listed["told"]) == ("revoking", 500, False)


def test_an_application_is_kept_with_its_certificate_methods_and_rate(run, city, tmp_path):
    pem = private_pem(rsa.generate_private_key(65537, 2048)).decode()
    certificate = written(tmp_path / "app.crt", certificates.application_certificate(pem).encode())
    usual = ("save", "2021009900000001", "--seller", "s")
    run(application, *usual, "--certificate", certificate, "--method", "alipay.commerce.data.send", "--calls-per-s", 5)
    kept = {one["app_id"]: one for one in json.loads(run(application, "list", "--json"))}["2021009900000001"]
    assert (kept["methods"], kept["calls_per_s"], len(kept["cert_sn"])) == ("alipay.commerce.data.send", 5, 32)
    run(application, *usual)
    kept = {one["app_id"]: one for one in json.loads(run(application, "list", "--json"))}["2021009900000001"]
    assert (kept["methods"], kept["calls_per_s"], kept["cert_sn"]) == ("every one", None, "")
    nothing = written(tmp_path / "nothing.crt", b"nothing")
    for wrong in (
        ("--certificate", nothing),
        ("--method", "a.b"),
        ("--certificate", certificate, "--key", certificate),
    ):
        run(application, *usual, *wrong, code=2)

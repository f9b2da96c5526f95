"""One ring of keys, and every implementation of `Hsm` opened on it."""

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from importlib import import_module

import pytest

from keyrings import make_ring
from softhsm import PIN, Tokens, require_softhsm
from tongka.crypto.pboc import Algorithm
from tongka.keys import CardKeys, Hsm, Purpose, keyfile
from tongka.keys.keyring import KeyRing
from tongka.keys.software import SoftwareHsm
from tongka.keys.uri import parse_token_uri


@dataclass(frozen=True, slots=True)
class Opened:
    """An implementation under test, and the ring that it was made from."""

    hsm: Hsm
    ring: KeyRing
    algorithms: frozenset[Algorithm]
    undiversified: bool
    """Whether it answers all questions also of keys that are not diversified."""

    def card(self, profile, algorithm, factors=(), version=1) -> CardKeys:
        return CardKeys(f"{profile}-{algorithm.label}", algorithm, version, tuple(factors))


@pytest.fixture(scope="session")
def tokens(tmp_path_factory) -> Iterator[Tokens]:
    require_softhsm()
    yield Tokens.in_folder(tmp_path_factory.mktemp("softhsm"))
    os.environ.pop("SOFTHSM2_CONF")


@pytest.fixture(autouse=True, scope="session")
def cheap_files() -> Iterator[None]:
    """Key files that open at once; each names its own cost, so other processes open them too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keyfile, "COST", (1, 1, 64))
        yield


@pytest.fixture(scope="session")
def ring() -> KeyRing:
    return make_ring()


@pytest.fixture(params=["software", pytest.param("pkcs11", marks=pytest.mark.softhsm)])
async def opened(request, ring) -> AsyncIterator[Opened]:
    """Each implementation in turn, on the same keys."""
    if request.param == "software":
        yield Opened(SoftwareHsm(ring), ring, frozenset(Algorithm), undiversified=True)
        return
    uri = request.getfixturevalue("filled_token")
    pkcs11, token = import_module("tongka.keys.pkcs11"), import_module("tongka.keys.token")  # PyKCS11 is an extra
    hsm = pkcs11.Pkcs11Hsm(token.Token(parse_token_uri(uri), PIN), ring)
    yield Opened(hsm, ring, frozenset({Algorithm.TDES}), undiversified=False)
    await hsm.close()


@pytest.fixture(scope="session")
def filled_token(tokens, ring, tmp_path_factory) -> str:
    """A token with the ring's 3DES keys, put in through the store but for the weak one of the published log."""
    tokenstore = import_module("tongka.keys.tokenstore")
    uri, companion = tokens.new(), tmp_path_factory.mktemp("companion") / "companion.json"
    weak = ("published-3des", Purpose.LOAD, 1)
    strong = replace(ring, masters={name: key for name, key in ring.masters.items() if name != weak})
    tokenstore.prepare_token(parse_token_uri(uri), PIN, companion, strong, sandbox=False)
    store = tokenstore.TokenStore.open(parse_token_uri(uri), PIN, companion)
    store._token.now(lambda session: store._create(weak, ring.masters[weak], session))
    store.close()
    return uri

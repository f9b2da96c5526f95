"""Gates fetch what they verify with, and whom they refuse: signed, versioned, and only when it is new."""

import pytest

from tongka.code.gate_keys import read_gate_keys
from tongka.crypto import sm2
from tongka.errors import BadSignature
from tongka.journeys import gate_lists, ride_keys
from tongka.store import riders
from tongka.store.riders import CardType

BASE = "http://127.0.0.1/merchant"


@pytest.fixture
async def key(city):
    return sm2.PublicKey(await city.system.hsm.public_key(gate_lists.ENDPOINT))


@pytest.fixture
def fetch(city):
    async def ask(path, **headers):
        token = {"authorization": f"Bearer {city.gates['bus1'].token}"}
        return await city.http.get(
            f"{BASE}/{path}", headers=token | {k.replace("_", "-"): v for k, v in headers.items()}
        )

    return ask


async def test_keys_come_with_their_card_types(city, fetch, key):
    await riders.add_card_type(city.system.database, CardType("ANT00001", "bus", "", prepaid=False))
    found = read_gate_keys((await fetch("keys")).content, key)
    assert found.keys == await ride_keys.key_list(city.system, city.now[0])
    assert (found.version, list(found.card_types)) == (1, ["ANT00001"])
    await riders.add_card_type(city.system.database, CardType("GJ330500", "card", "", prepaid=False))
    again = read_gate_keys((await fetch("keys")).content, key)
    assert (again.version, list(again.card_types)) == (2, ["ANT00001", "GJ330500"])
    assert read_gate_keys((await fetch("keys")).content, key).version == 2


async def test_a_changed_list_is_not_taken(fetch, key):
    document = bytearray((await fetch("keys")).content)
    document[document.index(b"public_key") + 15] ^= 1
    with pytest.raises(BadSignature):
        read_gate_keys(bytes(document), key)


@pytest.mark.parametrize("path", ["keys", "blacklist"])
async def test_a_gate_that_has_the_version_is_told_so(fetch, path):
    first = await fetch(path)
    assert first.status_code == 200
    for known in (first.headers["etag"], f'"none", W/{first.headers["etag"]}'):
        same = await fetch(path, if_none_match=known)
        assert (same.status_code, same.content) == (304, b"")
    assert (await fetch(path, if_none_match='"none"')).status_code == 200


@pytest.mark.parametrize("path", ["keys", "blacklist"])
async def test_a_stranger_gets_nothing(city, path):
    assert (await city.http.get(f"{BASE}/{path}")).status_code == 401

"""What anybody may send: flipped bits, noise, forged addresses; nothing of it moves anything or is told why."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raw_onecard import sealed

OK = "0000"
TABLES = ("orders", "transfer", "reply", "audit", "prepaid_supply", "group_unlock")
HOSTILE = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


async def rows(onecard) -> list[int]:
    return [await onecard.world.database.read_value(f"SELECT count(*) FROM {table}") for table in TABLES]


async def messages(onecard) -> dict[str, bytes]:
    card = await onecard.card()
    init = card.init(1_000)
    counter = {"DeptNo": "d", "OperNo": "o"}
    return {
        "/tuxedo/now": sealed({"ChannelNo": "02"}),
        "/prepay/supply": sealed({"TradeID": "s", "TradeMoney": "1", "Balunitno": "B1"}),
        "/card/supply": sealed(init | card.names() | counter),
    }


async def test_no_single_flipped_bit_passes_or_leaves_a_trace(onecard):
    whole = await messages(onecard)
    before = await rows(onecard)
    for path, body in whole.items():
        for bit in range(8 * len(body)):
            flipped = bytearray(body)
            flipped[bit // 8] ^= 1 << bit % 8
            told = await onecard.desk.raw(path, bytes(flipped))
            assert told["ErrorCode"] in {"1001", "1002"}, (path, bit)
    assert await rows(onecard) == before
    for path, body in whole.items():
        assert (await onecard.desk.raw(path, body))["ErrorCode"] == OK


@HOSTILE
@given(body=st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
async def test_noise_is_answered(onecard, body):
    assert (await onecard.desk.raw("/group/verify", body))["ErrorCode"] == "1002"


async def test_a_message_of_one_operation_is_none_of_another(onecard):
    for body in (await messages(onecard)).values():
        assert (await onecard.desk.raw("/group/pwmodify", body))["ErrorCode"] == "1002"

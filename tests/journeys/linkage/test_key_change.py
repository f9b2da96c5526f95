"""A channel's key is changed without an outage: the next one makes tokens beside the present one, and then alone."""

from datetime import timedelta

import pytest

from raw_onecard import CHANNEL, DOMAIN, KEY, sealed
from tongka.errors import UnknownParty
from tongka.partners.linkage.channels import REFRESH, key_context
from tongka.store import channels

NEXT = "0123456789ABCDEF" * 2


async def taken(onecard, key):
    """Whether a token of this key is believed, once every process has looked again."""
    onecard.world.pass_time(seconds=(REFRESH + timedelta(seconds=1)).total_seconds())
    answer = await onecard.desk.raw("/tuxedo/now", sealed({"ChannelNo": CHANNEL}, key=key))
    return answer["ErrorCode"] == "0000"


async def test_both_keys_make_tokens_while_the_channel_changes_over_and_then_the_new_one_alone(onecard):
    world = onecard.world
    sealed_key = await world.system.hsm.seal(NEXT.encode(), key_context(DOMAIN, CHANNEL))
    assert [await taken(onecard, key) for key in (KEY, NEXT)] == [True, False]
    await channels.set_next_key(world.database, DOMAIN, CHANNEL, sealed_key)
    assert [await taken(onecard, key) for key in (KEY, NEXT, "F" * 32)] == [True, True, False]
    await channels.promote(world.database, DOMAIN, CHANNEL)
    assert [await taken(onecard, key) for key in (KEY, NEXT)] == [False, True]
    with pytest.raises(UnknownParty):
        await channels.promote(world.database, DOMAIN, CHANNEL)
    with pytest.raises(UnknownParty):
        await channels.set_next_key(world.database, DOMAIN, "99", sealed_key)
    details = await world.database.read("SELECT detail FROM audit WHERE action = 'change channel' ORDER BY id")
    assert [row["detail"] for row in details] == [
        '{"next_sealed_key": "changed"}', '{"sealed_key": "changed", "next_sealed_key": "changed"}'
    ]  # fmt: skip

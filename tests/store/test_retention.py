"""Old answers go, batch by batch; what a document still needs stays."""

from datetime import datetime, timedelta

import pytest

from tongka.days import ZONE
from tongka.errors import Misconfigured
from tongka.settings import load
from tongka.store import retention
from tongka.store.retention import forget_replies

NOON = datetime(2025, 6, 2, 12, 0, tzinfo=ZONE)
INSERT = "INSERT INTO reply (request, digest, body, at) VALUES ($1, '', '', $2)"


async def test_old_answers_of_the_card_front_go_and_young_ones_and_the_onecard_api_s_stay(database, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    for number in range(5):
        await database.execute(INSERT, f"huzhou|90000001|20250101|{number}", NOON - timedelta(days=32))
    for request, days in (("huzhou|90000001|20250601|1", 30), ("linkage/3300/tuxedo/mac1authal|1", 4000)):
        await database.execute(INSERT, request, NOON - timedelta(days=days))
    assert await forget_replies(database, NOON - timedelta(days=31)) == 5
    left = {row["request"] for row in await database.read("SELECT request FROM reply")}
    assert left == {"huzhou|90000001|20250601|1", "linkage/3300/tuxedo/mac1authal|1"}


def test_answers_cannot_be_set_to_go_while_partners_still_repeat():
    with pytest.raises(Misconfigured, match=r"city\.keep_replies_days"):
        load(None, {"TONGKA_CITY_KEEP_REPLIES_DAYS": "30"})
    assert load(None, {"TONGKA_CITY_KEEP_REPLIES_DAYS": "31"}).settings.city.keep_replies_days == 31

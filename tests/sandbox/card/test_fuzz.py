"""The fuzzer's short form; `make fuzz` sends a million commands."""

from dataclasses import replace

import fuzz_apdu
import pytest

from tongka.card.apdu import Response
from tongka.sandbox.card import purse
from tongka.sandbox.card.machine import SoftwareCard


def test_every_apdu_gets_a_status_word_and_money_is_conserved():
    ends = fuzz_apdu.run(20_000, seed=20240131)
    completed = {kind.name: ends[f"{kind.name} 9000"] for kind in fuzz_apdu.SIGNS}
    assert all(completed.values()), completed
    assert ends["cut"] > 0


@pytest.mark.parametrize(
    "fault",
    [
        lambda image, **_: image,
        lambda image, amount=0, **_: replace(image, balance_fen=image.balance_fen + amount),
        lambda image, amount=0, online=0, **_: replace(image, online_atc=image.online_atc + 1),
    ],
    ids=["nothing moves", "no counter moves", "no money moves"],
)
def test_the_fuzzer_catches_a_card_that_moves_money_wrongly(monkeypatch, fault):
    monkeypatch.setattr(purse, "_moved", fault)
    with pytest.raises(fuzz_apdu.Finding, match="the model"):
        fuzz_apdu.run(5_000, seed=1)


def test_the_fuzzer_catches_a_status_word_of_no_table(monkeypatch):
    monkeypatch.setattr(SoftwareCard, "transmit", lambda _self, _apdu: Response(b"", 0x1234))
    with pytest.raises(fuzz_apdu.Finding, match="1234"):
        fuzz_apdu.run(1, seed=1)

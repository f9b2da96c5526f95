"""The gateway's fuzzer in its short form; `make fuzz` sends a million requests."""

import fuzz_gateway
import pytest

from tongka.partners.alipay import codec


def test_whatever_is_sent_is_read_or_refused():
    ends = fuzz_gateway.run(3_000, seed=20260302)
    for end in ("signed", "not signed", "unreadable", "no method"):
        assert ends[end], end


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("verify", lambda *_: None),
        ("node_text", lambda node: str(node).encode()),
        ("node_of", lambda method: method),
    ],
)
def test_the_fuzzer_catches_a_gateway_that_is_careless(monkeypatch, name, fault):
    monkeypatch.setattr(codec, name, fault)
    with pytest.raises(AssertionError, match="finding"):
        fuzz_gateway.run(3_000, seed=1)

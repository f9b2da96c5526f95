"""Tickets: whole, for one purpose, for a while."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongka.errors import BadSignature
from tongka.partners.alipay import tickets
from tongka.partners.alipay.tickets import TicketExpired

SECRET = bytes(range(32))
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


@given(values=st.lists(texts, max_size=4), ends=st.integers(0, 2**32), now=st.integers(0, 2**32))
def test_values_come_back_until_the_end(values, ends, now):
    ticket = tickets.issue(SECRET, "sign", tuple(values), ends)
    if now <= ends:
        assert tickets.read(SECRET, "sign", ticket, now) == tuple(values)
    else:
        with pytest.raises(TicketExpired):
            tickets.read(SECRET, "sign", ticket, now)


@given(at=st.integers(0, 79), other=st.integers(1, 127))
def test_a_changed_ticket_is_refused(at, other):
    ticket = bytearray(tickets.issue(SECRET, "sign", ("u", "v"), 2**31).encode())
    ticket[at % len(ticket)] ^= other
    changed = bytes(ticket).decode("latin-1")
    with suppress(BadSignature):
        assert tickets.read(SECRET, "sign", changed, 0) == ("u", "v")  # other characters of the same bytes


def test_another_purpose_or_secret_is_refused():
    ticket = tickets.issue(SECRET, "rider", ("u",), 2**31)
    for secret, purpose in ((SECRET, "sign"), (bytes(32), "rider")):
        with pytest.raises(BadSignature):
            tickets.read(secret, purpose, ticket, 0)


@pytest.mark.parametrize("ticket", ["", "x", "ä", "AAAA", "A" * 44])
def test_what_is_no_ticket_is_refused(ticket):
    with pytest.raises(BadSignature):
        tickets.read(SECRET, "rider", ticket, 0)

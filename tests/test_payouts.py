"""Which payments are refunded: the latest first, each within what is left of it and within its window, to the fen."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tongka.days import ZONE
from tongka.payouts import Planned, Refundable, plan

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=ZONE)
WINDOWS = {"alipay": timedelta(days=365), "wechat": timedelta(days=90)}


def payment(number: str, left_fen: int, days: int, acquirer: str = "alipay") -> Refundable:
    return Refundable(payment_no=number, acquirer=acquirer, left_fen=left_fen, made_at=NOW - timedelta(days=days))


PAYMENTS = st.lists(
    st.builds(
        payment,
        st.uuids().map(str),
        st.integers(-5, 3_000),
        st.integers(0, 400),
        st.sampled_from(["alipay", "wechat", "gone"]),
    ),
    max_size=12,
)


def test_the_latest_payment_goes_back_first_and_the_last_one_in_part():
    found = [payment("old", 1_000, 9), payment("new", 500, 1), payment("middle", 700, 5)]
    assert plan(1_500, found, WINDOWS, NOW) == (
        Planned("new", "alipay", 500), Planned("middle", "alipay", 700), Planned("old", "alipay", 300),
    )  # fmt: skip


def test_what_is_too_old_used_up_or_of_nobody_connected_is_passed_over():
    found = [
        payment("late", 100, 365), payment("last day", 100, 364), payment("late too", 100, 90, "wechat"),
        payment("empty", 0, 1), payment("nobody's", 100, 1, "gone"),
    ]  # fmt: skip
    assert plan(1_000, found, WINDOWS, NOW) == (Planned("last day", "alipay", 100),)


@given(st.integers(0, 20_000), PAYMENTS)
def test_a_plan_covers_what_is_owed_as_far_as_the_payments_reach(owed_fen, found):
    planned = plan(owed_fen, found, WINDOWS, NOW)
    left = {
        one.payment_no: one.left_fen
        for one in found
        if one.left_fen > 0 and one.acquirer in WINDOWS and NOW - one.made_at < WINDOWS[one.acquirer]
    }
    assert sum(one.amount_fen for one in planned) == min(owed_fen, sum(left.values()))
    assert len({one.payment_no for one in planned}) == len(planned)
    assert all(0 < one.amount_fen <= left[one.payment_no] for one in planned)
    whole = planned[:-1]  # only the last one is refunded in part
    assert all(one.amount_fen == left[one.payment_no] for one in whole)
    made = {one.payment_no: one.made_at for one in found}
    order = [made[one.payment_no] for one in planned]
    assert order == sorted(order, reverse=True)
    skipped = [made[name] for name in left if name not in {one.payment_no for one in planned}]
    assert not order or all(at <= order[-1] for at in skipped)

"""Settlement lists: the same bytes, read back as they were written, and every difference found."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongka.errors import Malformed
from tongka.reconcile import COLUMNS, Difference, Line, What, compare, read_csv, to_csv, total_fen

ONE = Line(date(2026, 3, 2), "institution", "90000001", "08:00:00", "topup", "o1", "p1", "3104", "10", 102, 1_000)
numbers = st.text("0123456789abc", min_size=1, max_size=6)
lines = st.lists(
    st.builds(
        lambda number, kind, fen: replace(ONE, order_no=f"o{number}", their_no=f"p{number}", kind=kind, amount_fen=fen),
        numbers, st.sampled_from(["topup", "refund"]), st.integers(-(10**12), 10**12),
    ),
    min_size=1,
)  # fmt: skip


@given(lines)
def test_a_list_that_comes_back_agrees_and_has_the_same_total(ours):
    theirs = read_csv(to_csv(ours))
    assert compare(ours, theirs) == []
    assert total_fen(theirs) == total_fen(ours)
    assert to_csv(ours) == to_csv(list(ours))


@given(lines, lines)
def test_differences_are_what_the_totals_differ_by(ours, theirs):
    found = compare(ours, theirs)
    assert sum(one.ours_fen - one.theirs_fen for one in found) == total_fen(ours) - total_fen(theirs)
    mirrored = {What.MISSING_HERE: What.MISSING_THERE, What.MISSING_THERE: What.MISSING_HERE}
    assert compare(theirs, ours) == [
        Difference(one.kind, one.number, mirrored.get(one.what, one.what), one.theirs_fen, one.ours_fen)
        for one in found
    ]


def test_each_kind_of_difference():
    other = replace(ONE, order_no="o2", their_no="p2")
    assert compare([ONE], [ONE, other]) == [Difference("topup", "o2", What.MISSING_HERE, 0, 1_000)]
    assert compare([ONE, other], [ONE]) == [Difference("topup", "o2", What.MISSING_THERE, 1_000, 0)]
    assert compare([ONE], [replace(ONE, amount_fen=999)]) == [Difference("topup", "o1", What.OTHER_AMOUNT, 1_000, 999)]
    assert compare([ONE], [ONE, ONE]) == [Difference("topup", "o1", What.OTHER_AMOUNT, 1_000, 2_000)]


def test_a_partner_who_knows_his_own_number_alone_is_understood():
    assert compare([ONE], [replace(ONE, order_no="")]) == []
    assert compare([ONE], [replace(ONE, order_no="", their_no="p9")]) == [
        Difference("topup", "o1", What.MISSING_THERE, 1_000, 0),
        Difference("topup", "p9", What.MISSING_HERE, 0, 1_000),
    ]


HEADER = "settlement_date,role,party,kind,order_no,their_no,amount_fen\n"
GOOD = "2026-03-02,institution,90000001,topup,o1,p1,1000\n"


def test_only_what_is_compared_is_asked_for():
    assert compare([ONE], read_csv(("﻿" + HEADER + GOOD).encode())) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "has no line"),
        (HEADER, "has no line"),
        (HEADER + GOOD.replace("1000", "10.00"), "whole number of fen"),
        (HEADER + GOOD.replace("1000", ""), "whole number of fen"),
        (HEADER + GOOD.replace("2026-03-02", "20260302x"), "YYYY-MM-DD"),
        (HEADER + GOOD.replace("institution", "bank"), "role, party and kind"),
        (HEADER + GOOD.replace("o1,p1", ","), "order_no or their_no"),
        (HEADER + GOOD + GOOD.replace("90000001", "90000002"), "several days or partners"),
        (HEADER + GOOD + ",,,total,1,,999\n", "the total is not"),
        (HEADER + '2026-03-02,"inst', "no CSV"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(text, why):
    with pytest.raises(Malformed, match=why):
        read_csv(text.encode())


def test_a_list_that_is_no_text_is_refused():
    with pytest.raises(Malformed, match="no CSV in UTF-8"):
        read_csv(b"\xff\xfe\x00")


def test_the_columns_of_a_list():
    assert to_csv([ONE]).decode() == (
        ",".join(COLUMNS) + "\n"
        "2026-03-02,institution,90000001,08:00:00,topup,o1,p1,3104,10,102,1000\n"
        ",,,,total,1,,,,,1000\n"
    )

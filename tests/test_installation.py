"""An installation knows itself: the rules by which a mode and a key store are told to be another's."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongka.days import ZONE
from tongka.installation import Installation, keys_complaint, mode_complaint, new_keys

SINCE = datetime(2025, 6, 2, tzinfo=ZONE)
KEYS = st.dictionaries(st.sampled_from(["card/a/load/1", "card/a/tac/1", "endpoint/huzhou/1"]), st.sampled_from("xy"))


@pytest.mark.parametrize(("stamped", "mode"), [("production", "sandbox"), ("sandbox", "production")])
def test_each_mode_is_refused_on_the_other_database(stamped, mode):
    complaint = mode_complaint(Installation("1", stamped, SINCE), mode)
    assert complaint == (
        f"mode: is {mode}, and this database is that of a {stamped} installation since 2025-06-02; set mode to"
        f" {stamped}, or name another database in database.url"
    )
    assert mode_complaint(Installation("1", mode, SINCE), mode) == ""


@given(KEYS, KEYS)
def test_a_store_is_right_exactly_if_it_has_every_stamped_key_alike(stamped, held):
    assert (keys_complaint(stamped, held) == "") == (stamped.items() <= held.items())


@given(KEYS, KEYS)
def test_what_is_new_completes_the_stamp(stamped, held):
    whole = stamped | new_keys(stamped, held)
    assert whole.keys() == stamped.keys() | held.keys()
    assert stamped.items() <= whole.items()


def test_a_complaint_names_keys_the_setting_and_the_remedy():
    complaint = keys_complaint({"card/a/load/1": "x", "card/a/load/2": "y"}, {"card/a/load/1": "z"})
    assert complaint.startswith("keys.uri: the key store is not the one of this installation: it lacks card/a/load/2")
    assert " and has another card/a/load/1; name the right store, or restore it" in complaint


def test_of_many_keys_the_first_are_named():
    assert "lacks 1, 2, 3 and 2 more;" in keys_complaint(dict.fromkeys("12345", "x"), {})


@pytest.mark.parametrize(("stamped", "held"), [("", "x"), ("x", "")])
def test_what_a_token_does_not_tell_is_not_compared(stamped, held):
    assert keys_complaint({"a": stamped}, {"a": held}) == ""


def test_what_a_token_tells_later_is_kept():
    assert new_keys({"a": "", "b": "y"}, {"a": "x", "b": ""}) == {"a": "x"}

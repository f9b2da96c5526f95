"""The certificate that is served: read as a pair, and its days."""

from datetime import UTC, datetime, timedelta

import pytest

from tls_files import write_pair
from tongka.errors import Misconfigured
from tongka.settings import Web
from tongka.tls import complaint, read_pair


def web(certificate, key):
    return Web(tls_certificate=certificate, tls_key=key)


def test_without_a_certificate_there_is_nothing_to_say():
    assert read_pair(Web()) is None
    assert complaint(None, datetime.now(UTC)) == ""


@pytest.mark.parametrize(
    ("in_days", "said"), [(0, ""), (300, ""), (360, "ends at"), (400, "ended at"), (-100, "valid only from")]
)
def test_its_days_are_told(tmp_path, in_days, said):
    found = read_pair(web(*write_pair(tmp_path, days=365)))
    told = complaint(found, found.since + timedelta(days=in_days))
    assert (said in told) if said else not told


def test_the_key_of_another_certificate_is_refused_by_name(tmp_path):
    (certificate, _), (_, key) = write_pair(tmp_path, 1), write_pair(tmp_path, 1, "other")
    with pytest.raises(Misconfigured, match=r"web\.tls_key: .*other\.key does not belong"):
        read_pair(web(certificate, key))


@pytest.mark.parametrize("missing", [0, 1])
@pytest.mark.parametrize("contents", [None, b"no PEM"])
def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path, missing, contents):
    pair = list(write_pair(tmp_path, 1))
    pair[missing] = str(tmp_path / "absent")
    if contents:
        (tmp_path / "absent").write_bytes(contents)
    with pytest.raises(Misconfigured, match=r"web\.tls_(certificate|key): .*absent cannot be read"):
        read_pair(web(*pair))

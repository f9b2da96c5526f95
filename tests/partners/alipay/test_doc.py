"""The page on the open gateway is up to date with the code."""

from pathlib import Path

from tongka.partners.alipay import doc
from tongka.partners.alipay.operations import METHODS
from tongka.settlement import Why

PAGE = (Path(__file__).parents[3] / "docs" / "partners" / "alipay.md").read_text("utf-8")


def test_the_generated_parts_are_what_the_code_says():
    assert doc.refresh(PAGE) == PAGE


def test_every_method_stands_on_the_page():
    for method in METHODS:
        assert f"| `{method}` |" in PAGE


def test_every_reason_has_an_error_code_of_its_own():
    codes = [row.error_code for row in doc.TRADE_ERRORS.values()]
    assert set(doc.TRADE_ERRORS) == set(Why)
    assert len(set(codes)) == len(codes)
